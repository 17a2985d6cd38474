// SQL for users and tenants. Every function runs in the caller's transaction.
#pragma once

#include <optional>
#include <string>

#include "libs/pg/database.h"
#include "services/auth/user.h"

namespace gatehouse::auth {

// What a login needs to know of a user.
struct LoginRow {
  std::string user_id;
  std::string username;
  std::int64_t tenant_id = 0;
  std::string password_hash;
  bool is_active = false;
};

// By username or email, regardless of case.
std::optional<LoginRow> FindLogin(pg::Tx& tx, const std::string& username_or_email);

std::optional<User> FindUserById(pg::Tx& tx, const std::string& id);
std::optional<User> FindUserByNumber(pg::Tx& tx, std::int64_t number);
std::optional<User> FindUserByUsername(pg::Tx& tx, const std::string& username);

std::optional<Tenant> FindTenant(pg::Tx& tx, std::int64_t id);
std::optional<Tenant> FindTenantByClientId(pg::Tx& tx, const std::string& client_id);

// The new tenant, or nullopt when `client_id` is taken.
std::optional<Tenant> InsertTenant(pg::Tx& tx, const std::string& client_id,
                                   const std::string& name);

struct NewUser {
  std::string id;
  std::string username;
  std::string email;
  std::string password_hash;
  std::string role;
  std::int64_t tenant_id = 0;
  std::string passkey_digest = "";  // Empty: joined without a passkey.
};

// The names must have been reserved (signup_store.h).
User InsertUser(pg::Tx& tx, const NewUser& user);

// Whether a user holds the name or the address, regardless of case.
bool IsUsernameTaken(pg::Tx& tx, const std::string& username);
bool IsEmailTaken(pg::Tx& tx, const std::string& email);

// The user who joined under these names by this passkey, with the hash to check
// the password against. A disabled user is not found.
std::optional<LoginRow> FindSignedUp(pg::Tx& tx, const std::string& username,
                                     const std::string& email, const std::string& passkey_digest);

// Raises the user's epoch, which kills every credential issued before, writes
// the control log, and returns the new epoch. The user must exist.
std::int64_t RaiseEpoch(pg::Tx& tx, const std::string& user_id);

}  // namespace gatehouse::auth
