// What the tests of SessionService's RPCs share: calls as the gateway makes them.
// Not the services themselves (auth_testing.h).
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "gatehouse/auth/v1/session.methods.h"
#include "services/auth/auth_testing.h"

namespace gatehouse::auth::testing {

class SessionFixture : public ::testing::Test {
 protected:
  using Api = v1::SessionService;

  static v1::LogInRequest LogInAs(const std::string& username,
                                  const std::string& password = kPassword) {
    v1::LogInRequest request;
    request.set_username(username);
    request.set_password(password);
    request.set_kind(v1::CREDENTIAL_KIND_TOKEN);
    request.mutable_origin()->set_client_address("192.0.2.1");
    request.mutable_origin()->set_user_agent("test agent");
    return request;
  }

  absl::StatusOr<v1::IssuedCredential> LogIn(const v1::LogInRequest& request) {
    return server_.gateway().Call(Api::kLogIn, request);
  }

  absl::StatusOr<v1::IssuedCredential> LogIn(const std::string& username, v1::CredentialKind kind) {
    v1::LogInRequest request = LogInAs(username);
    request.set_kind(kind);
    return LogIn(request);
  }

  absl::StatusOr<v1::IssuedCredential> Refresh(const std::string& refresh_token) {
    v1::RefreshRequest request;
    request.set_refresh_token(refresh_token);
    request.mutable_origin()->set_client_address("192.0.2.9");
    return server_.gateway().Call(Api::kRefresh, request);
  }

  absl::Status LogOut(const std::string& user_id, const std::string& credential_id) {
    v1::LogOutRequest request;
    request.set_credential_id(credential_id);
    request.mutable_origin()->set_client_address("192.0.2.9");
    return server_.gateway().Call(Api::kLogOut, request, As(user_id, "ada")).status();
  }

  // How many events of the type are in the audit log, with this besides.
  int Audited(const std::string& type, const std::string& where = "true") {
    return database_.Count("auth.audit_events WHERE type = '" + type + "' AND " + where);
  }

  AuthDatabase database_;
  AuthServer server_{database_};
};

}  // namespace gatehouse::auth::testing
