// What a credential is: its kinds with their forms and lives, and what has just
// been issued. Pure; the rows are credential_store's, the making credential_issuer's.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "libs/base/clock.h"
#include "services/auth/user.h"

namespace gatehouse::auth {

enum class CredentialKind {
  kToken,     // "Authorization: Token …": opaque, no end, the newest 20 live.
  kSession,   // Cookie session: opaque, sliding.
  kLogin,     // Of /auth/login: opaque, 24 hours.
  kAccess,    // Signed access tokens of 15 minutes, and a refresh token.
  kPlatform,  // Signed access tokens of 30 minutes, and a refresh token.
  kApi,       // "ora_…", made by a user.
  kKey,       // "gh_…", narrowed to scopes.
};

// As in the column `kind`.
const char* Name(CredentialKind kind);
std::optional<CredentialKind> KindOf(const std::string& name);

// Whether its tokens are signed and name the row, instead of being looked up by
// their digest.
bool IsSigned(CredentialKind kind);

// What the text of an opaque one begins with, before "_".
const char* PrefixOf(CredentialKind kind);

// Life of one signed access token.
std::chrono::seconds AccessLife(CredentialKind kind);

// Of sessions with refresh tokens: since the last refresh, and since the login.
inline constexpr std::chrono::hours kRefreshLife{7 * 24};
inline constexpr std::chrono::hours kRefreshLifeMax{30 * 24};
inline constexpr std::chrono::hours kLoginLife{24};
// The parent of a refresh token is answered with the same child for this long.
inline constexpr std::chrono::seconds kReplayWindow{10};
// The newest this many of kind kToken live.
inline constexpr int kLiveTokensMax = 20;

// The longest that a signed token can be good without being asked about.
inline constexpr std::chrono::minutes kAccessLifeMax{30};

// All that an owner holds: the permissions and the scopes of the role, sorted, each
// once.
std::vector<std::string> HeldScopes(const std::vector<std::string>& permissions,
                                    const std::vector<std::string>& role_scopes);

// What a credential with `scopes` allows its owner now: nullopt when it is not
// narrowed (no scopes, or "*" among them), else those that the owner holds, sorted.
std::optional<std::vector<std::string>> EffectiveScopes(
    const std::optional<std::vector<std::string>>& scopes,
    const std::vector<std::string>& permissions, const std::vector<std::string>& role_scopes);

// A new credential, shown here only, and its owner.
struct IssuedCredential {
  std::string credential_id;
  std::string token;                // Opaque, or a signed access token.
  std::string refresh_token;        // Of signed kinds.
  std::optional<Time> expire_time;  // Of `token`.
  User user;
  std::vector<std::string> scopes = {};  // Of kind kLogin.
  bool has_revoked = false;  // Older credentials died for it: the control hub must wake.
};

}  // namespace gatehouse::auth
