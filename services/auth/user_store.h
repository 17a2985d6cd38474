// SQL for users. Every function runs in the caller's transaction. Raising epochs is
// revocation.h, reserving names signup_store.h, locking for an issue LockOwner in
// credential_issuer.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "libs/pg/database.h"
#include "libs/rpc/page.h"
#include "services/auth/user.h"
#include "services/auth/user_change.h"

namespace gatehouse::auth {

// What a login needs to know of a user.
struct LoginRow {
  std::string user_id;
  std::string username;
  std::string email;
  std::int64_t tenant_id = 0;
  std::string password_hash;
  bool is_active = false;
};

// By username or email, regardless of case.
std::optional<LoginRow> FindLogin(pg::Tx& tx, const std::string& username_or_email);
std::optional<LoginRow> FindLoginById(pg::Tx& tx, const std::string& user_id);

std::optional<User> FindUserById(pg::Tx& tx, const std::string& id);
std::optional<User> FindUserByUsername(pg::Tx& tx, const std::string& username);

// Which texts name a user. A name is tried last, so that nobody can choose one that
// stands for somebody else.
enum class UserKey { kUsername, kIdOrNumber, kIdOrUsername, kAny };
std::optional<User> FindUser(pg::Tx& tx, const std::string& text, UserKey forms);

struct UserFilter {
  std::string search;  // Part of the username or email, regardless of case; empty: all.
  std::optional<bool> is_active;
  bool hides_admins = false;
};

// Up to `limit` users after `after`, newest first, without the first `skip`.
std::vector<User> ListUsers(pg::Tx& tx, const UserFilter& filter,
                            const std::optional<rpc::PagePosition>& after, int skip, int limit);
std::int64_t CountUsers(pg::Tx& tx, const UserFilter& filter);

struct NewUser {
  std::string id;
  std::string username;
  std::string email;
  std::string password_hash;
  std::string role;
  std::int64_t tenant_id = 0;
  std::string passkey_digest = "";  // Empty: joined without a passkey.
  std::string first_name = "";
  std::string last_name = "";
  std::optional<int> rate_limit_per_second = std::nullopt;  // Absent follows the role.
  std::optional<int> rate_limit_burst = std::nullopt;       // Absent follows the role.
};

// The names must have been reserved (signup_store.h).
User InsertUser(pg::Tx& tx, const NewUser& user);

// Writes what is present, but for the password. New names must have been reserved.
void SaveChange(pg::Tx& tx, const std::string& user_id, const UserChange& change);

// A new password; `must_change`: before anything else, its owner must change it.
void SetPassword(pg::Tx& tx, const std::string& user_id, const std::string& password_hash,
                 bool must_change);

// Marks the user as revoked, or clears the mark; kills nothing.
void SetRevoked(pg::Tx& tx, const std::string& user_id, bool is_revoked);

// The ids of all active administrators, their rows locked in the order of the ids.
// Before any other lock on a user.
std::vector<std::string> LockActiveAdmins(pg::Tx& tx);

// Whether a user holds the name or the address, regardless of case.
bool IsUsernameTaken(pg::Tx& tx, const std::string& username);
bool IsEmailTaken(pg::Tx& tx, const std::string& email);

// The user who joined under these names by this passkey, with the hash to check
// the password against. A disabled user is not found.
std::optional<LoginRow> FindSignedUp(pg::Tx& tx, const std::string& username,
                                     const std::string& email, const std::string& passkey_digest);

}  // namespace gatehouse::auth
