// SQL for the lists of tokens and keys that users have made. Every function runs in
// the caller's transaction. Their making, look-up and revocation are
// credential_store.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "libs/pg/database.h"
#include "libs/rpc/page.h"
#include "services/auth/credential.h"

namespace gatehouse::auth {

// Without its text, which is kept nowhere.
struct UserToken {
  std::string id;
  std::string user_id;
  std::string username;
  CredentialKind kind = CredentialKind::kApi;
  std::string name;
  std::vector<std::string> scopes;  // Empty: not narrowed.
  std::string hint;
  Time create_time;
  std::optional<Time> expire_time;
  std::optional<Time> last_used_time;
  bool is_revoked = false;  // By itself, or by an epoch.
};

struct UserTokenFilter {
  std::string user_id;                 // UUID; empty: of all.
  std::optional<CredentialKind> kind;  // kApi or kKey; absent: both.
  bool hides_admins = false;
  std::string viewer_id = "";  // Whose own are never hidden.
};

// Up to `limit` after `after`, newest first, dead ones included.
std::vector<UserToken> ListUserTokens(pg::Tx& tx, const UserTokenFilter& filter,
                                      const std::optional<rpc::PagePosition>& after, int limit);
std::int64_t CountUserTokens(pg::Tx& tx, const UserTokenFilter& filter);

std::optional<UserToken> FindUserToken(pg::Tx& tx, const std::string& id);

// How many of a user's live.
int CountLiveUserTokens(pg::Tx& tx, const std::string& user_id);

}  // namespace gatehouse::auth
