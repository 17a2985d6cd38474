#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gatehouse/auth/v1/control.methods.h"
#include "gatehouse/auth/v1/tenant.methods.h"
#include "gatehouse/auth/v1/token.methods.h"
#include "gatehouse/auth/v1/user.methods.h"
#include "services/auth/auth_testing.h"
#include "services/auth/revocation.h"

namespace gatehouse::auth {
namespace {

// What an administrator's credential may do is asked again at the last moment: a
// gateway hears of a revocation a little later, and nothing that gives rights may be
// made by a dead credential in between.
class PresentedCredentialTest : public ::testing::Test {
 protected:
  template <typename Request, typename Response>
  absl::Status Call(const rpc::Method<Request, Response>& method, const Request& request) {
    return server_.gateway().Call(method, request, as_).status();
  }

  absl::Status CreateToken() {
    v1::CreateTokenRequest request;
    request.set_user(root_);
    request.set_kind(v1::CREDENTIAL_KIND_API);
    request.set_name("late");
    return Call(v1::TokenService::kCreateToken, request);
  }

  absl::Status CreateUser(const std::string& name) {
    v1::CreateUserRequest request;
    request.set_username(name);
    request.set_email(name + "@example.com");
    request.set_password(testing::kPassword);
    request.set_role("admin");
    return Call(v1::UserService::kCreateUser, request);
  }

  absl::Status Promote() {
    v1::UpdateUserRequest request;
    request.set_id(ada_);
    request.set_role("admin");
    return Call(v1::UserService::kUpdateUser, request);
  }

  absl::Status ResetPassword() {
    v1::ResetPasswordRequest request;
    request.set_id(ada_);
    request.set_new_password("kestrel-plum-92");
    return Call(v1::UserService::kResetPassword, request);
  }

  absl::Status WidenRole() {
    v1::UpdateRoleRequest request;
    request.set_name("moderator");
    request.add_permissions("manage_users");
    return Call(v1::UserService::kUpdateRole, request);
  }

  absl::Status CreateTenant() {
    v1::CreateTenantRequest request;
    request.set_client_id("late");
    request.set_name("Late");
    return Call(v1::TenantService::kCreateTenant, request);
  }

  absl::Status FlushCaches() {
    return Call(v1::ControlService::kFlushCaches, v1::FlushCachesRequest());
  }

  testing::AuthDatabase database_;
  testing::AuthServer server_{database_};
  const std::string root_ = database_.AddUser("root", "admin");
  const std::string ada_ = database_.AddUser("ada");
  rpc::CallOptions as_ = [this] {
    const auto found = server_.Lookup(server_.Issue(root_, CredentialKind::kToken).token);
    EXPECT_TRUE(found.ok()) << found.status();
    rpc::CallOptions options;
    options.principal = found->principal();
    return options;
  }();
};

TEST_F(PresentedCredentialTest, GivesRightsWhileItLives) {
  EXPECT_FALSE(as_.principal.credential_id().empty());
  EXPECT_TRUE(CreateToken().ok());
  EXPECT_TRUE(CreateUser("second").ok());
  EXPECT_TRUE(Promote().ok());
  EXPECT_TRUE(ResetPassword().ok());
  EXPECT_TRUE(WidenRole().ok());
  EXPECT_TRUE(CreateTenant().ok());
  EXPECT_TRUE(FlushCaches().ok());
}

TEST_F(PresentedCredentialTest, GivesNoneOnceItsUserItsTenantOrEverybodyWasRevoked) {
  const std::function<void(pg::Tx&)> revocations[] = {
      [&](pg::Tx& tx) { RaiseUserEpoch(tx, root_); },
      [&](pg::Tx& tx) {
        RaiseTenantEpoch(tx, std::stoll(database_.Select(
                                 "SELECT tenant_id FROM auth.users WHERE username = 'root'")));
      },
      [&](pg::Tx& tx) { RaiseGlobalEpoch(tx); }};
  for (const auto& revoke : revocations) {
    const auto found = server_.Lookup(server_.Issue(root_, CredentialKind::kToken).token);
    ASSERT_TRUE(found.ok()) << found.status();
    as_.principal = found->principal();
    ASSERT_TRUE(database_.db()
                    .InTransaction([&](pg::Tx& tx) -> absl::Status {
                      revoke(tx);
                      return absl::OkStatus();
                    })
                    .ok());
    for (const absl::Status& status :
         {CreateToken(), CreateUser("late"), Promote(), ResetPassword(), WidenRole(),
          CreateTenant(), FlushCaches()}) {
      EXPECT_EQ(Reason(status), "CREDENTIALS_INVALID") << status;
    }
  }
  EXPECT_EQ(database_.Count("auth.users"), 2);
  EXPECT_EQ(database_.Count("auth.credentials WHERE kind = 'api'"), 0);
  EXPECT_EQ(database_.Count("auth.users WHERE role = 'admin'"), 1);
}

}  // namespace
}  // namespace gatehouse::auth
