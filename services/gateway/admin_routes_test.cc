// /api/admin: users, their logins, and the audit log.
#include "services/gateway/gateway_fixture.h"
#include "services/gateway/sample_user.h"

namespace gatehouse::gateway {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using enum absl::StatusCode;

constexpr char kAda[] = "/api/admin/users/0190c0de-0000-7000-8000-000000000001/";
constexpr char kAdaId[] = "0190c0de-0000-7000-8000-000000000001";
constexpr char kSessionId[] = "0190c0de-0000-7000-8000-00000000000b";
constexpr char kAdaJson[] =
    R"({"id":41,"uuid":"0190c0de-0000-7000-8000-000000000001","username":"ada",)"
    R"("email":"ada@example.com","first_name":"","last_name":"","role":"user",)"
    R"("is_staff":false,"is_active":true,"disable_reason":"none yet","profile":{"id":12,)"
    R"("username":"ada","email":"ada@example.com","tenant":7,"tenant_name":"ada's Organization",)"
    R"("stripe_customer_id":null,"settings":{"theme":"dark"},"notes":"pays late",)"
    R"("created_at":"2027-01-15T08:00:00.000000Z","updated_at":null}})";

struct Action {
  const char* method;
  std::string path;
  const char* body;
};

std::vector<Action> Acts() {
  return {{"PATCH", kAda, R"({"is_active":false})"},
          {"PUT", kAda, R"({"is_active":false})"},
          {"POST", std::string(kAda) + "reset-password/", R"({"new_password":"long enough"})"},
          {"DELETE", std::string(kAda) + "sessions/" + kSessionId + "/", ""}};
}

class AdminRoutesTest : public GatewayTest {
 protected:
  AdminRoutesTest() {
    services_.get_user.Return(SampleUser());
    services_.update_user.Return(SampleUser());
  }

  Answer Patch(const std::string& body) { return Send("PATCH", kAda, admin_, body); }

  // The one event that was appended.
  auth::v1::AuditEvent Audited() {
    EXPECT_EQ(services_.append_audit.calls(), 1u);
    return services_.append_audit.last().event();
  }
};

TEST_F(AdminRoutesTest, UsersAreABareArray) {
  auth::v1::ListUsersResponse page;
  *page.add_users() = SampleUser();
  page.set_total(3);
  page.set_next_page_token("next");
  services_.list_users.Return(page);
  const Answer answer =
      Get("/api/admin/users/?limit=1&offset=2&cursor=this&search=ad&is_active=false", admin_);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "[" + std::string(kAdaJson) + "]");
  EXPECT_EQ(answer.Get("X-Total-Count"), "3");
  EXPECT_EQ(answer.Get("X-Next-Cursor"), "next");
  EXPECT_EQ(answer.Get("Content-Type"), "application/json");
  const auth::v1::ListUsersRequest request = services_.list_users.last();
  EXPECT_EQ(request.page_size(), 1);
  EXPECT_EQ(request.skip(), 2);
  EXPECT_EQ(request.page_token(), "this");
  EXPECT_EQ(request.search(), "ad");
  EXPECT_TRUE(request.has_is_active());
  EXPECT_FALSE(request.is_active());
}

TEST_F(AdminRoutesTest, ListsHaveDefaultsAndClampTheirLimit) {
  const Answer answer = Get("/api/admin/users/", admin_);
  EXPECT_EQ(answer.body, "[]");
  EXPECT_EQ(answer.Get("X-Total-Count"), "0");
  EXPECT_TRUE(answer.All("X-Next-Cursor").empty());
  EXPECT_EQ(services_.list_users.last().page_size(), 100);
  EXPECT_FALSE(services_.list_users.last().has_is_active());
  EXPECT_EQ(Get("/api/admin/users/?limit=9999", admin_).status, 200);
  EXPECT_EQ(services_.list_users.last().page_size(), 500);
  EXPECT_EQ(Get("/api/admin/users/?limit=ten", admin_).status, 400);
  EXPECT_EQ(Get("/api/admin/users/?is_active=maybe", admin_).status, 400);
}

TEST_F(AdminRoutesTest, AUserIsShownByUuidOrNumberWithWhatIsForStaff) {
  EXPECT_EQ(Get(kAda, admin_).body, kAdaJson);
  EXPECT_EQ(services_.get_user.last().id(), kAdaId);
  EXPECT_EQ(Get("/api/admin/users/41", admin_).body, kAdaJson);
  EXPECT_EQ(services_.get_user.last().id(), "41");
  const Answer malformed = Get("/api/admin/users/ada/", admin_);
  EXPECT_EQ(malformed.status, 400);
  EXPECT_EQ(Code(malformed), "ID_INVALID");
}

TEST_F(AdminRoutesTest, NobodyElseIsLetIn) {
  std::vector<Action> all = Acts();
  for (const char* path : {"/api/admin/users/", kAda, "/api/admin/audit-events/"}) {
    all.push_back({"GET", path, ""});
  }
  all.push_back({"GET", std::string(kAda) + "sessions/", ""});
  for (const Action& act : all) {
    EXPECT_EQ(Send(act.method, act.path, user_, act.body).status, 403) << act.path;
    EXPECT_EQ(Send(act.method, act.path, "", act.body).status, 401) << act.path;
  }
  EXPECT_EQ(services_.get_user.calls() + services_.append_audit.calls(), 0u);
}

TEST_F(AdminRoutesTest, WhoIsNotThereIs404AndNothingIsAudited) {
  services_.get_user.Fail(Error(kNotFound, "USER_NOT_FOUND", "no such user"));
  std::vector<Action> all = Acts();
  all.push_back({"GET", kAda, ""});
  all.push_back({"GET", std::string(kAda) + "sessions/", ""});
  for (const Action& act : all) {
    const Answer answer = Send(act.method, act.path, admin_, act.body);
    EXPECT_EQ(answer.status, 404) << act.method << " " << act.path;
    EXPECT_EQ(Code(answer), "USER_NOT_FOUND");
    EXPECT_THAT(answer.body, HasSubstr(R"("message":"User not found")"));
  }
  EXPECT_EQ(services_.append_audit.calls(), 0u);
  EXPECT_EQ(services_.list_sessions.calls(), 0u) << "that service does not hide administrators";
}

TEST_F(AdminRoutesTest, WithoutAnAuditNothingIsDone) {
  services_.append_audit.Fail(absl::InternalError("disk full"));
  for (const Action& act : Acts()) {
    const Answer answer = Send(act.method, act.path, admin_, act.body);
    EXPECT_EQ(answer.status, 503) << act.method << " " << act.path;
    EXPECT_EQ(Code(answer), "AUDIT_UNAVAILABLE");
  }
  EXPECT_EQ(services_.update_user.calls() + services_.reset_password.calls(), 0u);
  EXPECT_EQ(services_.end_session.calls(), 0u);
}

TEST_F(AdminRoutesTest, FailuresAreAuditedToo) {
  const absl::Status error = Error(kFailedPrecondition, "LAST_ADMIN", "the last one");
  services_.update_user.Fail(error);
  services_.reset_password.Fail(error);
  services_.end_session.Fail(error);
  std::size_t events = 0;
  for (const Action& act : Acts()) {
    const Answer answer = Send(act.method, act.path, admin_, act.body);
    EXPECT_EQ(answer.status, 409) << act.method << " " << act.path;
    EXPECT_EQ(Code(answer), "LAST_ADMIN");
    events += 2;
    EXPECT_TRUE(Eventually([&] { return services_.append_audit.calls() == events; }));
    EXPECT_FALSE(services_.append_audit.last().event().success());
    EXPECT_EQ(services_.append_audit.last().event().reason(), "LAST_ADMIN");
  }
}

TEST_F(AdminRoutesTest, AUserIsChangedAfterItWasAudited) {
  services_.update_user.Do([&](const auth::v1::UpdateUserRequest&) {
    EXPECT_EQ(services_.append_audit.calls(), 1u) << "audited first";
    return SampleUser();
  });
  const Answer answer =
      Patch(R"({"is_active":false,"disable_reason":"does not pay","tenant_id":8,"notes":"n",)"
            R"("stripe_customer_id":"cus_1","settings":{"a":[1,2.50]},"role":"moderator",)"
            R"("rate_limit_per_second":null,"rate_limit_burst":9,"first_name":"Ada",)"
            R"("last_name":"L","email":"eve@example.com"})");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body,
            R"({"message":"User updated successfully","user":)" + std::string(kAdaJson) + "}");
  const auth::v1::UpdateUserRequest request = services_.update_user.last();
  EXPECT_EQ(request.id(), kAdaId);
  EXPECT_TRUE(request.has_is_active());
  EXPECT_FALSE(request.is_active());
  EXPECT_EQ(request.disable_reason(), "does not pay");
  EXPECT_EQ(request.tenant_id(), 8);
  EXPECT_EQ(request.notes(), "n");
  EXPECT_EQ(request.stripe_customer_id(), "cus_1");
  EXPECT_EQ(request.settings_json(), R"({"a":[1,2.50]})");
  EXPECT_EQ(request.role(), "moderator");
  EXPECT_TRUE(request.has_rate_limit_per_second());
  EXPECT_EQ(request.rate_limit_per_second(), 0) << "null follows the role again";
  EXPECT_EQ(request.rate_limit_burst(), 9);
  EXPECT_EQ(request.first_name(), "Ada");
  EXPECT_EQ(request.last_name(), "L");
  EXPECT_EQ(request.email(), "eve@example.com");
  EXPECT_FALSE(request.has_username() || request.has_password());
}

TEST_F(AdminRoutesTest, TheAuditTellsWhatAndWhy) {
  ASSERT_EQ(Patch(R"({"is_active":false,"disable_reason":"fraud","settings":{}})").status, 200);
  EXPECT_EQ(Audited().type(), "admin_action") << "user_disabled is auth's, once it is done";
  EXPECT_EQ(Audited().target(), std::string("user/") + kAdaId);
  EXPECT_EQ(Audited().tenant_id(), 7);
  EXPECT_TRUE(Audited().success());
  EXPECT_EQ(Audited().actor_user_id(), services_.UserId(admin_));
  EXPECT_EQ(Audited().client_address(), "127.0.0.1");
  EXPECT_EQ(Audited().reason(), "fraud");
  EXPECT_EQ(Audited().details_json(), R"({"action":"user_updated","username":"ada",)"
                                      R"("fields":["is_active","disable_reason","settings"],)"
                                      R"("is_active":false,"disable_reason":"fraud"})");
}

TEST_F(AdminRoutesTest, NullEmptiesTexts) {
  const std::string body =
      R"({"disable_reason":null,"stripe_customer_id":null,"notes":null,"first_name":null})";
  EXPECT_EQ(Patch(body).status, 200);
  const auth::v1::UpdateUserRequest request = services_.update_user.last();
  EXPECT_TRUE(request.has_disable_reason() && request.disable_reason().empty());
  EXPECT_TRUE(request.has_stripe_customer_id() && request.stripe_customer_id().empty());
  EXPECT_TRUE(request.has_notes() && request.notes().empty());
  EXPECT_FALSE(request.has_first_name());
}

TEST_F(AdminRoutesTest, AnEmptyChangeChangesNothing) {
  EXPECT_EQ(Patch("").status, 200);
  EXPECT_EQ(services_.append_audit.calls() + services_.update_user.calls(), 0u);
}

TEST_F(AdminRoutesTest, ChangesAreChecked) {
  for (const char* body : {R"({"is_active":"no"})", R"({"tenant_id":0})", R"({"tenant_id":"7"})",
                           R"({"settings":[]})", R"({"settings":"{}"})", R"({"role":1})",
                           R"({"rate_limit_burst":0})", R"({"rate_limit_per_second":10001})",
                           R"({"password":"long enough"})", R"({"is_staff":true})"}) {
    const Answer answer = Patch(body);
    EXPECT_EQ(answer.status, 400) << body;
    EXPECT_EQ(Code(answer), "VALIDATION_FAILED");
  }
  EXPECT_EQ(services_.get_user.calls(), 0u);
}

TEST_F(AdminRoutesTest, RefusalsOfTheServicePass) {
  struct Row {
    absl::StatusCode code;
    const char* reason;
    int status;
  };
  for (const Row& row : std::vector<Row>{{kInvalidArgument, "ROLE_UNKNOWN", 400},
                                         {kNotFound, "TENANT_NOT_FOUND", 404},
                                         {kAlreadyExists, "EMAIL_TAKEN", 409},
                                         {kPermissionDenied, "ADMIN_REQUIRED", 403}}) {
    services_.update_user.Fail(Error(row.code, row.reason, "inner text"));
    const Answer answer = Patch(R"({"role":"x"})");
    EXPECT_EQ(answer.status, row.status) << row.reason;
    EXPECT_EQ(Code(answer), row.reason);
  }
}

TEST_F(AdminRoutesTest, APasswordIsResetAfterItWasAudited) {
  services_.reset_password.Do([&](const auth::v1::ResetPasswordRequest&) {
    EXPECT_EQ(services_.append_audit.calls(), 1u) << "audited first";
    return auth::v1::ResetPasswordResponse();
  });
  const Answer answer =
      Post("/api/admin/users/41/reset-password/", admin_, R"({"new_password":"correct horse"})");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, R"({"message":"Password reset successfully"})");
  EXPECT_EQ(services_.reset_password.last().id(), kAdaId);
  EXPECT_EQ(services_.reset_password.last().new_password(), "correct horse");
  EXPECT_EQ(Audited().type(), "admin_action");
  EXPECT_EQ(Audited().target(), std::string("user/") + kAdaId);
  EXPECT_EQ(Audited().details_json(), R"({"action":"password_reset","username":"ada"})");
}

TEST_F(AdminRoutesTest, AResetNeedsAPassword) {
  for (const char* body : {"", "{}", R"({"new_password":""})", R"({"new_password":7})"}) {
    const Answer answer = Post(std::string(kAda) + "reset-password/", admin_, body);
    EXPECT_EQ(answer.status, 400) << body;
    EXPECT_THAT(answer.body, HasSubstr(R"("message":"new_password is required")"));
  }
  services_.reset_password.Fail(Error(kInvalidArgument, "PASSWORD_TOO_WEAK", "too common"));
  const Answer weak =
      Post(std::string(kAda) + "reset-password/", admin_, R"({"new_password":"password"})");
  EXPECT_EQ(weak.status, 400);
  EXPECT_EQ(Code(weak), "PASSWORD_TOO_WEAK");
}

TEST_F(AdminRoutesTest, TheSessionsOfAUserAreListed) {
  auth::v1::ListSessionsResponse list;
  auth::v1::Session& session = *list.add_sessions();
  session.set_id(kSessionId);
  session.set_kind(auth::v1::CREDENTIAL_KIND_PLATFORM);
  session.set_client_address("192.0.2.1");
  session.mutable_create_time()->set_seconds(1'800'000'000);
  services_.list_sessions.Return(list);
  const Answer answer = Get("/api/admin/users/41/sessions/", admin_);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, std::string(R"({"count":1,"sessions":[{"id":")") + kSessionId +
                             R"(","kind":"platform","ip_address":"192.0.2.1","user_agent":null,)"
                             R"("created_at":"2027-01-15T08:00:00.000000Z","expires_at":null,)"
                             R"("last_used_at":null,"is_current":false}]})");
  EXPECT_EQ(services_.list_sessions.last().user_id(), kAdaId);
}

TEST_F(AdminRoutesTest, ASessionOfAUserIsEndedAtOnce) {
  const std::string login = services_.AddToken("user", {});
  ASSERT_EQ(Get("/api/me/", login).status, 200);
  const std::string id = services_.TokenId(login);
  const Answer answer = Send("DELETE", "/api/admin/users/41/sessions/" + id + "/", admin_);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, R"({"message":"Session ended"})");
  EXPECT_EQ(services_.end_session.last().user_id(), kAdaId);
  EXPECT_EQ(services_.end_session.last().id(), id);
  EXPECT_EQ(Get("/api/me/", login).status, 401);
  EXPECT_EQ(Audited().details_json(),
            R"({"action":"session_ended","username":"ada","session_id":")" + id + R"("})");
  services_.end_session.Fail(Error(kNotFound, "SESSION_NOT_FOUND", "no such session"));
  EXPECT_EQ(Send("DELETE", std::string(kAda) + "sessions/" + kSessionId, admin_).status, 404);
  EXPECT_EQ(Code(Send("DELETE", std::string(kAda) + "sessions/7", admin_)), "ID_INVALID");
}

TEST_F(AdminRoutesTest, AuditEventsAreABareArray) {
  auth::v1::ListAuditEventsResponse page;
  auth::v1::AuditEvent& event = *page.add_events();
  event.set_id("e1");
  event.set_type("login_failure");
  event.set_actor_username("ada");
  event.set_reason("bad password");
  page.set_total(12);
  page.set_next_page_token("next");
  services_.list_audit.Return(page);
  const Answer answer =
      Get("/api/admin/audit-events/?event_type=login&limit=9&cursor=this", admin_);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, R"([{"id":"e1","event_type":"login_failure","timestamp":null,"user":null,)"
                         R"("username":"ada","target":null,"tenant_id":null,"ip_address":null,)"
                         R"("user_agent":null,"request_id":null,"details":{},"success":false,)"
                         R"("failure_reason":"bad password"}])");
  EXPECT_EQ(answer.Get("X-Total-Count"), "12");
  EXPECT_EQ(answer.Get("X-Next-Cursor"), "next");
  EXPECT_EQ(services_.list_audit.last().type(), "login");
  EXPECT_EQ(services_.list_audit.last().page_size(), 9);
  EXPECT_EQ(services_.list_audit.last().page_token(), "this");
}

TEST_F(AdminRoutesTest, AuditEventsOfAUserByEitherId) {
  EXPECT_EQ(Get("/api/admin/audit-events/?user_id=41", admin_).status, 200);
  EXPECT_EQ(services_.list_audit.last().user_id(), kAdaId);
  EXPECT_EQ(
      Get("/api/admin/audit-events/?user_id=0190C0DE-0000-7000-8000-000000000001", admin_).status,
      200);
  EXPECT_EQ(services_.list_audit.last().user_id(), kAdaId);
  EXPECT_EQ(services_.get_user.calls(), 1u);
  EXPECT_EQ(Get("/api/admin/audit-events/?user_id=ada", admin_).status, 400);
  EXPECT_EQ(Get("/api/admin/audit-events/?limit=ten", admin_).status, 400);
  services_.get_user.Fail(Error(kNotFound, "USER_NOT_FOUND", "no such user"));
  EXPECT_EQ(Get("/api/admin/audit-events/?user_id=99", admin_).status, 404);
}

}  // namespace
}  // namespace gatehouse::gateway
