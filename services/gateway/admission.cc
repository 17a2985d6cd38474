#include "services/gateway/admission.h"

#include <utility>

#include "gatehouse/auth/v1/token.methods.h"
#include "libs/rpc/timestamp.h"
#include "services/gateway/limit_check.h"
#include "services/gateway/limit_headers.h"
#include "services/gateway/user_limiter.h"

namespace gatehouse::gateway {
namespace {

using auth::v1::LookupTokenResponse;

// How often a credential is looked up when its owner keeps changing meanwhile.
constexpr int kLookUpAttempts = 3;

bool IsUnsafe(const std::string& method) {
  return method != "GET" && method != "HEAD" && method != "OPTIONS";
}

Problem ControlStreamLost() {
  Problem problem = ProblemOf(Error(absl::StatusCode::kUnavailable, "CONTROL_STREAM_LOST",
                                    "revocations cannot be known at present"));
  problem.service = "auth";
  return problem;
}

absl::Status Forbidden(const Route& route) {
  std::string message = ProblemOf(403).message;
  if (!route.requirement.empty()) message += "; it needs " + route.requirement;
  return Error(absl::StatusCode::kPermissionDenied, "FORBIDDEN", message);
}

absl::Status PasswordChangeRequired() {
  return Error(absl::StatusCode::kPermissionDenied, "PASSWORD_CHANGE_REQUIRED",
               "change your password first");
}

// The user row's own rates, unless the configuration has others for the class.
RateConfig RateOf(const Identity& identity, const HotConfig& config, Limit limit) {
  RateConfig rate{identity.rate_limit_per_second, identity.rate_limit_burst};
  if (const auto found = config.rates.find(limit); found != config.rates.end()) {
    if (found->second.per_second > 0) rate.per_second = found->second.per_second;
    if (found->second.burst > 0) rate.burst = found->second.burst;
  }
  return rate;
}

// What the bucket of a class is called, in keys and in what clients are told.
const char* BucketName(Limit limit) { return limit == Limit::kProxy ? "proxy" : "user"; }

// Goes into the route, or answers 429.
void Judge(const char* name, const Context& context, const LimitVerdict& verdict) {
  context->SetLimit(name, verdict);
  if (!verdict.is_allowed) return context->Fail(RateLimited(verdict));
  context->route()->handler(context);
}

// The browser's cookie must live as long as the session that auth has extended.
void RenewCookies(const Context& context, const LookupTokenResponse& answer) {
  if (!answer.was_extended() || !answer.has_expire_time()) return;
  const auto left = rpc::FromTimestamp(answer.expire_time()) - context->parts().clock.Now();
  context->RenewCookies(std::chrono::floor<std::chrono::seconds>(left));
}

}  // namespace

Admission::Admission(const Options& options, const ControlState& control,
                     Authenticator& authenticator, const Upstreams& upstreams, LeaseKeeper* leases)
    : options_(options),
      control_(control),
      authenticator_(authenticator),
      upstreams_(upstreams),
      anonymous_(
          std::make_unique<AddressLimiter>(0, std::chrono::seconds(1), leases, "anonymous")) {}

// Nobody is known. What is open to anybody does not ask why.
void Admission::EnterUnknown(const Context& context, const Problem& problem) const {
  if (context->route()->audience != Audience::kOptional) return context->Fail(problem);
  context->SetRefusal(problem);
  EnterLimited(context);
}

void Admission::Enter(const Context& context, IdentityPtr identity) const {
  const Route& route = *context->route();
  const bool is_open = route.during_password_change || !identity->password_change_required;
  const bool may_use = MayUse(route, identity->principal);
  if (route.audience == Audience::kOptional && !(is_open && may_use)) {
    return EnterUnknown(context, ProblemOf(is_open ? Forbidden(route) : PasswordChangeRequired()));
  }
  context->SetIdentity(std::move(identity));
  if (!is_open) return context->Fail(PasswordChangeRequired());
  if (!may_use) return context->Fail(Forbidden(route));
  EnterLimited(context);
}

// By the user where one is known: all their credentials, narrowed ones too, share a
// bucket. Else by the address.
void Admission::EnterLimited(const Context& context) const {
  const Route& route = *context->route();
  const HotConfig& config = context->snapshot().config;
  const bool is_limited = route.limit == Limit::kUser || route.limit == Limit::kProxy;
  if (!is_limited || !config.rate_limit_enabled) return route.handler(context);
  const SteadyTime now = std::chrono::steady_clock::now();
  const Identity* identity = context->identity().get();
  const char* name = identity == nullptr ? "anonymous" : BucketName(route.limit);
  const auto take = [&](const LaterVerdict& later) {
    if (identity == nullptr) return anonymous_->Take(context->client_address(), now, later);
    const RateConfig rate = RateOf(*identity, config, route.limit);
    const std::string key = std::string(name) + "/" + identity->principal.user_id();
    return context->parts().user_limiter.Take(key, rate.per_second, rate.burst, now, later);
  };
  AskLimit(context, take, [name](const Context& limited, const LimitVerdict& verdict) {
    Judge(name, limited, verdict);
  });
}

void Admission::Admit(const Context& context) const {
  const Route& route = *context->route();
  if (route.audience == Audience::kPublic) return EnterLimited(context);
  if (!control_.IsFresh(std::chrono::steady_clock::now())) {
    return EnterUnknown(context, ControlStreamLost());
  }
  const std::optional<Credential> credential = FindCredential(context->request(), route);
  if (!credential) return EnterUnknown(context, ProblemOf(401));
  if (credential->from_cookie && options_.https_only && IsUnsafe(context->request().method) &&
      !HasCsrfProof(context->request())) {
    return context->Fail(Error(absl::StatusCode::kPermissionDenied, "CSRF_FAILED",
                               "X-CSRF-Token must equal the cookie csrf_token"));
  }
  Resolve(context, *credential, kLookUpAttempts);
}

void Admission::Resolve(const Context& context, const Credential& credential, int attempts) const {
  auto recalled = authenticator_.Recall(credential.token);
  if (!recalled.ok()) return EnterUnknown(context, ProblemOf(recalled.status()));
  if (IdentityPtr* identity = std::get_if<IdentityPtr>(&*recalled)) {
    return Enter(context, std::move(*identity));
  }
  if (attempts == 0) return EnterUnknown(context, ControlStreamLost());
  LookUp(context, credential, std::get<PendingLookUp>(*recalled), attempts);
}

void Admission::LookUp(const Context& context, const Credential& credential,
                       const PendingLookUp& pending, int attempts) const {
  const auto take = [=, this](const absl::StatusOr<LookupTokenResponse>& answer) {
    if (absl::IsNotFound(answer.status())) {
      context->NoteGuess();
      return EnterUnknown(context, ProblemOf(authenticator_.Refuse(pending)));
    }
    if (!answer.ok()) {
      const Problem problem = ProblemOf(answer.status(), "auth");
      if (context->route()->audience == Audience::kOptional) return EnterUnknown(context, problem);
      return context->Fail(answer.status(), "auth");
    }
    if (credential.from_cookie) RenewCookies(context, *answer);
    absl::StatusOr<IdentityPtr> identity = authenticator_.Accept(pending, *answer);
    if (!identity.ok()) return EnterUnknown(context, ProblemOf(identity.status()));
    if (*identity == nullptr) return Resolve(context, credential, attempts - 1);
    Enter(context, *std::move(identity));
  };
  // Signed ones cannot be guessed.
  if (!pending.request.digest().empty()) {
    if (const auto refused = context->GuessesRefused()) return EnterUnknown(context, *refused);
  }
  context->Call(*upstreams_.auth, auth::v1::TokenService::kLookupToken, pending.request, take);
}

}  // namespace gatehouse::gateway
