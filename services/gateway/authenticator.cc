#include "services/gateway/authenticator.h"

#include <algorithm>

#include "libs/rpc/timestamp.h"
#include "libs/token/api_token.h"

namespace gatehouse::gateway {

absl::Status InvalidCredentials() {
  return Error(absl::StatusCode::kUnauthenticated, "CREDENTIALS_INVALID",
               "authentication credentials are missing or not valid");
}

absl::StatusOr<IdentityPtr> Authenticator::Recall(const std::string& token,
                                                  std::string* digest) const {
  if (!token::LooksLikeApiToken(token)) return InvalidCredentials();
  *digest = token::TokenDigest(token);
  const Time now = clock_.Now();
  if (IdentityPtr identity = known_.Get(*digest, now)) {
    switch (control_.Judge(*identity)) {
      case Standing::kGood:
        return identity;
      case Standing::kRevoked:
        return InvalidCredentials();
      case Standing::kOutdated:
        return IdentityPtr();
    }
  }
  if (unknown_.Get(*digest, now) != nullptr) return InvalidCredentials();
  return IdentityPtr();
}

absl::StatusOr<IdentityPtr> Authenticator::Accept(const std::string& digest,
                                                  const auth::v1::LookupTokenResponse& answer) {
  const Time now = clock_.Now();
  auto identity = std::make_shared<Identity>();
  identity->digest = digest;
  identity->token_id = answer.token_id();
  identity->principal = answer.principal();
  identity->epoch = answer.epoch();
  identity->sequence = answer.control_sequence();
  if (answer.has_expire_time()) identity->expire_time = rpc::FromTimestamp(answer.expire_time());
  if (identity->expire_time <= now) return Refuse(digest);

  // Read before the judgement: an answer from ahead of what has been heard could
  // be overtaken by changes that this gateway does not know of yet.
  const bool may_keep = identity->sequence <= control_.sequence();
  if (may_keep) known_.Put(digest, identity, std::min(identity->expire_time, now + kCacheLife));
  // After the insert: a revocation that came while the look-up was in flight is
  // seen here, and one that comes later on the next hit.
  switch (control_.Judge(*identity)) {
    case Standing::kGood:
      return IdentityPtr(std::move(identity));
    case Standing::kOutdated:
      if (may_keep) known_.Erase(digest);
      return IdentityPtr();
    case Standing::kRevoked:
      break;
  }
  if (may_keep) known_.Erase(digest);
  return InvalidCredentials();
}

absl::Status Authenticator::Refuse(const std::string& digest) {
  known_.Erase(digest);
  unknown_.Put(digest, std::make_shared<std::monostate>(), clock_.Now() + kUnknownLife);
  return InvalidCredentials();
}

void Authenticator::Clear() {
  known_.Clear();
  unknown_.Clear();
}

}  // namespace gatehouse::gateway
