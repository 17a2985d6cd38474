// /api/admin: tenants, roles and mass revocation.
#include "services/gateway/gateway_fixture.h"

namespace gatehouse::gateway {
namespace {

using ::testing::HasSubstr;
using enum absl::StatusCode;

constexpr char kTenantJson[] =
    R"({"id":7,"client_id":"ada-co","name":"Ada & Co","plan_tier":"free",)"
    R"("created_at":"2027-01-15T08:00:00.000000Z"})";

auth::v1::Tenant SampleTenant() {
  auth::v1::Tenant tenant;
  tenant.set_id(7);
  tenant.set_client_id("ada-co");
  tenant.set_name("Ada & Co");
  tenant.set_tier("free");
  tenant.mutable_create_time()->set_seconds(1'800'000'000);
  return tenant;
}

struct Act {
  const char* method;
  const char* path;
  const char* body;
};

// Whatever changes something.
constexpr Act kActs[] = {
    {"POST", "/api/admin/tenants/", R"({"client_id":"ada-co","name":"Ada & Co"})"},
    {"PATCH", "/api/admin/tenants/7/", R"({"plan_tier":"starter"})"},
    {"POST", "/api/admin/tenants/7/revoke/", ""},
    {"POST", "/api/admin/revoke-all/", R"({"confirm":"everybody"})"},
    {"PUT", "/api/admin/roles/moderator/", R"({"permissions":["view_logs"]})"},
};

class TenantRoutesTest : public GatewayTest {
 protected:
  TenantRoutesTest() {
    services_.get_tenant.Return(SampleTenant());
    services_.create_tenant.Return(SampleTenant());
  }

  std::size_t ChangesMade() const {
    return services_.create_tenant.calls() + services_.update_account.calls() +
           services_.revoke_credentials.calls() + services_.update_role.calls();
  }

  // The one event that was appended.
  auth::v1::AuditEvent Audited() {
    EXPECT_EQ(services_.append_audit.calls(), 1u);
    return services_.append_audit.last().event();
  }

  // What auth does: the credentials are dead once it has answered.
  void RevokeAtNextSequence() {
    services_.revoke_credentials.Do([&](const auth::v1::RevokeCredentialsRequest&) {
      EXPECT_EQ(services_.append_audit.calls(), 1u) << "audited first";
      services_.RemoveToken(user_);
      services_.RemoveToken(root_);
      auth::v1::RevokeCredentialsResponse revoked;
      revoked.set_epoch(services_.control.sequence() + 1);
      return revoked;
    });
  }

  const std::string root_ =
      services_.AddToken("admin", {"manage_users", "manage_billing", "manage_auth"});
};

TEST_F(TenantRoutesTest, TenantsAreABareArray) {
  auth::v1::ListTenantsResponse page;
  *page.add_tenants() = SampleTenant();
  page.set_total(2);
  page.set_next_page_token("next");
  services_.list_tenants.Return(page);
  const Answer answer = Get("/api/admin/tenants/?limit=1&cursor=this", root_);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "[" + std::string(kTenantJson) + "]");
  EXPECT_EQ(answer.Get("X-Total-Count"), "2");
  EXPECT_EQ(answer.Get("X-Next-Cursor"), "next");
  EXPECT_EQ(services_.list_tenants.last().page_size(), 1);
  EXPECT_EQ(services_.list_tenants.last().page_token(), "this");
  EXPECT_EQ(Get("/api/admin/tenants/?limit=ten", root_).status, 400);
}

TEST_F(TenantRoutesTest, ATenantIsShownByItsInteger) {
  const Answer answer = Get("/api/admin/tenants/7/", root_);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, kTenantJson);
  EXPECT_EQ(services_.get_tenant.last().id(), 7);
  for (const char* path : {"/api/admin/tenants/acme/", "/api/admin/tenants/0/",
                           "/api/admin/tenants/-7/", "/api/admin/tenants/7x/"}) {
    const Answer malformed = Get(path, root_);
    EXPECT_EQ(malformed.status, 400) << path;
    EXPECT_EQ(Code(malformed), "ID_INVALID");
  }
  services_.get_tenant.Fail(Error(kNotFound, "TENANT_NOT_FOUND", "inner"));
  for (const auto& [method, path, body] :
       {Act{"GET", "/api/admin/tenants/8/", ""}, kActs[1], kActs[2]}) {
    const Answer missing = Send(method, path, root_, body);
    EXPECT_EQ(missing.status, 404) << path;
    EXPECT_EQ(Code(missing), "TENANT_NOT_FOUND");
  }
  EXPECT_EQ(services_.append_audit.calls() + ChangesMade(), 0u);
}

TEST_F(TenantRoutesTest, EachRouteNeedsItsPermission) {
  const std::string users = services_.AddToken("moderator", {"manage_users"});
  const std::string billing = services_.AddToken("moderator", {"manage_billing"});
  const std::string auth = services_.AddToken("moderator", {"manage_auth"});
  struct Row {
    Act act;
    std::string allowed;
  };
  for (const Row& row : std::vector<Row>{{{"GET", "/api/admin/tenants/", ""}, users},
                                         {{"GET", "/api/admin/tenants/7/", ""}, users},
                                         {{"GET", "/api/admin/roles/", ""}, users},
                                         {kActs[0], users},
                                         {kActs[1], billing},
                                         {kActs[2], auth},
                                         {kActs[3], auth},
                                         {kActs[4], auth}}) {
    for (const std::string& token : {users, billing, auth, user_}) {
      const Answer answer = Send(row.act.method, row.act.path, token, row.act.body);
      EXPECT_EQ(answer.status == 403, token != row.allowed) << row.act.path << answer.status;
    }
    EXPECT_EQ(Send(row.act.method, row.act.path, "", row.act.body).status, 401);
  }
}

TEST_F(TenantRoutesTest, WithoutAnAuditNothingIsDone) {
  services_.append_audit.Fail(absl::InternalError("disk full"));
  for (const auto& [method, path, body] : kActs) {
    const Answer answer = Send(method, path, root_, body);
    EXPECT_EQ(answer.status, 503) << path;
    EXPECT_EQ(Code(answer), "AUDIT_UNAVAILABLE");
  }
  EXPECT_EQ(ChangesMade(), 0u);
}

TEST_F(TenantRoutesTest, FailuresAreAuditedToo) {
  const absl::Status error = Error(kFailedPrecondition, "SOME_REASON", "not now");
  services_.create_tenant.Fail(error);
  services_.update_account.Fail(error);
  services_.revoke_credentials.Fail(error);
  services_.update_role.Fail(error);
  std::size_t events = 0;
  for (const auto& [method, path, body] : kActs) {
    EXPECT_EQ(Send(method, path, root_, body).status, 409) << path;
    events += 2;
    EXPECT_TRUE(Eventually([&] { return services_.append_audit.calls() == events; }));
    EXPECT_FALSE(services_.append_audit.last().event().success());
    EXPECT_EQ(services_.append_audit.last().event().reason(), "SOME_REASON");
  }
}

TEST_F(TenantRoutesTest, ATenantIsCreatedAfterItWasAudited) {
  services_.create_tenant.Do([&](const auth::v1::CreateTenantRequest&) {
    EXPECT_EQ(services_.append_audit.calls(), 1u) << "audited first";
    return SampleTenant();
  });
  const Answer answer = Send(kActs[0].method, kActs[0].path, root_, kActs[0].body);
  EXPECT_EQ(answer.status, 201);
  EXPECT_EQ(answer.body, kTenantJson);
  EXPECT_EQ(services_.create_tenant.last().client_id(), "ada-co");
  EXPECT_EQ(services_.create_tenant.last().name(), "Ada & Co");
  EXPECT_EQ(Audited().type(), "admin_action");
  EXPECT_EQ(Audited().details_json(),
            R"({"action":"tenant_created","client_id":"ada-co","name":"Ada & Co"})");
}

TEST_F(TenantRoutesTest, NewTenantsAreChecked) {
  for (const char* body :
       {"", R"({"client_id":"ada-co"})", R"({"name":"Ada"})", R"({"client_id":"ad","name":"Ada"})",
        R"({"client_id":"ada-co","name":"Ada","id":7})"}) {
    EXPECT_EQ(Post("/api/admin/tenants/", root_, body).status, 400) << body;
  }
  EXPECT_EQ(services_.append_audit.calls(), 0u);
  services_.create_tenant.Fail(Error(kAlreadyExists, "CLIENT_ID_TAKEN", "taken"));
  const Answer taken = Send(kActs[0].method, kActs[0].path, root_, kActs[0].body);
  EXPECT_EQ(taken.status, 409);
  EXPECT_EQ(Code(taken), "CLIENT_ID_TAKEN");
}

TEST_F(TenantRoutesTest, ThePlanTierIsSetAtBilling) {
  services_.update_account.Do([&](const billing::v1::UpdateAccountRequest&) {
    EXPECT_EQ(services_.append_audit.calls(), 1u) << "audited first";
    return billing::v1::Account();
  });
  const Answer answer = Send("PATCH", "/api/admin/tenants/7/", root_, R"({"plan_tier":"starter"})");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, R"({"id":7,"client_id":"ada-co","name":"Ada & Co","plan_tier":"starter",)"
                         R"("created_at":"2027-01-15T08:00:00.000000Z"})");
  const billing::v1::UpdateAccountRequest request = services_.update_account.last();
  EXPECT_EQ(request.tenant_id(), 7);
  EXPECT_EQ(request.plan_tier(), "starter");
  EXPECT_EQ(request.policy(), billing::v1::Account::POLICY_UNSPECIFIED) << "left as it is";
  EXPECT_EQ(Audited().target(), "tenant/7");
  EXPECT_EQ(Audited().tenant_id(), 7);
  EXPECT_EQ(Audited().details_json(),
            R"({"action":"plan_tier_changed","from":"free","plan_tier":"starter"})");
}

TEST_F(TenantRoutesTest, ATenantWithoutAChangeIsShown) {
  EXPECT_EQ(Send("PATCH", "/api/admin/tenants/7/", root_, "{}").body, kTenantJson);
  EXPECT_EQ(services_.append_audit.calls() + ChangesMade(), 0u);
  EXPECT_EQ(Send("PATCH", "/api/admin/tenants/7/", root_, R"({"plan_tier":1})").status, 400);
  EXPECT_EQ(Send("PATCH", "/api/admin/tenants/7/", root_, R"({"name":"x"})").status, 400);
  services_.update_account.Fail(Error(kInvalidArgument, "PLAN_TIER_UNKNOWN", "no such tier"));
  const Answer unknown = Send("PATCH", "/api/admin/tenants/7/", root_, R"({"plan_tier":"gold"})");
  EXPECT_EQ(unknown.status, 400);
  EXPECT_EQ(Code(unknown), "PLAN_TIER_UNKNOWN");
}

TEST_F(TenantRoutesTest, TheCredentialsOfATenantAreRevokedAtOnce) {
  ASSERT_EQ(Get("/api/me/", user_).status, 200);
  RevokeAtNextSequence();
  const Answer answer = Post("/api/admin/tenants/7/revoke/", root_, "");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, R"({"message":"All tokens revoked for tenant 7"})");
  EXPECT_EQ(services_.revoke_credentials.last().tenant_id(), 7);
  EXPECT_EQ(Audited().target(), "tenant/7");
  EXPECT_EQ(Audited().tenant_id(), 7);
  EXPECT_EQ(Audited().details_json(), R"({"action":"tenant_revoked","client_id":"ada-co"})");
  EXPECT_EQ(Get("/api/me/", user_).status, 401)
      << "a user of tenant 7, before the control stream has said a word";
}

TEST_F(TenantRoutesTest, EverybodysCredentialsAreRevokedWhenItIsConfirmed) {
  ASSERT_EQ(Get("/api/me/", user_).status, 200);
  RevokeAtNextSequence();
  for (const char* body :
       {"", "{}", R"({"confirm":true})", R"({"confirm":"yes"})", R"({"confirm":"Everybody"})"}) {
    const Answer answer = Post("/api/admin/revoke-all/", root_, body);
    EXPECT_EQ(answer.status, 400) << body;
    EXPECT_THAT(answer.body, HasSubstr(R"({"field":"confirm",)"));
  }
  EXPECT_EQ(services_.append_audit.calls() + ChangesMade(), 0u);
  const Answer answer = Post("/api/admin/revoke-all/", root_, R"({"confirm":"everybody"})");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, R"({"message":"All tokens revoked"})");
  EXPECT_TRUE(services_.revoke_credentials.last().everybody());
  EXPECT_EQ(Audited().details_json(), R"({"action":"everybody_revoked"})");
  for (const std::string& token : {user_, root_}) {
    EXPECT_EQ(Get("/api/me/", token).status, 401) << "the caller's, too";
  }
}

auth::v1::Role Moderator() {
  auth::v1::Role role;
  role.set_name("moderator");
  role.add_permissions("view_logs");
  role.add_scopes("llm.chat");
  role.set_rate_limit_per_second(10);
  role.set_rate_limit_burst(20);
  return role;
}

constexpr char kModeratorJson[] =
    R"({"name":"moderator","permissions":["view_logs"],"scopes":["llm.chat"],)"
    R"("rate_limit_per_second":10,"rate_limit_burst":20})";

TEST_F(TenantRoutesTest, RolesAreABareArray) {
  auth::v1::ListRolesResponse list;
  *list.add_roles() = Moderator();
  services_.list_roles.Return(list);
  const Answer answer = Get("/api/admin/roles/", root_);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "[" + std::string(kModeratorJson) + "]");
  EXPECT_EQ(answer.Get("X-Total-Count"), "1");
}

TEST_F(TenantRoutesTest, ThePermissionsOfARoleAreReplaced) {
  services_.update_role.Do([&](const auth::v1::UpdateRoleRequest&) {
    EXPECT_EQ(services_.append_audit.calls(), services_.update_role.calls()) << "audited first";
    return Moderator();
  });
  const Answer answer = Send("PUT", "/api/admin/roles/moderator/", root_,
                             R"({"permissions":["view_logs","export_logs"]})");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, kModeratorJson);
  EXPECT_EQ(services_.update_role.last().name(), "moderator");
  EXPECT_EQ(services_.update_role.last().permissions_size(), 2);
  EXPECT_EQ(Audited().target(), "role/moderator");
  EXPECT_EQ(Audited().details_json(),
            R"({"action":"role_updated","permissions":["view_logs","export_logs"]})");
  EXPECT_EQ(Send("PUT", "/api/admin/roles/moderator/", root_, R"({"permissions":[]})").status, 200);
  EXPECT_EQ(services_.update_role.last().permissions_size(), 0) << "none is a choice";
}

TEST_F(TenantRoutesTest, RoleChangesAreChecked) {
  for (const char* body : {"", "{}", R"({"permissions":null})", R"({"permissions":[7]})",
                           R"({"permissions":["a"],"name":"x"})"}) {
    EXPECT_EQ(Send("PUT", "/api/admin/roles/user/", root_, body).status, 400) << body;
  }
  EXPECT_EQ(services_.append_audit.calls(), 0u);
  struct Row {
    absl::StatusCode code;
    const char* reason;
    int status;
  };
  for (const Row& row : std::vector<Row>{{kNotFound, "ROLE_NOT_FOUND", 404},
                                         {kInvalidArgument, "PERMISSION_UNKNOWN", 400},
                                         {kPermissionDenied, "ADMIN_REQUIRED", 403},
                                         {kFailedPrecondition, "ROLE_FIXED", 409}}) {
    services_.update_role.Fail(Error(row.code, row.reason, "inner text"));
    const Answer answer =
        Send("PUT", "/api/admin/roles/admin/", root_, R"({"permissions":["view_logs"]})");
    EXPECT_EQ(answer.status, row.status) << row.reason;
    EXPECT_EQ(Code(answer), row.reason);
  }
}

}  // namespace
}  // namespace gatehouse::gateway
