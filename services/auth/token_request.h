// What may be asked of tokens and keys, and what a path demands of a credential.
// Pure: no I/O, no protobuf. What a credential allows is in credential.h.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "libs/base/clock.h"
#include "services/auth/credential.h"
#include "services/auth/user_change.h"

namespace gatehouse::auth {

// The newest of a user's tokens and keys that may live at a time.
inline constexpr int kLiveUserTokensMax = 1000;

struct TokenOrder {
  CredentialKind kind = CredentialKind::kApi;
  std::string name = "";
  std::vector<std::string> scopes = {};  // Sorted, each once; "*" stands alone.
  std::optional<Time> expire_time = {};
};

// INVALID_ARGUMENT / KIND_INVALID, NAME_INVALID, SCOPE_INVALID or EXPIRE_TIME_INVALID.
// Brings the scopes into order. A past end is a fault of a key only: the
// documents let an API token be born dead.
absl::Status Check(TokenOrder& order, Time now);

// PERMISSION_DENIED / SCOPE_NOT_HELD for a scope that the owner does not hold, and for
// more than the narrowed credential of the actor allows.
absl::Status CheckScopes(const TokenOrder& order, const std::vector<std::string>& held,
                         const Actor& actor);

// PERMISSION_DENIED / ADMIN_REQUIRED unless the owner or who is trusted.
absl::Status CheckMayMakeFor(const Actor& actor, const User& owner);

// As text of a request: whether it could be a signed token. Anything else is opaque.
bool LooksSigned(const std::string& credential);

// The scope that a request needs by its path; "" when any one will do.
std::string NeededScope(const std::string& path);

// PERMISSION_DENIED / SCOPE_INSUFFICIENT.
absl::Status CheckAllows(const std::vector<std::string>& scopes, const std::string& path);

}  // namespace gatehouse::auth
