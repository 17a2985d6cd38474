// UserService where it takes rights away and gives them: revocation and roles.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <functional>
#include <thread>

#include "gatehouse/auth/v1/user.methods.h"
#include "libs/base/uuid.h"
#include "services/auth/auth_testing.h"
#include "services/auth/owner_store.h"
#include "services/auth/role_rates.h"
#include "services/auth/user_service.h"

namespace gatehouse::auth {
namespace {

using testing::As;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;
using Api = v1::UserService;

class UserRightsTest : public ::testing::Test {
 protected:
  using Subject = std::function<void(v1::RevokeCredentialsRequest&)>;

  absl::StatusOr<v1::RevokeCredentialsResponse> Revoke(const Subject& subject,
                                                       const rpc::CallOptions& as = {}) {
    v1::RevokeCredentialsRequest request;
    subject(request);
    return server_.gateway().Call(Api::kRevokeCredentials, request, as);
  }

  absl::StatusOr<v1::User> Clear(const std::string& user, const rpc::CallOptions& as = {}) {
    v1::ClearRevocationRequest request;
    request.set_user(user);
    return server_.gateway().Call(Api::kClearRevocation, request, as);
  }

  absl::StatusOr<v1::User> Get(const std::string& username) {
    v1::GetUserRequest request;
    request.set_username(username);
    return server_.gateway().Call(Api::kGetUser, request);
  }

  absl::StatusOr<v1::Role> UpdateRole(const std::string& name,
                                      const std::vector<std::string>& permissions,
                                      const rpc::CallOptions& as = {}) {
    v1::UpdateRoleRequest request;
    request.set_name(name);
    for (const std::string& permission : permissions) request.add_permissions(permission);
    return server_.gateway().Call(Api::kUpdateRole, request, as);
  }

  v1::Role RoleNamed(const std::string& name) {
    const auto roles = server_.gateway().Call(Api::kListRoles, v1::ListRolesRequest());
    EXPECT_TRUE(roles.ok()) << roles.status();
    for (const v1::Role& role : roles->roles()) {
      if (role.name() == name) return role;
    }
    return {};
  }

  testing::AuthDatabase database_;
  testing::AuthServer server_{database_};
};

TEST_F(UserRightsTest, RevokingAUserKillsEverythingAndALaterLoginWorks) {
  const std::string id = database_.AddUser("ada");
  const std::string other = server_.Issue(database_.AddUser("bob")).token;
  for (const std::string& name : {std::string("ADA"), id}) {
    const std::vector<std::string> tokens = {server_.Issue(id).token,
                                             server_.Issue(id, CredentialKind::kSession).token,
                                             server_.Issue(id, CredentialKind::kAccess).token,
                                             server_.Issue(id, CredentialKind::kPlatform).token};
    ASSERT_EQ(server_.Live(tokens), 4);
    const auto revoked = Revoke([&](auto& r) { r.set_user(name); }, As(UuidV7(), "root", "admin"));
    ASSERT_TRUE(revoked.ok()) << revoked.status();
    EXPECT_EQ(std::to_string(revoked->epoch()),
              database_.Select("SELECT sequence FROM auth.control_head"));
    EXPECT_EQ(server_.Live(tokens), 0);
    EXPECT_TRUE(Get("ada")->is_revoked());
    EXPECT_EQ(server_.Live({server_.Issue(id).token, other}), 2);
  }
  EXPECT_EQ(database_.Count("auth.audit_events WHERE type = 'credentials_revoked'"
                            " AND actor_username = 'root' AND target = 'user/" +
                            id + "'"),
            2);
}

TEST_F(UserRightsTest, ClearingTheMarkRevivesNothing) {
  const std::string id = database_.AddUser("ada");
  const std::string token = server_.Issue(id).token;
  ASSERT_TRUE(Revoke([](auto& r) { r.set_user("ada"); }).ok());
  const auto cleared = Clear("Ada");
  ASSERT_TRUE(cleared.ok()) << cleared.status();
  EXPECT_FALSE(cleared->is_revoked());
  EXPECT_EQ(server_.Live({token}), 0);
  EXPECT_TRUE(Clear(id).ok()) << "again";
  EXPECT_EQ(database_.Count("auth.audit_events WHERE type = 'revocation_cleared'"), 1);
}

TEST_F(UserRightsTest, RevokesATenantOrEverybody) {
  const std::string ada = database_.AddUser("ada");
  const std::string bob = database_.AddUser("bob");
  const std::string adas = server_.Issue(ada).token;
  const std::string bobs = server_.Issue(bob, CredentialKind::kAccess).token;
  const std::int64_t tenant_id = Get("ada")->tenant().id();
  ASSERT_TRUE(Revoke([&](auto& r) { r.set_tenant_id(tenant_id); }).ok());
  EXPECT_EQ(server_.Live({adas}), 0);
  EXPECT_EQ(server_.Live({bobs}), 1);
  EXPECT_FALSE(Get("ada")->is_revoked()) << "the mark is a user's";
  const std::string later = server_.Issue(ada).token;
  EXPECT_EQ(server_.Live({later}), 1);
  ASSERT_TRUE(Revoke([](auto& r) { r.set_everybody(true); }).ok());
  EXPECT_EQ(server_.Live({later, bobs}), 0);
  EXPECT_EQ(server_.Live({server_.Issue(bob).token}), 1);
  EXPECT_EQ(database_.Count("auth.audit_events WHERE type = 'credentials_revoked' AND target IN"
                            " ('global', 'tenant/" +
                            std::to_string(tenant_id) + "')"),
            2);
}

TEST_F(UserRightsTest, UnknownSubjectsAreRefused) {
  const auto reason = [&](const Subject& subject) { return Reason(Revoke(subject).status()); };
  for (const std::string& user : {std::string("nobody"), std::string(), UuidV7()}) {
    EXPECT_EQ(reason([&](auto& r) { r.set_user(user); }), "USER_NOT_FOUND") << user;
    EXPECT_EQ(Reason(Clear(user).status()), "USER_NOT_FOUND") << user;
  }
  EXPECT_EQ(reason([](auto& r) { r.set_tenant_id(999999); }), "TENANT_NOT_FOUND");
  EXPECT_EQ(reason([](auto& r) { r.set_everybody(false); }), "SUBJECT_MISSING");
  EXPECT_EQ(reason([](auto&) {}), "SUBJECT_MISSING");
  EXPECT_EQ(database_.Count("auth.control_log WHERE kind <> 'keys'"), 0);
}

TEST_F(UserRightsTest, OthersDoNotRevokeAdministrators) {
  const std::string root = database_.AddUser("root", "admin");
  database_.AddUser("ada");
  const std::string token = server_.Issue(root).token;
  const rpc::CallOptions as_mod = As(UuidV7(), "mod", "moderator");
  EXPECT_EQ(Reason(Revoke([](auto& r) { r.set_user("root"); }, as_mod).status()), "USER_NOT_FOUND");
  EXPECT_EQ(Reason(Clear("root", as_mod).status()), "USER_NOT_FOUND");
  EXPECT_EQ(Reason(Revoke([](auto& r) { r.set_everybody(true); }, as_mod).status()),
            "ADMIN_REQUIRED");
  EXPECT_EQ(Reason(Revoke([](auto& r) { r.set_tenant_id(1); }, as_mod).status()), "ADMIN_REQUIRED");
  EXPECT_TRUE(Revoke([](auto& r) { r.set_user("ada"); }, as_mod).ok());
  EXPECT_EQ(server_.Live({token}), 1);
}

TEST_F(UserRightsTest, ARevocationWaitsForAnIssueUnderWayAndKillsIt) {
  const std::string id = database_.AddUser("ada");
  IssuedCredential issued;
  absl::Status revoked;
  std::thread revocation;
  ASSERT_TRUE(database_.db()
                  .InTransaction([&](pg::Tx& tx) -> absl::Status {
                    LockOwner(tx, id);
                    GH_ASSIGN_OR_RETURN(issued, server_.issuer().Issue(tx, {.user_id = id}));
                    revocation = std::thread(
                        [&] { revoked = Revoke([](auto& r) { r.set_user("ada"); }).status(); });
                    EXPECT_TRUE(database_.EventuallySomebodyWaits());
                    return absl::OkStatus();
                  })
                  .ok());
  revocation.join();
  EXPECT_TRUE(revoked.ok()) << revoked;
  EXPECT_EQ(server_.Live({issued.token}), 0);
}

TEST_F(UserRightsTest, ListsTheRolesByName) {
  const auto roles = server_.gateway().Call(Api::kListRoles, v1::ListRolesRequest());
  ASSERT_TRUE(roles.ok()) << roles.status();
  ASSERT_EQ(roles->roles_size(), 3);
  EXPECT_EQ(roles->roles(0).name(), "admin");
  EXPECT_THAT(roles->roles(0).permissions(), Contains("manage_auth"));
  EXPECT_TRUE(
      std::is_sorted(roles->roles(0).permissions().begin(), roles->roles(0).permissions().end()));
  EXPECT_THAT(roles->roles(0).scopes(), Contains("admin"));
  EXPECT_EQ(roles->roles(0).rate_limit_per_second(), 100);
  EXPECT_EQ(roles->roles(1).name(), "moderator");
  EXPECT_EQ(roles->roles(2).name(), "user");
  EXPECT_THAT(roles->roles(2).permissions(), IsEmpty());
  EXPECT_THAT(roles->roles(2).scopes(), Not(Contains("admin")));
}

TEST_F(UserRightsTest, ANewPermissionHoldsAtOnce) {
  const std::string token = server_.Issue(database_.AddUser("mod", "moderator")).token;
  const auto role = UpdateRole("moderator", {"view_logs", "export_logs", "view_logs"},
                               As(UuidV7(), "root", "admin"));
  ASSERT_TRUE(role.ok()) << role.status();
  EXPECT_THAT(role->permissions(), ElementsAre("export_logs", "view_logs"));
  EXPECT_THAT(RoleNamed("moderator").permissions(), ElementsAre("export_logs", "view_logs"));
  EXPECT_THAT(server_.Lookup(token)->principal().permissions(), Contains("view_logs"));
  EXPECT_EQ(Get("mod")->permissions_size(), 2);
  EXPECT_EQ(database_.Select("SELECT subject FROM auth.control_log WHERE kind = 'change'"),
            "role/moderator");
  EXPECT_EQ(database_.Select("SELECT details FROM auth.audit_events"
                             " WHERE type = 'role_permissions_changed'"),
            R"({"permissions":["export_logs","view_logs"]})");
  ASSERT_TRUE(UpdateRole("moderator", {"view_logs", "export_logs"}).ok());
  EXPECT_EQ(database_.Count("auth.control_log WHERE kind <> 'keys'"), 1)
      << "the same again is no change";
  ASSERT_TRUE(UpdateRole("moderator", {}).ok());
  EXPECT_THAT(server_.Lookup(token)->principal().permissions(), IsEmpty());
}

TEST_F(UserRightsTest, RolesKnowTheirLimits) {
  const auto reason = [&](const std::string& name, const std::vector<std::string>& permissions) {
    return Reason(UpdateRole(name, permissions).status());
  };
  EXPECT_EQ(reason("nobody", {}), "ROLE_NOT_FOUND");
  EXPECT_EQ(reason(std::string("user\0x", 6), {}), "ROLE_NOT_FOUND");
  EXPECT_EQ(reason("admin", {}), "ROLE_FIXED");
  EXPECT_EQ(reason("user", {"view_logs", "fly"}), "PERMISSION_UNKNOWN");
  EXPECT_EQ(reason("user", {""}), "PERMISSION_UNKNOWN");
  EXPECT_EQ(database_.Count("auth.control_log WHERE kind <> 'keys'"), 0);
}

TEST_F(UserRightsTest, OthersGrantOnlyWhatTheyHold) {
  rpc::CallOptions as_mod = As(UuidV7(), "mod", "moderator");
  as_mod.principal.add_permissions("manage_roles");
  as_mod.principal.add_permissions("view_logs");
  EXPECT_EQ(Reason(UpdateRole("moderator", {"manage_auth"}, as_mod).status()), "ADMIN_REQUIRED");
  EXPECT_TRUE(UpdateRole("moderator", {"view_logs"}, as_mod).ok());
  ASSERT_TRUE(UpdateRole("moderator", {"manage_auth", "view_logs"}).ok());
  EXPECT_TRUE(UpdateRole("moderator", {"manage_auth"}, as_mod).ok()) << "nothing is granted";
}

TEST(RateSettingsTest, HaveTheDocumentedNamesDefaultsAndBounds) {
  const auto defaults = config::Settings::Load(RateSettings());
  ASSERT_TRUE(defaults.ok()) << defaults.status();
  EXPECT_EQ(ReadRates(*defaults).default_per_second, 10);
  EXPECT_EQ(ReadRates(*defaults).default_burst, 20);
  EXPECT_EQ(ReadRates(*defaults).admin_per_second, 100);
  EXPECT_EQ(ReadRates(*defaults).admin_burst, 200);
  const char* const names[] = {"DEFAULT_RATE_LIMIT_PER_SECOND", "DEFAULT_RATE_LIMIT_BURST",
                               "ADMIN_RATE_LIMIT_PER_SECOND", "ADMIN_RATE_LIMIT_BURST"};
  for (int i = 0; i < 4; ++i) ::setenv(names[i], std::to_string(i + 1).c_str(), 1);
  const auto set = config::Settings::Load(RateSettings());
  ::setenv(names[0], "0", 1);
  ::setenv(names[3], "10001", 1);
  const auto wrong = config::Settings::Load(RateSettings());
  for (const char* name : names) ::unsetenv(name);
  ASSERT_TRUE(set.ok()) << set.status();
  EXPECT_EQ(ReadRates(*set).default_per_second, 1);
  EXPECT_EQ(ReadRates(*set).default_burst, 2);
  EXPECT_EQ(ReadRates(*set).admin_per_second, 3);
  EXPECT_EQ(ReadRates(*set).admin_burst, 4);
  EXPECT_EQ(Reason(wrong.status()), "SETTINGS_INVALID");
}

TEST_F(UserRightsTest, RatesOfRolesFollowTheSettings) {
  const std::string token = server_.Issue(database_.AddUser("ada")).token;
  ASSERT_TRUE(ApplyRoleRates(database_.db(), {}).ok());
  EXPECT_EQ(database_.Count("auth.control_log WHERE kind <> 'keys'"), 0) << "as the rows are";
  ASSERT_TRUE(ApplyRoleRates(database_.db(), {.default_per_second = 7, .default_burst = 9}).ok());
  EXPECT_EQ(server_.Lookup(token)->rate_limit_per_second(), 7);
  EXPECT_EQ(server_.Lookup(token)->rate_limit_burst(), 9);
  EXPECT_EQ(RoleNamed("moderator").rate_limit_burst(), 9);
  EXPECT_EQ(RoleNamed("admin").rate_limit_burst(), 200);
  EXPECT_EQ(database_.Select("SELECT string_agg(subject, ' ' ORDER BY sequence)"
                             " FROM auth.control_log WHERE kind <> 'keys'"),
            "role/moderator role/user");
  ASSERT_TRUE(ApplyRoleRates(database_.db(), {.admin_per_second = 11, .admin_burst = 12}).ok());
  EXPECT_EQ(RoleNamed("admin").rate_limit_per_second(), 11);
  EXPECT_EQ(RoleNamed("user").rate_limit_burst(), 20);
}

}  // namespace
}  // namespace gatehouse::auth
