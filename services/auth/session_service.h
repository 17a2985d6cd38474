// The RPCs of gatehouse.auth.v1.SessionService: coming in and going out. Not how a
// password is checked (login.h, password_recovery.h), a user is made (signup_saga.h,
// registration.h) or a credential (credential_issuer.h).
#pragma once

#include <string>

#include "gatehouse/auth/v1/session.pb.h"
#include "libs/pg/database.h"
#include "libs/rpc/server.h"
#include "services/auth/audit.h"
#include "services/auth/credential.h"

namespace gatehouse::auth {

class ControlHub;
class CredentialIssuer;
class Login;
class PasswordRecovery;
class Registration;
class SignupSaga;

// Thread-safe.
class SessionService {
 public:
  // All must outlive this.
  SessionService(pg::Database& db, Login& login, SignupSaga& saga, Registration& registration,
                 PasswordRecovery& recovery, CredentialIssuer& issuer, ControlHub& hub);

  rpc::Service& rpc() { return rpc_; }

 private:
  void RegisterComing();
  void RegisterGoing();
  void RegisterPasswords();

  absl::StatusOr<v1::IssuedCredential> LogIn(rpc::Call& call, const v1::LogInRequest& request);
  absl::StatusOr<v1::IssuedCredential> SignUp(rpc::Call& call, const v1::SignUpRequest& request);
  absl::StatusOr<v1::IssuedCredential> Register(rpc::Call& call,
                                                const v1::RegisterRequest& request);
  absl::StatusOr<v1::IssuedCredential> Refresh(rpc::Call& call, const v1::RefreshRequest& request);
  absl::StatusOr<v1::IssuedCredential> ExtendSession(rpc::Call& call,
                                                     const v1::ExtendSessionRequest& request);
  absl::StatusOr<v1::LogOutResponse> LogOut(rpc::Call& call, const v1::LogOutRequest& request);
  absl::StatusOr<v1::ListSessionsResponse> ListSessions(const v1::ListSessionsRequest& request);
  absl::StatusOr<v1::EndSessionResponse> EndSession(rpc::Call& call,
                                                    const v1::EndSessionRequest& request);
  absl::StatusOr<v1::ChangePasswordResponse> ChangePassword(
      rpc::Call& call, const v1::ChangePasswordRequest& request);
  absl::StatusOr<v1::RequestPasswordResetResponse> RequestPasswordReset(
      rpc::Call& call, const v1::RequestPasswordResetRequest& request);
  absl::StatusOr<v1::ConfirmPasswordResetResponse> ConfirmPasswordReset(
      rpc::Call& call, const v1::ConfirmPasswordResetRequest& request);

  // The newcomer's credential, or the refusal in the audit log.
  absl::StatusOr<v1::IssuedCredential> Welcome(const absl::StatusOr<User>& user,
                                               CredentialKind kind, const std::string& username,
                                               const Origin& origin);
  void AuditRefusal(const std::string& username, const Origin& origin, const std::string& reason);
  v1::IssuedCredential Tell(const IssuedCredential& issued);

  pg::Database& db_;
  Login& login_;
  SignupSaga& saga_;
  Registration& registration_;
  PasswordRecovery& recovery_;
  CredentialIssuer& issuer_;
  ControlHub& hub_;
  rpc::Service rpc_;
};

}  // namespace gatehouse::auth
