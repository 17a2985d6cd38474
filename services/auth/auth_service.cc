#include "services/auth/auth_service.h"

#include <optional>
#include <utility>

#include "absl/strings/numbers.h"
#include "gatehouse/auth/v1/auth.methods.h"
#include "libs/base/uuid.h"
#include "libs/log/log.h"
#include "services/auth/audit_store.h"
#include "services/auth/auth_proto.h"
#include "services/auth/token_store.h"
#include "services/auth/user_store.h"

namespace gatehouse::auth {
namespace {

constexpr std::size_t kDigestBytes = 32;
constexpr std::size_t kUsernameBytesMax = 254;

absl::Status CheckDigest(const std::string& digest) {
  if (digest.size() == kDigestBytes) return absl::OkStatus();
  return Error(absl::StatusCode::kInvalidArgument, "DIGEST_INVALID", "digest must have 32 bytes");
}

template <typename Request>
Origin OriginOf(const rpc::Call& call, const Request& request) {
  // Cut here already: the saga stores it.
  return {.client_address = Clip(request.client_address(), 64),
          .user_agent = Clip(request.user_agent(), 512),
          .request_id = Clip(call.request_id(), 128)};
}

// A refusal that the saga has not written itself: of the request alone, or
// because a name is taken.
bool IsRefusedEarly(const absl::Status& status) {
  const std::string reason = Reason(status);
  return reason == "USERNAME_INVALID" || reason == "EMAIL_INVALID" ||
         reason == "PASSWORD_TOO_WEAK" || reason == "PASSKEY_INVALID" ||
         reason == "USERNAME_TAKEN" || reason == "EMAIL_TAKEN";
}

}  // namespace

AuthService::AuthService(pg::Database& db, PasswordHasher& hasher, SignupSaga& saga,
                         ControlHub& hub)
    : db_(db), login_(db, hasher), saga_(saga), hub_(hub), rpc_(v1::AuthService::kFullName) {
  RegisterCredentials();
  RegisterReads();
}

void AuthService::RegisterCredentials() {
  // Hashing a password and calling another service take long: a lane of their own.
  const rpc::Policy slow{.callers = {"gateway"}, .calls_out = true};
  rpc_.Unary(v1::AuthService::kIssueToken, slow,
             [this](rpc::Call& call, const v1::IssueTokenRequest& request) {
               return IssueToken(call, request);
             });
  rpc_.Unary(
      v1::AuthService::kSignUp, slow,
      [this](rpc::Call& call, const v1::SignUpRequest& request) { return SignUp(call, request); });
  rpc_.Unary(
      v1::AuthService::kLookupToken, {.callers = {"gateway", "jobs"}},
      [this](rpc::Call&, const v1::LookupTokenRequest& request) { return LookupToken(request); });
  rpc_.Unary(v1::AuthService::kRevokeToken, {.callers = {"gateway"}},
             [this](rpc::Call& call, const v1::RevokeTokenRequest& request) {
               return RevokeToken(call, request);
             });
}

void AuthService::RegisterReads() {
  rpc_.Unary(v1::AuthService::kGetUser, {.callers = {"gateway"}},
             [this](rpc::Call&, const v1::GetUserRequest& request) { return GetUser(request); });
  rpc_.Unary(
      v1::AuthService::kGetTenant, {.callers = {"gateway"}},
      [this](rpc::Call&, const v1::GetTenantRequest& request) { return GetTenant(request); });
}

absl::StatusOr<v1::IssueTokenResponse> AuthService::IssueToken(
    rpc::Call& call, const v1::IssueTokenRequest& request) {
  GH_ASSIGN_OR_RETURN(const IssuedToken issued,
                      login_.WithPassword({.username = request.username(),
                                           .password = request.password(),
                                           .origin = OriginOf(call, request)}));
  if (issued.has_revoked) hub_.Wake();
  v1::IssueTokenResponse response;
  response.set_token(issued.token);
  *response.mutable_user() = ToProto(issued.user);
  return response;
}

absl::StatusOr<v1::SignUpResponse> AuthService::SignUp(rpc::Call& call,
                                                       const v1::SignUpRequest& request) {
  const SignupRequest signup{.username = request.username(),
                             .email = request.email(),
                             .password = request.password(),
                             .passkey = request.passkey(),
                             .origin = OriginOf(call, request)};
  const absl::StatusOr<User> user = saga_.SignUp(signup);
  if (!user.ok()) {
    if (IsRefusedEarly(user.status())) AuditRefusal(signup, Reason(user.status()));
    return user.status();
  }
  GH_ASSIGN_OR_RETURN(const IssuedToken issued, login_.AfterSignup(*user, signup.origin));
  if (issued.has_revoked) hub_.Wake();
  v1::SignUpResponse response;
  response.set_token(issued.token);
  *response.mutable_user() = ToProto(issued.user);
  return response;
}

void AuthService::AuditRefusal(const SignupRequest& request, const std::string& reason) {
  AuditEvent event = NewEvent("signup_failure", /*success=*/false, request.origin);
  event.actor_username = Clip(request.username, kUsernameBytesMax);
  event.reason = reason;
  const absl::Status appended = db_.Statement([&](pg::Tx& tx) -> absl::Status {
    AppendEvent(tx, event);
    return absl::OkStatus();
  });
  if (!appended.ok()) {
    log::Error("a refused signup is not in the audit log", {{"reason", Reason(appended)}});
  }
}

absl::StatusOr<v1::LookupTokenResponse> AuthService::LookupToken(
    const v1::LookupTokenRequest& request) {
  GH_RETURN_IF_ERROR(CheckDigest(request.digest()));
  using Found = std::optional<TokenRow>;
  GH_ASSIGN_OR_RETURN(const Found found, db_.Read([&](pg::Tx& tx) -> absl::StatusOr<Found> {
    return auth::LookupToken(tx, request.digest());
  }));
  if (!found) {
    return Error(absl::StatusCode::kNotFound, "TOKEN_NOT_FOUND", "the token is not valid");
  }
  if (found->use_is_stale) {
    const absl::Status recorded = db_.Statement([&](pg::Tx& tx) -> absl::Status {
      RecordUse(tx, found->token_id);
      return absl::OkStatus();
    });
    // The credential is valid all the same.
    if (!recorded.ok())
      log::Warning("a token's use was not recorded", {{"reason", Reason(recorded)}});
  }
  return ToProto(*found);
}

absl::StatusOr<v1::RevokeTokenResponse> AuthService::RevokeToken(
    rpc::Call& call, const v1::RevokeTokenRequest& request) {
  GH_RETURN_IF_ERROR(CheckDigest(request.digest()));
  AuditEvent event = NewEvent("logout", /*success=*/true, {.request_id = call.request_id()});
  const auto revoke = [&](pg::Tx& tx) -> absl::Status {
    const std::optional<RevokedToken> revoked = auth::RevokeToken(tx, request.digest());
    if (!revoked) return absl::OkStatus();
    event.actor_user_id = revoked->user_id;
    event.actor_username = revoked->username;
    event.tenant_id = revoked->tenant_id;
    event.target = "token/" + revoked->token_id;
    AppendEvent(tx, event);
    return absl::OkStatus();
  };
  GH_RETURN_IF_ERROR(pg::RepeatInDoubt([&] { return db_.InTransaction(revoke); }));
  hub_.Wake();
  return v1::RevokeTokenResponse();
}

absl::StatusOr<v1::User> AuthService::GetUser(const v1::GetUserRequest& request) {
  std::int64_t number = 0;
  const bool is_uuid = IsUuid(request.id());
  const bool is_number = !is_uuid && absl::SimpleAtoi(request.id(), &number);
  using Found = std::optional<User>;
  Found found;
  if (is_uuid || is_number) {
    GH_ASSIGN_OR_RETURN(found, db_.Read([&](pg::Tx& tx) -> absl::StatusOr<Found> {
      return is_uuid ? FindUserById(tx, request.id()) : FindUserByNumber(tx, number);
    }));
  }
  if (!found) return Error(absl::StatusCode::kNotFound, "USER_NOT_FOUND", "there is no such user");
  return ToProto(*found);
}

absl::StatusOr<v1::Tenant> AuthService::GetTenant(const v1::GetTenantRequest& request) {
  using Found = std::optional<Tenant>;
  GH_ASSIGN_OR_RETURN(const Found found, db_.Read([&](pg::Tx& tx) -> absl::StatusOr<Found> {
    return FindTenant(tx, request.id());
  }));
  if (!found) {
    return Error(absl::StatusCode::kNotFound, "TENANT_NOT_FOUND", "there is no such tenant");
  }
  return ToProto(*found);
}

}  // namespace gatehouse::auth
