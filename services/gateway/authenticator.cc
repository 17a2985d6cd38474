#include "services/gateway/authenticator.h"

#include <algorithm>
#include <functional>

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

// The cache divides by the first byte, and ids that were made at one time begin alike.
std::string SessionKey(const std::string& session_id) {
  return static_cast<char>(std::hash<std::string>()(session_id)) + session_id;
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
  if (is_signed) {
    GH_ASSIGN_OR_RETURN(PendingLookUp verified, Verify(token, std::move(pending)));
    if (IdentityPtr same = RecallSession(verified, now)) return same;
    return verified;
  }
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

// Of a token auth is asked for nothing but its session and epoch. A session that was
// kept through a revocation or a change of the password goes on under a greater one.
IdentityPtr Authenticator::RecallSession(const PendingLookUp& verified, Time now) const {
  const auto session = sessions_.Get(SessionKey(verified.request.session_id()), now);
  if (session == nullptr || control_.Judge(*session) != Standing::kGood) return nullptr;
  if (verified.request.epoch() != session->epoch) return nullptr;
  auto identity = std::make_shared<Identity>(*session);
  identity->digest = verified.digest;
  identity->keys_version = verified.keys_version;
  identity->expire_time = std::min(session->expire_time, verified.expire_time);
  known_.Put(verified.digest, identity, std::min(identity->expire_time, identity->keep_until));
  // As in Accept: after the insert.
  if (control_.Judge(*identity) == Standing::kGood) {
    hits_.Increment();
    return identity;
  }
  known_.Erase(verified.digest);
  return nullptr;
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
  identity->epoch = pending.request.epoch();
  identity->keys_version = pending.keys_version;
  identity->expire_time = pending.expire_time;
  Time session_end = Time::max();
  if (answer.has_expire_time()) session_end = rpc::FromTimestamp(answer.expire_time());
  identity->expire_time = std::min(identity->expire_time, session_end);
  if (identity->expire_time <= now) return Refuse(pending);

  // Read before the judgement: an answer from ahead of what has been heard could
  // be overtaken by changes that this gateway does not know of yet.
  const bool may_keep = identity->sequence <= control_.sequence();
  if (may_keep) {
    const std::chrono::seconds life(cache_life_.load(std::memory_order_relaxed));
    identity->keep_until = now + life;
    known_.Put(pending.digest, identity, std::min(identity->expire_time, identity->keep_until));
    if (!pending.request.session_id().empty()) {
      auto session = std::make_shared<Identity>(*identity);
      session->expire_time = session_end;
      sessions_.Put(SessionKey(pending.request.session_id()), std::move(session),
                    std::min(session_end, identity->keep_until));
    }
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
  if (!pending.request.session_id().empty()) {
    sessions_.Erase(SessionKey(pending.request.session_id()));
  }
  unknown_.Put(pending.digest, std::make_shared<std::monostate>(), clock_.Now() + kUnknownLife);
  return InvalidCredentials();
}

void Authenticator::SetCache(std::chrono::seconds life, std::size_t size_max) {
  const auto old_life = cache_life_.exchange(life.count(), std::memory_order_relaxed);
  const auto old_max = cache_size_max_.exchange(size_max, std::memory_order_relaxed);
  known_.SetMax(size_max);
  sessions_.SetMax(size_max);
  // What was kept under the old limits must not outlive the new ones.
  if (life.count() >= old_life && size_max >= old_max) return;
  known_.Clear();
  sessions_.Clear();
}

void Authenticator::Clear() {
  known_.Clear();
  sessions_.Clear();
  unknown_.Clear();
}

}  // namespace gatehouse::gateway
