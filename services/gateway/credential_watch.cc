#include "services/gateway/credential_watch.h"

#include <mutex>
#include <optional>
#include <utility>

#include "gatehouse/auth/v1/token.methods.h"
#include "services/gateway/credential.h"

namespace gatehouse::gateway {
namespace {

constexpr std::chrono::seconds kAskAgain{1};

std::string TokenOf(const RequestContext& context) {
  auto credential = FindCredential(context.request(), *context.route());
  return credential ? std::move(credential->token) : "";
}

}  // namespace

// Filled by a thread of gRPC, read at the next tick.
struct CredentialWatch::LookUp {
  explicit LookUp(PendingLookUp asked) : pending(std::move(asked)) {}

  const PendingLookUp pending;
  std::shared_ptr<rpc::CancelHandle> call;
  std::mutex mutex;
  std::optional<absl::StatusOr<auth::v1::LookupTokenResponse>> answer;  // guarded by mutex
};

CredentialWatch::CredentialWatch(const RequestContext& context)
    : context_(context), token_(TokenOf(context)), identity_(context.identity()) {}

CredentialWatch::~CredentialWatch() {
  if (look_up_) look_up_->call->Cancel();
}

std::string_view CredentialWatch::ReasonOf(int code) {
  return code == kCloseTryLater ? "credentials cannot be checked at present, try again later"
                                : "the credential has expired or was revoked";
}

int CredentialWatch::Check(SteadyTime now) {
  if (is_dead_) return kCloseUnauthorized;
  int code = look_up_ ? TakeAnswer(now) : 0;
  if (code == 0) code = Judge(now);
  is_dead_ = code == kCloseUnauthorized;
  return code;
}

int CredentialWatch::Judge(SteadyTime now) {
  const Parts& parts = context_.parts();
  if (!parts.control.IsFresh(now)) return kCloseTryLater;
  const Standing standing = parts.control.Judge(*identity_);
  if (standing == Standing::kRevoked) return kCloseUnauthorized;
  // A session that slides may have been extended: auth knows.
  const bool is_over = identity_->expire_time <= parts.clock.Now();
  if (standing == Standing::kGood && !is_over) {
    is_doubtful_ = false;
    return 0;
  }
  if (!std::exchange(is_doubtful_, true)) doubtful_since_ = ask_after_ = now;
  if (look_up_ || now < ask_after_) return Wait(now);
  return Recall(now);
}

// Another request may have looked it up already.
int CredentialWatch::Recall(SteadyTime now) {
  auto recalled = context_.parts().authenticator.Recall(token_);
  if (!recalled.ok()) return kCloseUnauthorized;
  if (IdentityPtr* identity = std::get_if<IdentityPtr>(&*recalled)) {
    return Adopt(std::move(*identity));
  }
  Ask(std::get<PendingLookUp>(*recalled));
  return Wait(now);
}

void CredentialWatch::Ask(const PendingLookUp& pending) {
  look_up_ = std::make_shared<LookUp>(pending);
  rpc::CallOptions options;
  options.timeout = ControlState::kSilenceMax;
  options.request_id = context_.request_id();
  options.idempotent = true;
  look_up_->call = context_.upstreams().auth->CallAsync(
      auth::v1::TokenService::kLookupToken, pending.request, options,
      [look_up = look_up_](absl::StatusOr<auth::v1::LookupTokenResponse> answer) {
        std::lock_guard lock(look_up->mutex);
        look_up->answer.emplace(std::move(answer));
      });
}

int CredentialWatch::TakeAnswer(SteadyTime now) {
  std::optional<absl::StatusOr<auth::v1::LookupTokenResponse>> answer;
  {
    std::lock_guard lock(look_up_->mutex);
    answer.swap(look_up_->answer);
  }
  if (!answer) return 0;
  const std::shared_ptr<LookUp> look_up = std::exchange(look_up_, nullptr);
  Authenticator& authenticator = context_.parts().authenticator;
  if (absl::IsNotFound(answer->status())) {
    [[maybe_unused]] const absl::Status refused = authenticator.Refuse(look_up->pending);
    return kCloseUnauthorized;
  }
  if (!answer->ok()) {
    ask_after_ = now + kAskAgain;
    return 0;
  }
  absl::StatusOr<IdentityPtr> identity = authenticator.Accept(look_up->pending, **answer);
  if (!identity.ok()) return kCloseUnauthorized;
  if (*identity == nullptr) return 0;  // Something changed meanwhile: it is asked again.
  return Adopt(*std::move(identity));
}

int CredentialWatch::Adopt(IdentityPtr identity) {
  const Route& route = *context_.route();
  if (identity->password_change_required && !route.during_password_change) {
    return kCloseUnauthorized;
  }
  if (!MayUse(route, identity->principal)) return kCloseUnauthorized;
  identity_ = std::move(identity);
  is_doubtful_ = false;
  return 0;
}

// Doubt is not for ever: as with the control stream, what cannot be known ends it.
int CredentialWatch::Wait(SteadyTime now) {
  return now - doubtful_since_ > ControlState::kSilenceMax ? kCloseTryLater : 0;
}

}  // namespace gatehouse::gateway
