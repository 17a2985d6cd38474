// Token, signup, logout, me, passkeys and audit events.
#include "libs/base/uuid.h"
#include "libs/token/api_token.h"
#include "services/gateway/gateway_fixture.h"

namespace gatehouse::gateway {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

auth::v1::User Ada() {
  auth::v1::User user;
  user.set_id("0190c0de-0000-7000-8000-000000000001");
  user.set_number(41);
  user.set_username("ada");
  user.set_email("ada@example.com");
  user.mutable_tenant()->set_id(7);
  user.mutable_tenant()->set_name("ada's Organization");
  user.set_role("user");
  user.set_is_active(true);
  user.set_settings_json(R"({"theme":"dark"})");
  user.set_profile_number(12);
  user.mutable_create_time()->set_seconds(1'800'000'000);
  return user;
}

constexpr char kAda[] =
    R"({"id":41,"uuid":"0190c0de-0000-7000-8000-000000000001","username":"ada",)"
    R"("email":"ada@example.com","first_name":"","last_name":"","role":"user",)"
    R"("is_staff":false,"is_active":true,"profile":{"id":12,"username":"ada",)"
    R"("email":"ada@example.com","tenant":7,"tenant_name":"ada's Organization",)"
    R"("stripe_customer_id":null,"settings":{"theme":"dark"},)"
    R"("created_at":"2027-01-15T08:00:00.000000Z","updated_at":null}})";

class AuthRoutesTest : public GatewayTest {
 protected:
  static constexpr char kSignUp[] =
      R"({"username":"ada","email":"ada@example.com","password":"long enough","passkey":"p"})";
};

TEST_F(AuthRoutesTest, MeIsTheUserObject) {
  services_.get_user.Return(Ada());
  const Answer answer = Get("/api/me/", user_);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, kAda);
  EXPECT_EQ(answer.Get("Content-Type"), "application/json");
  EXPECT_EQ(answer.Get("Cache-Control"), "no-store");
}

TEST_F(AuthRoutesTest, ATokenIsIssuedForAPassword) {
  auth::v1::IssueTokenResponse issued;
  issued.set_token("ght_abc");
  *issued.mutable_user() = Ada();
  services_.issue_token.Return(issued);
  const Answer answer = Post("/api/auth/token/", "", R"({"username":"ada","password":"pw"})",
                             {{"User-Agent", "curl/7"}});
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, R"({"token":"ght_abc","user":)" + std::string(kAda) + "}");
  EXPECT_EQ(services_.issue_token.last().username(), "ada");
  EXPECT_EQ(services_.issue_token.last().client_address(), "127.0.0.1");
  EXPECT_EQ(services_.issue_token.last().user_agent(), "curl/7");
}

TEST_F(AuthRoutesTest, AWrongPasswordIs401WithOneText) {
  services_.issue_token.Fail(
      Error(absl::StatusCode::kUnauthenticated, "CREDENTIALS_INVALID", "user is disabled"));
  const Answer answer = Post("/api/auth/token/", "", R"({"username":"ada","password":"x"})");
  EXPECT_EQ(answer.status, 401);
  EXPECT_EQ(Code(answer), "CREDENTIALS_INVALID");
  EXPECT_THAT(answer.body, HasSubstr(R"("message":"Invalid credentials")"));
  EXPECT_EQ(answer.All("WWW-Authenticate").size(), 2u);
}

TEST_F(AuthRoutesTest, TokenInputIsChecked) {
  for (const char* body :
       {"{}", R"({"username":"ada"})", R"({"username":"","password":"x"})",
        R"({"username":"ada","password":7})", R"({"username":"ada","password":"x","extra":1})"}) {
    const Answer answer = Post("/api/auth/token/", "", body);
    EXPECT_EQ(answer.status, 400) << body;
    EXPECT_EQ(Code(answer), "VALIDATION_FAILED") << body;
    EXPECT_THAT(answer.body, HasSubstr(R"("message":"Username and password are required")"));
    EXPECT_THAT(answer.body, HasSubstr(R"("details":[{"field":)"));
  }
  EXPECT_EQ(Post("/api/auth/token/", "", "").status, 400);
  EXPECT_EQ(Code(Post("/api/auth/token/", "", "{")), "JSON_MALFORMED");
  EXPECT_EQ(Code(Post("/api/auth/token/", "", "[]")), "JSON_NOT_OBJECT");
  EXPECT_EQ(Code(Post("/api/auth/token/", "", "{\"username\":\"\xff\"}")), "JSON_MALFORMED");
  EXPECT_EQ(Code(Post("/api/auth/token/", "", R"({"username":"a","username":"b"})")),
            "JSON_DUPLICATE_KEY");
  EXPECT_EQ(services_.issue_token.calls(), 0u);
}

TEST_F(AuthRoutesTest, ABodyMustBeJsonByItsType) {
  const std::string body = R"({"username":"ada","password":"pw"})";
  for (const char* type : {"text/plain", "application/x-www-form-urlencoded",
                           "application/json; charset=latin1", "application/jsonx"}) {
    const Answer answer = Post("/api/auth/token/", "", body, {{"Content-Type", type}});
    EXPECT_EQ(answer.status, 415) << type;
    EXPECT_EQ(Code(answer), "UNSUPPORTED_MEDIA_TYPE");
  }
  for (const char* type : {"application/json; charset=UTF-8", "Application/JSON"}) {
    EXPECT_EQ(Post("/api/auth/token/", "", body, {{"Content-Type", type}}).status, 200) << type;
  }
}

TEST_F(AuthRoutesTest, SignupLogsTheNewcomerIn) {
  auth::v1::SignUpResponse signed_up;
  *signed_up.mutable_user() = Ada();
  signed_up.set_token("ght_new");
  services_.sign_up.Return(signed_up);
  const Answer answer = Post("/api/auth/signup/", "", kSignUp);
  EXPECT_EQ(answer.status, 201);
  EXPECT_EQ(answer.body, R"({"message":"Signup successful","user":)" + std::string(kAda) + "}");
  const auto cookies = answer.All("Set-Cookie");
  ASSERT_EQ(cookies.size(), 2u);
  EXPECT_EQ(cookies[0], "access_token_cookie=ght_new; Path=/; SameSite=Lax; HttpOnly");
  EXPECT_THAT(cookies[1], testing::MatchesRegex("csrf_token=[^;]+; Path=/; SameSite=Lax"));
  EXPECT_THAT(answer.body, Not(HasSubstr("ght_new")));
}

TEST_F(AuthRoutesTest, SignupSpeaksOfPasskeys) {
  struct Row {
    absl::StatusCode code;
    const char* reason;
    int status;
    const char* outward;
    const char* message;
  };
  using enum absl::StatusCode;
  for (const Row& row : std::vector<Row>{
           {kNotFound, "INVITATION_NOT_FOUND", 400, "PASSKEY_INVALID", "Invalid passkey"},
           {kFailedPrecondition, "INVITATION_REVOKED", 400, "PASSKEY_INVALID", "Invalid passkey"},
           {kFailedPrecondition, "INVITATION_EXPIRED", 400, "PASSKEY_EXPIRED",
            "Passkey has expired"},
           {kFailedPrecondition, "INVITATION_ALREADY_REDEEMED", 400, "PASSKEY_USED",
            "Passkey has already been used"},
           {kAlreadyExists, "USERNAME_TAKEN", 409, "USERNAME_TAKEN", "Username already exists"},
           {kAlreadyExists, "EMAIL_TAKEN", 409, "EMAIL_TAKEN", "Email already exists"},
           {kInvalidArgument, "PASSWORD_TOO_WEAK", 400, "PASSWORD_TOO_WEAK", "inner text"},
           {kUnavailable, "SIGNUP_IN_DOUBT", 503, "SIGNUP_IN_DOUBT", "auth is not available"}}) {
    services_.sign_up.Fail(Error(row.code, row.reason, "inner text"));
    const Answer answer = Post("/api/auth/signup/", "", kSignUp);
    EXPECT_EQ(answer.status, row.status) << row.reason;
    EXPECT_EQ(Code(answer), row.outward);
    EXPECT_THAT(answer.body, HasSubstr("\"message\":\"" + std::string(row.message) + "\""));
    EXPECT_TRUE(answer.All("Set-Cookie").empty());
  }
}

TEST_F(AuthRoutesTest, LogoutRevokesThePresentedTokenAtOnce) {
  ASSERT_EQ(Get("/api/me/", user_).status, 200);
  const Answer answer = Post("/api/auth/logout/", user_, "");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, R"({"message":"Logout successful"})");
  EXPECT_THAT(answer.All("Set-Cookie")[0], HasSubstr("access_token_cookie=; Path=/;"));
  EXPECT_THAT(answer.All("Set-Cookie")[0], HasSubstr("Max-Age=0"));
  EXPECT_EQ(services_.revoke.last().digest(), token::TokenDigest(user_));
  EXPECT_EQ(Get("/api/me/", user_).status, 401) << "even though the fake auth still knows it";
}

TEST_F(AuthRoutesTest, LogoutFailsWhenAuthDidNotRevoke) {
  services_.revoke.Fail(absl::UnavailableError("down"));
  EXPECT_EQ(Post("/api/auth/logout/", user_, "").status, 503);
  EXPECT_EQ(Get("/api/me/", user_).status, 200);
}

namespace inv = invitations::v1;

inv::CreateInvitationResponse Created() {
  inv::CreateInvitationResponse created;
  created.set_token("raw-passkey");
  created.mutable_invitation()->set_id("0190c0de-0000-7000-8000-000000000009");
  created.mutable_invitation()->set_notes("for ada");
  created.mutable_invitation()->set_uses_max(2);
  created.mutable_invitation()->mutable_expire_time()->set_seconds(1'800'000'000);
  return created;
}

TEST_F(AuthRoutesTest, APasskeyIsCreatedAfterItWasAudited) {
  services_.create_invitation.Do([&](const inv::CreateInvitationRequest&) {
    EXPECT_EQ(services_.append_audit.calls(), 1u) << "audited first";
    return Created();
  });
  const Answer answer =
      Post("/api/admin/passkeys/", admin_, R"({"expires_days":7,"notes":"for ada","max_uses":2})");
  EXPECT_EQ(answer.status, 201);
  EXPECT_EQ(answer.body,
            R"({"passkey":"raw-passkey","expires_at":"2027-01-15T08:00:00.000000Z",)"
            R"("id":"0190c0de-0000-7000-8000-000000000009","notes":"for ada","max_uses":2})");
  const auto request = services_.create_invitation.last();
  EXPECT_EQ(request.ttl_seconds(), 7 * 86400);
  EXPECT_EQ(request.uses_max(), 2);
  const auth::v1::AuditEvent event = services_.append_audit.last().event();
  EXPECT_EQ(event.type(), "admin_action");
  EXPECT_THAT(event.details_json(), HasSubstr(R"("action":"passkey_created")"));
  EXPECT_TRUE(IsJson(event.details_json()));
  EXPECT_TRUE(IsUuid(event.id()));
  EXPECT_TRUE(event.success());
  EXPECT_EQ(event.request_id(), answer.Get("X-Request-ID"));
  EXPECT_EQ(event.actor_user_id(), services_.append_audit.principal().user_id());
}

TEST_F(AuthRoutesTest, WithoutAnAuditNothingIsDone) {
  services_.append_audit.Fail(absl::InternalError("disk full"));
  const Answer answer = Post("/api/admin/passkeys/", admin_, "{}");
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(Code(answer), "AUDIT_UNAVAILABLE");
  EXPECT_EQ(services_.create_invitation.calls(), 0u);
}

TEST_F(AuthRoutesTest, AFailureIsAuditedToo) {
  services_.create_invitation.Fail(
      Error(absl::StatusCode::kInvalidArgument, "NOTES_TOO_LONG", "too long"));
  EXPECT_EQ(Post("/api/admin/passkeys/", admin_, "{}").status, 400);
  ASSERT_TRUE(Eventually([&] { return services_.append_audit.calls() == 2; }));
  const auth::v1::AuditEvent event = services_.append_audit.last().event();
  EXPECT_FALSE(event.success());
  EXPECT_EQ(event.reason(), "NOTES_TOO_LONG");
  EXPECT_NE(event.id(), services_.append_audit.requests()[0].event().id());
}

TEST_F(AuthRoutesTest, PasskeyInputIsChecked) {
  for (const char* body :
       {R"({"expires_days":0})", R"({"expires_days":366})", R"({"expires_days":"7"})",
        R"({"expires_days":1.5})", R"({"expires_at":"2001-01-01T00:00:00Z"})",
        R"({"expires_at":"soon"})", R"({"expires_at":"2999-01-01T00:00:00Z"})",
        R"({"expires_days":7,"expires_at":"2001-01-01T00:00:00Z"})", R"({"max_uses":0})",
        R"({"notes":7})", R"({"tenant_scope":0})", R"({"days":7})"}) {
    const Answer answer = Post("/api/admin/passkeys/", admin_, body);
    EXPECT_EQ(answer.status, 400) << body;
    EXPECT_EQ(Code(answer), "VALIDATION_FAILED") << body;
  }
  EXPECT_EQ(services_.append_audit.calls(), 0u);
  EXPECT_EQ(Post("/api/admin/passkeys/", admin_, "").status, 201) << "nothing is required";
  EXPECT_EQ(services_.create_invitation.last().ttl_seconds(), 7 * 86400);
  EXPECT_EQ(services_.create_invitation.last().uses_max(), 1);
}

TEST_F(AuthRoutesTest, APasskeyForAnUnknownTenantIs404) {
  services_.get_tenant.Fail(
      Error(absl::StatusCode::kNotFound, "TENANT_NOT_FOUND", "Tenant not found"));
  const Answer answer = Post("/api/admin/passkeys/", admin_, R"({"tenant_scope":99})");
  EXPECT_EQ(answer.status, 404);
  EXPECT_EQ(Code(answer), "TENANT_NOT_FOUND");
  EXPECT_EQ(services_.append_audit.calls(), 0u);
}

TEST_F(AuthRoutesTest, PasskeysAreListedWithoutTheirSecrets) {
  inv::ListInvitationsResponse page;
  *page.add_invitations() = Created().invitation();
  page.mutable_invitations(0)->set_state(inv::Invitation::STATE_REDEEMED);
  page.set_next_page_token("next");
  services_.list_invitations.Return(page);
  const Answer answer = Get("/api/admin/passkeys/list/?active_only=true&limit=2", admin_);
  EXPECT_EQ(answer.status, 200);
  EXPECT_THAT(answer.body, HasSubstr(R"({"count":1,"passkeys":[{"id":"0190c0de-)"));
  EXPECT_THAT(answer.body, HasSubstr(R"("status":"used","is_valid":false)"));
  EXPECT_THAT(answer.body, HasSubstr(R"("next_cursor":"next")"));
  EXPECT_THAT(answer.body, Not(HasSubstr("raw")));
  EXPECT_TRUE(services_.list_invitations.last().pending_only());
  EXPECT_EQ(services_.list_invitations.last().page_size(), 2);
}

TEST_F(AuthRoutesTest, AuditEventsAreABareArray) {
  auth::v1::ListAuditEventsResponse page;
  auth::v1::AuditEvent& event = *page.add_events();
  event.set_id("e1");
  event.set_type("login_failure");
  event.set_actor_username("ada");
  event.set_reason("bad password");
  services_.list_audit.Return(page);
  const Answer answer = Get("/api/admin/audit-events/?event_type=login&limit=9", admin_);
  EXPECT_EQ(answer.status, 200);
  EXPECT_THAT(answer.body,
              HasSubstr(R"([{"id":"e1","event_type":"login_failure","timestamp":null)"));
  EXPECT_THAT(answer.body, HasSubstr(R"("success":false,"failure_reason":"bad password"}])"));
  EXPECT_EQ(services_.list_audit.last().type(), "login");
  EXPECT_EQ(services_.list_audit.last().page_size(), 9);
}

TEST_F(AuthRoutesTest, AuditEventsOfAUserByEitherId) {
  services_.get_user.Return(Ada());
  EXPECT_EQ(Get("/api/admin/audit-events/?user_id=41", admin_).status, 200);
  EXPECT_EQ(services_.list_audit.last().user_id(), Ada().id());
  EXPECT_EQ(Get("/api/admin/audit-events/?user_id=" + Ada().id(), admin_).status, 200);
  EXPECT_EQ(services_.get_user.calls(), 1u);
  EXPECT_EQ(Get("/api/admin/audit-events/?user_id=ada", admin_).status, 400);
  EXPECT_EQ(Get("/api/admin/audit-events/?limit=ten", admin_).status, 400);
}

}  // namespace
}  // namespace gatehouse::gateway
