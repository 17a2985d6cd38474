// SQL for opaque credentials: digests only, never the credential. Every function
// runs in the caller's transaction.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "libs/pg/database.h"

namespace gatehouse::auth {

// The newest this many tokens of a user live.
inline constexpr int kLiveTokensMax = 20;

// What may have changed since the user's password was checked.
struct Issuer {
  std::int64_t epoch = 0;
  std::string password_hash;
  bool is_active = false;
};

// Locks the user's row, which also orders the issues to one user.
std::optional<Issuer> LockIssuer(pg::Tx& tx, const std::string& user_id);

// Issues a token under `epoch` to the locked user, and revokes the oldest ones
// beyond the newest kLiveTokensMax. True when some were revoked.
bool InsertToken(pg::Tx& tx, const std::string& user_id, std::int64_t epoch,
                 const std::string& digest);

// A live credential and whom it stands for.
struct TokenRow {
  std::string token_id;
  std::string user_id;
  std::int64_t user_number = 0;
  std::string username;
  std::string email;
  std::string role;
  std::vector<std::string> permissions;
  int rate_limit_per_second = 0;  // The user's own, else the role's.
  int rate_limit_burst = 0;
  std::int64_t tenant_id = 0;
  std::string client_id;
  std::string tier;
  std::int64_t epoch = 0;
  std::optional<Time> expire_time;
  bool use_is_stale = false;          // Its last use was recorded a minute ago or earlier.
  std::int64_t control_sequence = 0;  // Of the same snapshot.
};

// One statement. nullopt for an unknown, revoked, expired or outdated token and
// for a disabled user.
std::optional<TokenRow> LookupToken(pg::Tx& tx, const std::string& digest);

// Records a use, at most once a minute.
void RecordUse(pg::Tx& tx, const std::string& token_id);

// Whose token was revoked.
struct RevokedToken {
  std::string token_id;
  std::string user_id;
  std::string username;
  std::int64_t tenant_id = 0;
};

// Revokes the token and writes the control log; nullopt when there was no
// unrevoked token.
std::optional<RevokedToken> RevokeToken(pg::Tx& tx, const std::string& digest);

}  // namespace gatehouse::auth
