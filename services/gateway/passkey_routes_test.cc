// /api/admin/passkeys: made, listed and revoked.
#include "libs/base/time_text.h"
#include "libs/base/uuid.h"
#include "services/gateway/gateway_fixture.h"

namespace gatehouse::gateway {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using enum absl::StatusCode;
namespace inv = invitations::v1;

constexpr char kId[] = "0190c0de-0000-7000-8000-000000000009";
constexpr char kOne[] = "/api/admin/passkeys/0190c0de-0000-7000-8000-000000000009/";
constexpr char kAll[] = "/api/admin/passkeys/";
constexpr char kList[] = "/api/admin/passkeys/list/";

inv::CreateInvitationResponse Created() {
  inv::CreateInvitationResponse created;
  created.set_token("raw-passkey");
  created.mutable_invitation()->set_id(kId);
  created.mutable_invitation()->set_notes("for ada");
  created.mutable_invitation()->set_uses_max(2);
  created.mutable_invitation()->mutable_expire_time()->set_seconds(1'800'000'000);
  return created;
}

class PasskeyRoutesTest : public GatewayTest {
 protected:
  PasskeyRoutesTest() { services_.create_invitation.Return(Created()); }

  Answer Create(const std::string& body) { return Post(kAll, admin_, body); }
  Answer Revoke() { return Send("DELETE", kOne, admin_); }

  // The one event that was appended.
  auth::v1::AuditEvent Audited() {
    EXPECT_EQ(services_.append_audit.calls(), 1u);
    return services_.append_audit.last().event();
  }
};

TEST_F(PasskeyRoutesTest, APasskeyIsCreatedAfterItWasAudited) {
  services_.create_invitation.Do([&](const inv::CreateInvitationRequest&) {
    EXPECT_EQ(services_.append_audit.calls(), 1u) << "audited first";
    return Created();
  });
  const Answer answer = Create(R"({"expires_days":7,"notes":"for ada","max_uses":2})");
  EXPECT_EQ(answer.status, 201);
  EXPECT_EQ(answer.body,
            R"({"passkey":"raw-passkey","expires_at":"2027-01-15T08:00:00.000000Z",)"
            R"("id":"0190c0de-0000-7000-8000-000000000009","notes":"for ada","max_uses":2})");
  const auto request = services_.create_invitation.last();
  EXPECT_EQ(request.ttl_seconds(), 7 * 86400);
  EXPECT_EQ(request.uses_max(), 2);
  const auth::v1::AuditEvent event = Audited();
  EXPECT_EQ(event.type(), "admin_action");
  EXPECT_EQ(event.details_json(),
            R"({"action":"passkey_created","ttl_seconds":604800,"max_uses":2,"tenant_scope":0,)"
            R"("email":null,"notes":"for ada"})");
  EXPECT_TRUE(IsUuid(event.id()));
  EXPECT_TRUE(event.success());
  EXPECT_EQ(event.request_id(), answer.Get("X-Request-ID"));
  EXPECT_EQ(event.actor_user_id(), services_.append_audit.principal().user_id());
}

TEST_F(PasskeyRoutesTest, APasskeyMayBeBoundToATenantAndAnAddress) {
  EXPECT_EQ(Create(R"({"tenant_scope":7,"email":"ada@example.com"})").status, 201);
  EXPECT_EQ(services_.get_tenant.last().id(), 7);
  EXPECT_EQ(services_.create_invitation.last().tenant_id(), 7);
  EXPECT_EQ(services_.create_invitation.last().email(), "ada@example.com");
  EXPECT_EQ(Audited().tenant_id(), 7);
  EXPECT_THAT(Audited().details_json(), HasSubstr(R"("email":"ada@example.com")"));
}

TEST_F(PasskeyRoutesTest, APasskeyForAnUnknownTenantIs404) {
  services_.get_tenant.Fail(Error(kNotFound, "TENANT_NOT_FOUND", "inner"));
  const Answer answer = Create(R"({"tenant_scope":99})");
  EXPECT_EQ(answer.status, 404);
  EXPECT_EQ(Code(answer), "TENANT_NOT_FOUND");
  EXPECT_THAT(answer.body, HasSubstr(R"("message":"Tenant not found")"));
  EXPECT_EQ(services_.append_audit.calls(), 0u);
}

TEST_F(PasskeyRoutesTest, AnEndMayBeATimeInstead) {
  // Whole seconds of a day from now, so that the text holds the time exactly.
  const std::string tomorrow =
      FormatTime(std::chrono::floor<std::chrono::seconds>(clock_.Now()) + std::chrono::hours(24));
  EXPECT_EQ(Create(R"({"expires_at":")" + tomorrow + R"("})").status, 201);
  const std::int64_t ttl = services_.create_invitation.last().ttl_seconds();
  EXPECT_LE(ttl, 86400);
  EXPECT_GT(ttl, 86400 - 60);
}

TEST_F(PasskeyRoutesTest, InputIsChecked) {
  for (const char* body :
       {R"({"expires_days":0})", R"({"expires_days":366})", R"({"expires_days":"7"})",
        R"({"expires_days":1.5})", R"({"expires_at":"2001-01-01T00:00:00Z"})",
        R"({"expires_at":"soon"})", R"({"expires_at":"2999-01-01T00:00:00Z"})",
        R"({"expires_days":7,"expires_at":"2001-01-01T00:00:00Z"})", R"({"max_uses":0})",
        R"({"max_uses":1001})", R"({"notes":7})", R"({"tenant_scope":0})", R"({"email":7})",
        R"({"days":7})"}) {
    const Answer answer = Create(body);
    EXPECT_EQ(answer.status, 400) << body;
    EXPECT_EQ(Code(answer), "VALIDATION_FAILED") << body;
  }
  EXPECT_THAT(Create(R"({"expires_at":"2001-01-01T00:00:00Z"})").body,
              HasSubstr("Expiration date must be in the future"));
  EXPECT_EQ(services_.append_audit.calls(), 0u);
  EXPECT_EQ(Create("").status, 201) << "nothing is required";
  EXPECT_EQ(services_.create_invitation.last().ttl_seconds(), 7 * 86400);
  EXPECT_EQ(services_.create_invitation.last().uses_max(), 1);
}

TEST_F(PasskeyRoutesTest, WithoutAnAuditNothingIsDone) {
  services_.append_audit.Fail(absl::InternalError("disk full"));
  for (const Answer& answer : {Create("{}"), Revoke()}) {
    EXPECT_EQ(answer.status, 503);
    EXPECT_EQ(Code(answer), "AUDIT_UNAVAILABLE");
  }
  EXPECT_EQ(services_.create_invitation.calls() + services_.revoke_invitation.calls(), 0u);
}

TEST_F(PasskeyRoutesTest, AFailureIsAuditedToo) {
  services_.create_invitation.Fail(Error(kInvalidArgument, "EMAIL_INVALID", "no address"));
  const Answer answer = Create(R"({"email":"ada"})");
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(Code(answer), "EMAIL_INVALID");
  ASSERT_TRUE(Eventually([&] { return services_.append_audit.calls() == 2; }));
  const auth::v1::AuditEvent event = services_.append_audit.last().event();
  EXPECT_FALSE(event.success());
  EXPECT_EQ(event.reason(), "EMAIL_INVALID");
  EXPECT_NE(event.id(), services_.append_audit.requests()[0].event().id());
}

TEST_F(PasskeyRoutesTest, PasskeysAreListedWithoutTheirSecrets) {
  inv::ListInvitationsResponse page;
  inv::Invitation& invitation = *page.add_invitations();
  invitation = Created().invitation();
  invitation.set_state(inv::Invitation::STATE_REDEEMED);
  invitation.set_uses(2);
  invitation.set_tenant_id(7);
  invitation.set_email("bob@example.com");
  invitation.set_creator_user_id("u1");
  invitation.set_creator_username("ada");
  invitation.set_redeemer_user_id("u2");
  invitation.set_redeemer_username("bob");
  invitation.mutable_create_time()->set_seconds(1'700'000'000);
  invitation.mutable_redeem_time()->set_seconds(1'750'000'000);
  page.set_next_page_token("next");
  services_.list_invitations.Return(page);
  const Answer answer =
      Get(std::string(kList) + "?active_only=true&limit=2&cursor=this&tenant_scope=7", admin_);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body,
            R"({"count":1,"passkeys":[{"id":"0190c0de-0000-7000-8000-000000000009","key":null,)"
            R"("created_at":"2023-11-14T22:13:20.000000Z","created_by":"u1",)"
            R"("created_by_username":"ada","expires_at":"2027-01-15T08:00:00.000000Z",)"
            R"("used_at":"2025-06-15T15:06:40.000000Z","used_by":"u2",)"
            R"("used_by_username":"bob","max_uses":2,"actual_uses":2,"tenant_scope":7,)"
            R"("tenant_name":null,"email":"bob@example.com","notes":"for ada","status":"used",)"
            R"("is_valid":false}],"next_cursor":"next"})");
  const inv::ListInvitationsRequest request = services_.list_invitations.last();
  EXPECT_TRUE(request.pending_only());
  EXPECT_EQ(request.page_size(), 2);
  EXPECT_EQ(request.page_token(), "this");
  EXPECT_EQ(request.tenant_id(), 7);
}

TEST_F(PasskeyRoutesTest, EveryStateHasItsStatus) {
  struct Row {
    inv::Invitation::State state;
    const char* expected;
  };
  for (const Row& row : std::vector<Row>{
           {inv::Invitation::STATE_PENDING, R"("status":"active","is_valid":true)"},
           {inv::Invitation::STATE_REDEEMED, R"("status":"used","is_valid":false)"},
           {inv::Invitation::STATE_EXPIRED, R"("status":"expired","is_valid":false)"},
           {inv::Invitation::STATE_REVOKED, R"("status":"revoked","is_valid":false)"}}) {
    inv::ListInvitationsResponse page;
    page.add_invitations()->set_state(row.state);
    services_.list_invitations.Return(page);
    const Answer answer = Get(kList, admin_);
    EXPECT_THAT(answer.body, HasSubstr(row.expected));
    EXPECT_THAT(answer.body, HasSubstr(R"("tenant_scope":null)"));
    EXPECT_THAT(answer.body, HasSubstr(R"("used_at":null,"used_by":null)"));
  }
}

TEST_F(PasskeyRoutesTest, ListArgumentsAreChecked) {
  for (const char* query : {"limit=ten", "active_only=maybe", "tenant_scope=acme", "tenant_scope=0",
                            "tenant_scope=-7"}) {
    EXPECT_EQ(Get(std::string(kList) + "?" + query, admin_).status, 400) << query;
  }
  EXPECT_EQ(services_.list_invitations.calls(), 0u);
  EXPECT_EQ(Get(kList, admin_).status, 200);
  EXPECT_FALSE(services_.list_invitations.last().pending_only());
  EXPECT_EQ(services_.list_invitations.last().tenant_id(), 0);
  EXPECT_EQ(services_.list_invitations.last().page_size(), 500);
}

TEST_F(PasskeyRoutesTest, APasskeyIsRevokedAfterItWasAudited) {
  services_.revoke_invitation.Do([&](const inv::RevokeInvitationRequest&) {
    EXPECT_EQ(services_.append_audit.calls(), 1u) << "audited first";
    return inv::Invitation();
  });
  const Answer answer = Revoke();
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, R"({"message":"Passkey revoked"})");
  EXPECT_EQ(services_.revoke_invitation.last().id(), kId);
  EXPECT_EQ(Audited().target(), std::string("passkey/") + kId);
  EXPECT_EQ(Audited().details_json(), R"({"action":"passkey_revoked"})");
}

TEST_F(PasskeyRoutesTest, AnUnknownPasskeyIsNotFound) {
  services_.revoke_invitation.Fail(Error(kNotFound, "INVITATION_NOT_FOUND", "inner"));
  const Answer answer = Revoke();
  EXPECT_EQ(answer.status, 404);
  EXPECT_EQ(Code(answer), "PASSKEY_NOT_FOUND");
  EXPECT_THAT(answer.body, HasSubstr(R"("message":"Passkey not found")"));
  EXPECT_THAT(answer.body, Not(HasSubstr("INVITATION")));
  const Answer malformed = Send("DELETE", "/api/admin/passkeys/raw-passkey/", admin_);
  EXPECT_EQ(malformed.status, 400);
  EXPECT_EQ(Code(malformed), "ID_INVALID");
}

TEST_F(PasskeyRoutesTest, NobodyElseIsLetIn) {
  EXPECT_EQ(Post(kAll, user_, "{}").status, 403);
  EXPECT_EQ(Get(kList, user_).status, 403);
  EXPECT_EQ(Send("DELETE", kOne, user_).status, 403);
  EXPECT_EQ(Post(kAll, "", "{}").status, 401);
  EXPECT_EQ(services_.append_audit.calls(), 0u);
}

}  // namespace
}  // namespace gatehouse::gateway
