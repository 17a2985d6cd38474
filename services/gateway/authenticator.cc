#include "services/gateway/authenticator.h"

#include <algorithm>

#include "libs/log/log.h"
#include "libs/rpc/timestamp.h"
#include "libs/token/api_token.h"
#include "libs/token/jwt.h"

namespace gatehouse::gateway {
namespace {

constexpr char kIssuer[] = "gatehouse";  // And audience.

bool LooksLikeJwt(const std::string& token) {
  return std::count(token.begin(), token.end(), '.') == 2;
}

metrics::Counter& SignatureCounter(const std::string& result) {
  return metrics::GetCounter("gatehouse_gateway_signed_tokens_total",
                             "Signed access tokens verified by the edge.", {{"result", result}});
}

metrics::Counter& CredentialCounter(const std::string& source) {
  return metrics::GetCounter("gatehouse_gateway_credentials_total",
                             "Credentials judged by the edge, by where the answer came from.",
                             {{"source", source}});
}

}  // namespace

absl::Status InvalidCredentials() {
  return Error(absl::StatusCode::kUnauthenticated, "CREDENTIALS_INVALID",
               "authentication credentials are missing or not valid");
}

Authenticator::Authenticator(const ControlState& control, const Clock& clock)
    : control_(control),
      clock_(clock),
      signed_good_(SignatureCounter("good")),
      signed_bad_(SignatureCounter("refused")),
      hits_(CredentialCounter("cache")),
      looked_up_(CredentialCounter("look_up")),
      refused_(CredentialCounter("refused")) {}

absl::StatusOr<std::variant<IdentityPtr, PendingLookUp>> Authenticator::Recall(
    const std::string& token) const {
  // Refresh tokens and garbage end here, and cost no call.
  const bool is_signed = LooksLikeJwt(token);
  if (token.size() > kTokenBytesMax || !(is_signed || token::LooksLikeApiToken(token))) {
    refused_.Increment();
    return InvalidCredentials();
  }
  PendingLookUp pending;
  pending.digest = token::TokenDigest(token);
  const Time now = clock_.Now();
  Standing standing = Standing::kOutdated;
  IdentityPtr identity = known_.Get(pending.digest, now);
  if (identity != nullptr) standing = control_.Judge(*identity);
  if (standing == Standing::kGood) {
    hits_.Increment();
    return identity;
  }
  if (standing == Standing::kRevoked || unknown_.Get(pending.digest, now) != nullptr) {
    refused_.Increment();
    return InvalidCredentials();
  }
  if (is_signed) return Verify(token, std::move(pending));
  pending.request.set_digest(pending.digest);
  return pending;
}

absl::StatusOr<PendingLookUp> Authenticator::Verify(const std::string& jwt,
                                                    PendingLookUp pending) const {
  const std::shared_ptr<const PublicKeys> keys = control_.keys();
  const absl::StatusOr<token::Claims> claims =
      token::VerifyJwt(keys->set, jwt, kIssuer, kIssuer, clock_.Now());
  std::string cause;
  if (!claims.ok()) {
    cause = std::string(claims.status().message());
  } else if (claims->session_id.empty()) {
    cause = "it names no session";
  } else if (control_.IsDead(*claims)) {
    cause = "it was revoked";
  }
  if (!cause.empty()) {
    signed_bad_.Increment();
    log::Debug("a signed token was refused", {{"cause", cause}});
    return InvalidCredentials();
  }
  signed_good_.Increment();
  pending.request.set_session_id(claims->session_id);
  pending.request.set_epoch(claims->epoch);
  pending.expire_time = claims->expire_time;
  pending.keys_version = keys->version;
  return pending;
}

absl::StatusOr<IdentityPtr> Authenticator::Accept(const PendingLookUp& pending,
                                                  const auth::v1::LookupTokenResponse& answer) {
  const Time now = clock_.Now();
  auto identity = std::make_shared<Identity>();
  identity->digest = pending.digest;
  identity->token_id = answer.token_id();
  identity->kind = answer.kind();
  identity->principal = answer.principal();
  identity->password_change_required = answer.password_change_required();
  identity->rate_limit_per_second = answer.rate_limit_per_second();
  identity->rate_limit_burst = answer.rate_limit_burst();
  identity->sequence = answer.control_sequence();
  identity->keys_version = pending.keys_version;
  identity->expire_time = pending.expire_time;
  if (answer.has_expire_time()) {
    identity->expire_time =
        std::min(identity->expire_time, rpc::FromTimestamp(answer.expire_time()));
  }
  if (identity->expire_time <= now) return Refuse(pending);

  // Read before the judgement: an answer from ahead of what has been heard could
  // be overtaken by changes that this gateway does not know of yet.
  const bool may_keep = identity->sequence <= control_.sequence();
  if (may_keep) {
    known_.Put(pending.digest, identity, std::min(identity->expire_time, now + kCacheLife));
  }
  // After the insert: a revocation that came while the look-up was in flight is
  // seen here, and one that comes later on the next hit.
  const Standing standing = control_.Judge(*identity);
  if (standing == Standing::kGood) {
    looked_up_.Increment();
    return IdentityPtr(std::move(identity));
  }
  if (may_keep) known_.Erase(pending.digest);
  if (standing == Standing::kOutdated) return IdentityPtr();
  refused_.Increment();
  return InvalidCredentials();
}

absl::Status Authenticator::Refuse(const PendingLookUp& pending) {
  refused_.Increment();
  known_.Erase(pending.digest);
  unknown_.Put(pending.digest, std::make_shared<std::monostate>(), clock_.Now() + kUnknownLife);
  return InvalidCredentials();
}

void Authenticator::Clear() {
  known_.Clear();
  unknown_.Clear();
}

}  // namespace gatehouse::gateway
