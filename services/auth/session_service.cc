#include "services/auth/session_service.h"

#include <optional>
#include <utility>

#include "gatehouse/auth/v1/session.methods.h"
#include "libs/base/failpoint.h"
#include "libs/log/log.h"
#include "services/auth/audit_store.h"
#include "services/auth/auth_proto.h"
#include "services/auth/call_actor.h"
#include "services/auth/control_hub.h"
#include "services/auth/credential_issuer.h"
#include "services/auth/credential_store.h"
#include "services/auth/login.h"
#include "services/auth/password_recovery.h"
#include "services/auth/registration.h"
#include "services/auth/signup_saga.h"

namespace gatehouse::auth {
namespace {

constexpr std::size_t kNameBytesMax = 254;

// Cut here already: the saga and the credentials store it.
Origin OriginOf(const rpc::Call& call, const v1::Origin& origin) {
  return {.client_address = Clip(origin.client_address(), 64),
          .user_agent = Clip(origin.user_agent(), 512),
          .request_id = Clip(call.request_id(), 128)};
}

AuditEvent EventOf(const rpc::Call& call, const std::string& type, const v1::Origin& origin,
                   const RevokedCredential& revoked) {
  AuditEvent event = EventBy(call, type, "user/" + revoked.user_id, revoked.tenant_id);
  event.client_address = Clip(origin.client_address(), 64);
  event.user_agent = Clip(origin.user_agent(), 512);
  event.details_json = "{\"credential_id\":\"" + revoked.credential_id + "\",\"kind\":\"" +
                       Name(revoked.kind) + "\"}";
  return event;
}

absl::Status SessionNotFound() {
  return Error(absl::StatusCode::kNotFound, "SESSION_NOT_FOUND", "there is no such session");
}

}  // namespace

SessionService::SessionService(pg::Database& db, Login& login, SignupSaga& saga,
                               Registration& registration, PasswordRecovery& recovery,
                               CredentialIssuer& issuer, ControlHub& hub)
    : db_(db),
      login_(login),
      saga_(saga),
      registration_(registration),
      recovery_(recovery),
      issuer_(issuer),
      hub_(hub),
      rpc_(v1::SessionService::kFullName) {
  RegisterComing();
  RegisterGoing();
  RegisterPasswords();
}

void SessionService::RegisterComing() {
  // Hashing a password and calling another service take long: a lane of their own.
  const rpc::Policy slow{.callers = {"gateway"}, .calls_out = true};
  const rpc::Policy quick{.callers = {"gateway"}};
  rpc_.Unary(
      v1::SessionService::kLogIn, slow,
      [this](rpc::Call& call, const v1::LogInRequest& request) { return LogIn(call, request); });
  rpc_.Unary(
      v1::SessionService::kSignUp, slow,
      [this](rpc::Call& call, const v1::SignUpRequest& request) { return SignUp(call, request); });
  rpc_.Unary(v1::SessionService::kRegister, slow,
             [this](rpc::Call& call, const v1::RegisterRequest& request) {
               return Register(call, request);
             });
  rpc_.Unary(v1::SessionService::kRefresh, quick,
             [this](rpc::Call& call, const v1::RefreshRequest& request) {
               return Refresh(call, request);
             });
  rpc_.Unary(v1::SessionService::kExtendSession, quick,
             [this](rpc::Call& call, const v1::ExtendSessionRequest& request) {
               return ExtendSession(call, request);
             });
}

void SessionService::RegisterGoing() {
  const rpc::Policy quick{.callers = {"gateway"}};
  rpc_.Unary(
      v1::SessionService::kLogOut, quick,
      [this](rpc::Call& call, const v1::LogOutRequest& request) { return LogOut(call, request); });
  rpc_.Unary(
      v1::SessionService::kListSessions, quick,
      [this](rpc::Call&, const v1::ListSessionsRequest& request) { return ListSessions(request); });
  rpc_.Unary(v1::SessionService::kEndSession, quick,
             [this](rpc::Call& call, const v1::EndSessionRequest& request) {
               return EndSession(call, request);
             });
}

void SessionService::RegisterPasswords() {
  const rpc::Policy slow{.callers = {"gateway"}, .calls_out = true};
  rpc_.Unary(v1::SessionService::kChangePassword, slow,
             [this](rpc::Call& call, const v1::ChangePasswordRequest& request) {
               return ChangePassword(call, request);
             });
  rpc_.Unary(v1::SessionService::kRequestPasswordReset, {.callers = {"gateway"}},
             [this](rpc::Call& call, const v1::RequestPasswordResetRequest& request) {
               return RequestPasswordReset(call, request);
             });
  rpc_.Unary(v1::SessionService::kConfirmPasswordReset, slow,
             [this](rpc::Call& call, const v1::ConfirmPasswordResetRequest& request) {
               return ConfirmPasswordReset(call, request);
             });
}

absl::StatusOr<v1::IssuedCredential> SessionService::LogIn(rpc::Call& call,
                                                           const v1::LogInRequest& request) {
  const std::optional<CredentialKind> kind = FromProto(request.kind());
  if (!kind || *kind == CredentialKind::kApi || *kind == CredentialKind::kKey) {
    return Error(absl::StatusCode::kInvalidArgument, "KIND_INVALID", "nobody logs in to that kind");
  }
  GH_ASSIGN_OR_RETURN(const IssuedCredential issued,
                      login_.WithPassword({.username = request.username(),
                                           .password = request.password(),
                                           .kind = *kind,
                                           .is_persistent = request.is_persistent(),
                                           .origin = OriginOf(call, request.origin())}));
  return Tell(issued);
}

absl::StatusOr<v1::IssuedCredential> SessionService::SignUp(rpc::Call& call,
                                                            const v1::SignUpRequest& request) {
  const SignupRequest signup{.username = request.username(),
                             .email = request.email(),
                             .password = request.password(),
                             .passkey = request.passkey(),
                             .origin = OriginOf(call, request.origin())};
  return Welcome(saga_.SignUp(signup), CredentialKind::kSession, signup.username, signup.origin);
}

absl::StatusOr<v1::IssuedCredential> SessionService::Register(rpc::Call& call,
                                                              const v1::RegisterRequest& request) {
  const RegistrationRequest registration{.username = request.username(),
                                         .email = request.email(),
                                         .password = request.password(),
                                         .first_name = request.first_name(),
                                         .last_name = request.last_name(),
                                         .company = request.company(),
                                         .origin = OriginOf(call, request.origin())};
  return Welcome(registration_.Register(registration), CredentialKind::kAccess,
                 registration.username.empty() ? registration.email : registration.username,
                 registration.origin);
}

absl::StatusOr<v1::IssuedCredential> SessionService::Welcome(const absl::StatusOr<User>& user,
                                                             CredentialKind kind,
                                                             const std::string& username,
                                                             const Origin& origin) {
  if (!user.ok()) {
    // What is refused for the request alone has reached nobody who would write it.
    if (absl::IsInvalidArgument(user.status())) {
      AuditRefusal(username, origin, Reason(user.status()));
    }
    return user.status();
  }
  GH_ASSIGN_OR_RETURN(const IssuedCredential issued, login_.AfterSignup(*user, kind, origin));
  return Tell(issued);
}

void SessionService::AuditRefusal(const std::string& username, const Origin& origin,
                                  const std::string& reason) {
  AuditEvent event = NewEvent("signup_failure", /*success=*/false, origin);
  event.actor_username = Clip(username, kNameBytesMax);
  event.reason = reason;
  const absl::Status appended = db_.Statement([&](pg::Tx& tx) -> absl::Status {
    AppendEvent(tx, event);
    return absl::OkStatus();
  });
  if (!appended.ok()) {
    log::Error("a refused signup is not in the audit log", {{"reason", Reason(appended)}});
  }
}

v1::IssuedCredential SessionService::Tell(const IssuedCredential& issued) {
  if (issued.has_revoked) hub_.Wake();
  return ToProto(issued);
}

absl::StatusOr<v1::IssuedCredential> SessionService::Refresh(rpc::Call& call,
                                                             const v1::RefreshRequest& request) {
  AuditEvent reuse =
      NewEvent("refresh_token_reused", /*success=*/false, OriginOf(call, request.origin()));
  absl::StatusOr<IssuedCredential> issued = absl::UnknownError("the transaction did not run");
  bool was_reused = false;
  const auto refresh = [&](pg::Tx& tx) -> absl::Status {
    std::optional<CredentialIssuer::Reuse> reused;
    issued = issuer_.Refresh(tx, request.refresh_token(), &reused);
    was_reused = reused.has_value();
    if (!was_reused) return issued.status();
    reuse.actor_user_id = reused->user_id;
    reuse.actor_username = reused->username;
    reuse.tenant_id = reused->tenant_id;
    reuse.target = "user/" + reused->user_id;
    reuse.reason = "REFRESH_TOKEN_REUSED";
    reuse.details_json = "{\"credential_id\":\"" + reused->credential_id + "\"}";
    AppendEvent(tx, reuse);
    // The refusal stands, and so must the end of the session.
    return absl::OkStatus();
  };
  // Again, the token is its own child's parent, and gets the same child.
  GH_RETURN_IF_ERROR(pg::RepeatInDoubt([&] { return db_.InTransaction(refresh); }));
  if (was_reused) hub_.Wake();
  GH_RETURN_IF_ERROR(issued.status());
  if (Failpoint("auth.refresh.rotated")) {
    return Error(absl::StatusCode::kUnavailable, "ANSWER_LOST", "present the same token again");
  }
  return Tell(*issued);
}

absl::StatusOr<v1::IssuedCredential> SessionService::ExtendSession(
    rpc::Call& call, const v1::ExtendSessionRequest& request) {
  const auto extend = [&](pg::Tx& tx) {
    return issuer_.Extend(tx, call.principal().user_id(), request.credential_id());
  };
  GH_ASSIGN_OR_RETURN(const IssuedCredential issued,
                      pg::RepeatInDoubt([&] { return db_.InTransaction(extend); }));
  return Tell(issued);
}

absl::StatusOr<v1::LogOutResponse> SessionService::LogOut(rpc::Call& call,
                                                          const v1::LogOutRequest& request) {
  const std::string& user_id = call.principal().user_id();
  // Without an owner the filter would fit anybody's.
  if (user_id.empty()) {
    return Error(absl::StatusCode::kInvalidArgument, "PRINCIPAL_MISSING", "nobody to log out");
  }
  const auto end = [&](pg::Tx& tx) -> absl::Status {
    const std::optional<RevokedCredential> revoked =
        RevokeCredential(tx, request.credential_id(), {.user_id = user_id});
    if (revoked && revoked->is_new) {
      AppendEvent(tx, EventOf(call, "logout", request.origin(), *revoked));
    }
    return absl::OkStatus();
  };
  GH_RETURN_IF_ERROR(pg::RepeatInDoubt([&] { return db_.InTransaction(end); }));
  hub_.Wake();
  return v1::LogOutResponse();
}

absl::StatusOr<v1::ListSessionsResponse> SessionService::ListSessions(
    const v1::ListSessionsRequest& request) {
  using Sessions = std::vector<LoginSession>;
  GH_ASSIGN_OR_RETURN(const Sessions sessions,
                      db_.Read([&](pg::Tx& tx) -> absl::StatusOr<Sessions> {
                        return ListLogins(tx, request.user_id());
                      }));
  v1::ListSessionsResponse response;
  for (const LoginSession& session : sessions) *response.add_sessions() = ToProto(session);
  return response;
}

absl::StatusOr<v1::EndSessionResponse> SessionService::EndSession(
    rpc::Call& call, const v1::EndSessionRequest& request) {
  if (request.user_id().empty()) return SessionNotFound();
  const auto end = [&](pg::Tx& tx) -> absl::Status {
    const std::optional<RevokedCredential> revoked = RevokeCredential(
        tx, request.id(),
        {.user_id = request.user_id(),
         .kinds = {CredentialKind::kToken, CredentialKind::kSession, CredentialKind::kLogin,
                   CredentialKind::kAccess, CredentialKind::kPlatform}});
    if (!revoked) return SessionNotFound();
    if (revoked->is_new) AppendEvent(tx, EventOf(call, "session_ended", {}, *revoked));
    return absl::OkStatus();
  };
  GH_RETURN_IF_ERROR(pg::RepeatInDoubt([&] { return db_.InTransaction(end); }));
  hub_.Wake();
  return v1::EndSessionResponse();
}

absl::StatusOr<v1::ChangePasswordResponse> SessionService::ChangePassword(
    rpc::Call& call, const v1::ChangePasswordRequest& request) {
  GH_ASSIGN_OR_RETURN(const std::optional<IssuedCredential> issued,
                      recovery_.Change({.user_id = request.user_id(),
                                        .credential_id = request.credential_id(),
                                        .old_password = request.old_password(),
                                        .new_password = request.new_password(),
                                        .origin = OriginOf(call, request.origin())}));
  hub_.Wake();
  v1::ChangePasswordResponse response;
  if (issued) *response.mutable_credential() = ToProto(*issued);
  return response;
}

absl::StatusOr<v1::RequestPasswordResetResponse> SessionService::RequestPasswordReset(
    rpc::Call& call, const v1::RequestPasswordResetRequest& request) {
  GH_RETURN_IF_ERROR(recovery_.RequestReset(request.email(), OriginOf(call, request.origin())));
  return v1::RequestPasswordResetResponse();
}

absl::StatusOr<v1::ConfirmPasswordResetResponse> SessionService::ConfirmPasswordReset(
    rpc::Call& call, const v1::ConfirmPasswordResetRequest& request) {
  GH_RETURN_IF_ERROR(recovery_.ConfirmReset(request.token(), request.new_password(),
                                            OriginOf(call, request.origin())));
  hub_.Wake();
  return v1::ConfirmPasswordResetResponse();
}

}  // namespace gatehouse::auth
