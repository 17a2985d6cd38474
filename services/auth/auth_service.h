// The RPCs of gatehouse.auth.v1.AuthService. Not the signup's steps
// (signup_saga.h) and not the SQL (…_store.h).
#pragma once

#include "gatehouse/auth/v1/auth.pb.h"
#include "libs/pg/database.h"
#include "libs/rpc/server.h"
#include "services/auth/control_hub.h"
#include "services/auth/login.h"
#include "services/auth/password.h"
#include "services/auth/signup_saga.h"

namespace gatehouse::auth {

// Thread-safe.
class AuthService {
 public:
  // All must outlive this.
  AuthService(pg::Database& db, PasswordHasher& hasher, SignupSaga& saga, ControlHub& hub);

  rpc::Service& rpc() { return rpc_; }

 private:
  void RegisterCredentials();
  void RegisterReads();

  absl::StatusOr<v1::IssueTokenResponse> IssueToken(rpc::Call& call,
                                                    const v1::IssueTokenRequest& request);
  absl::StatusOr<v1::SignUpResponse> SignUp(rpc::Call& call, const v1::SignUpRequest& request);
  void AuditRefusal(const SignupRequest& request, const std::string& reason);
  absl::StatusOr<v1::LookupTokenResponse> LookupToken(const v1::LookupTokenRequest& request);
  absl::StatusOr<v1::RevokeTokenResponse> RevokeToken(rpc::Call& call,
                                                      const v1::RevokeTokenRequest& request);
  absl::StatusOr<v1::User> GetUser(const v1::GetUserRequest& request);
  absl::StatusOr<v1::Tenant> GetTenant(const v1::GetTenantRequest& request);

  pg::Database& db_;
  Login login_;
  SignupSaga& saga_;
  ControlHub& hub_;
  rpc::Service rpc_;
};

}  // namespace gatehouse::auth
