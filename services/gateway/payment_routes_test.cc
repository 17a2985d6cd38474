// Top-ups, the portal, the profile, and the pages to come back to.
#include "libs/base/uuid.h"
#include "services/gateway/gateway_fixture.h"

namespace gatehouse::gateway {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

namespace bill = billing::v1;

constexpr char kTopup[] = "/api/billing/topup/session/";
constexpr char kPortal[] = "/api/billing/portal/session/";
constexpr char kProfile[] = "/api/billing/profile/";

absl::Status StripeError(absl::StatusCode code, const std::string& reason) {
  return Error(code, reason, "No such customer: 'cus_secret'");
}

bill::Account SomeAccount() {
  bill::Account account;
  account.set_tenant_id(7);
  account.mutable_low_threshold()->set_amount_nanos(5'000'000'000);
  account.set_policy(bill::Account::POLICY_BLOCK);
  account.set_plan_tier("starter");
  return account;
}

bill::Profile SomeProfile() {
  bill::Profile profile;
  profile.set_tenant_id(7);
  profile.set_plan_tier("starter");
  profile.set_subscription_status("active");
  profile.set_stripe_subscription_id("sub_1");
  profile.mutable_current_period_start()->set_seconds(1'800'000'000);
  profile.mutable_current_period_end()->set_seconds(1'802'592'000);
  profile.set_allow_portal_access(true);
  return profile;
}

void AddAutoTopup(bill::Profile* profile) {
  bill::AutoTopup& shown = *profile->mutable_auto_topup();
  shown.set_enabled(true);
  shown.mutable_threshold()->set_amount_nanos(10'000'000'000);
  shown.mutable_amount()->set_amount_nanos(50'000'000'000);
  shown.mutable_monthly_cap()->set_amount_nanos(200'000'000'000);
  shown.mutable_charged_this_month()->set_amount_nanos(100'000'000'000);
}

class PaymentRoutesTest : public GatewayTest {
 protected:
  PaymentRoutesTest() {
    bill::CreateTopupSessionResponse session;
    session.set_session_id("cs_1");
    session.set_checkout_url("https://checkout.example/cs_1");
    services_.create_topup.Return(session);
    auth::v1::Tenant tenant;
    tenant.set_id(7);
    tenant.set_name("Acme");
    services_.get_tenant.Return(tenant);
    services_.get_account.Return(SomeAccount());
    services_.update_account.Return(SomeAccount());
    services_.get_profile.Return(SomeProfile());
  }

  // What billing is asked for; -1 for a request that is refused.
  std::int64_t CentsOf(const std::string& body) {
    const std::size_t before = services_.create_topup.calls();
    const Answer answer = Post(kTopup, user_, body);
    if (services_.create_topup.calls() == before) {
      EXPECT_EQ(answer.status, 400) << body;
      return -1;
    }
    return services_.create_topup.last().amount().amount_nanos() / 10'000'000;
  }
};

TEST_F(PaymentRoutesTest, ATopupAnswersWhereToPay) {
  const std::string key = UuidV7();
  const Answer answer = Post(kTopup, user_, R"({"amount_dollars":50,"save_payment_method":true})",
                             {{"Idempotency-Key", key}});
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, R"({"session_id":"cs_1","checkout_url":"https://checkout.example/cs_1"})");
  const bill::CreateTopupSessionRequest request = services_.create_topup.last();
  EXPECT_EQ(request.tenant_id(), 7);
  EXPECT_EQ(request.tenant_name(), "Acme");
  EXPECT_EQ(request.amount().amount_nanos(), 50'000'000'000);
  EXPECT_EQ(request.amount().currency_code(), "USD");
  EXPECT_EQ(request.idempotency_key(), key);
  EXPECT_TRUE(request.save_payment_method());
}

TEST_F(PaymentRoutesTest, AmountsAreExactInEitherSpelling) {
  EXPECT_EQ(CentsOf(R"({"amount_dollars":1})"), 100);
  EXPECT_EQ(CentsOf(R"({"amount_dollars":19.99})"), 1999);
  EXPECT_EQ(CentsOf(R"({"amount_dollars":8.2})"), 820) << "8.2 is none in binary";
  EXPECT_EQ(CentsOf(R"({"amount_dollars":10000.00})"), 1'000'000);
  EXPECT_EQ(CentsOf(R"({"amount_cents":100})"), 100);
  EXPECT_EQ(CentsOf(R"({"amount_cents":1000000})"), 1'000'000);
}

TEST_F(PaymentRoutesTest, WrongAmountsAreRefused) {
  for (const char* body :
       {"{}", R"({"amount_dollars":0.99})", R"({"amount_dollars":10000.01})",
        R"({"amount_dollars":1.005})", R"({"amount_dollars":"50"})", R"({"amount_dollars":-5})",
        R"({"amount_dollars":1e300})", R"({"amount_cents":99})", R"({"amount_cents":1000001})",
        R"({"amount_cents":100.5})", R"({"amount_dollars":5,"amount_cents":500})",
        R"({"amount_dollars":5,"tenant_id":8})"}) {
    EXPECT_EQ(CentsOf(body), -1) << body;
  }
  EXPECT_EQ(
      Post(kTopup, user_, R"({"amount_dollars":5})", {{"Idempotency-Key", "\xc3\xa9"}}).status,
      400);
}

TEST_F(PaymentRoutesTest, WhatStripeSaysStaysInside) {
  services_.create_topup.Fail(StripeError(absl::StatusCode::kUnavailable, "STRIPE_NOT_CONFIGURED"));
  Answer answer = Post(kTopup, user_, R"({"amount_dollars":5})");
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(Code(answer), "STRIPE_NOT_CONFIGURED");
  services_.create_topup.Fail(StripeError(absl::StatusCode::kUnavailable, "STRIPE_UNAVAILABLE"));
  answer = Post(kTopup, user_, R"({"amount_dollars":5})");
  EXPECT_EQ(answer.status, 502);
  EXPECT_EQ(Code(answer), "STRIPE_UNAVAILABLE");
  services_.create_topup.Fail(StripeError(absl::StatusCode::kFailedPrecondition, "STRIPE_REFUSED"));
  answer = Post(kTopup, user_, R"({"amount_dollars":5})");
  EXPECT_EQ(answer.status, 502);
  EXPECT_EQ(Code(answer), "STRIPE_REFUSED");
  EXPECT_THAT(answer.body, Not(HasSubstr("cus_secret")));
}

TEST_F(PaymentRoutesTest, ThePortalIsOpenedForOnesOwnTenant) {
  bill::CreatePortalSessionResponse session;
  session.set_portal_url("https://portal.example/1");
  services_.create_portal.Return(session);
  const Answer answer = Post(kPortal, user_, "");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, R"({"portal_url":"https://portal.example/1"})");
  EXPECT_EQ(services_.create_portal.last().tenant_id(), 7);
  EXPECT_EQ(Post(kPortal, user_, R"({"tenant_id":8})").status, 400);
  services_.create_portal.Fail(
      Error(absl::StatusCode::kPermissionDenied, "PORTAL_NOT_ALLOWED", "not open"));
  const Answer closed = Post(kPortal, user_, "{}");
  EXPECT_EQ(closed.status, 403);
  EXPECT_EQ(Code(closed), "PORTAL_NOT_ALLOWED");
}

TEST_F(PaymentRoutesTest, TheProfileIsReadOfBothPlaces) {
  const Answer answer = Get(kProfile, user_);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body,
            R"({"plan_tier":"starter","subscription_status":"active",)"
            R"("stripe_subscription_id":"sub_1",)"
            R"("current_period_start":"2027-01-15T08:00:00.000000Z",)"
            R"("current_period_end":"2027-02-14T08:00:00.000000Z","allow_portal_access":true,)"
            R"("allow_plan_changes":false,"low_balance_policy":"block",)"
            R"("low_balance_threshold_cents":500})");
  EXPECT_EQ(services_.get_profile.last().tenant_id(), 7);
  EXPECT_EQ(services_.get_account.last().tenant_id(), 7);
}

TEST_F(PaymentRoutesTest, AutomaticTopupsAreShownWhenTheyArePossible) {
  bill::Profile profile = SomeProfile();
  AddAutoTopup(&profile);
  services_.get_profile.Return(profile);
  EXPECT_THAT(Get(kProfile, user_).body,
              HasSubstr(R"("auto_topup_enabled":true,"auto_topup_threshold_cents":1000,)"
                        R"("auto_topup_amount_cents":5000,"auto_topup_monthly_cap_cents":20000,)"
                        R"("auto_topup_charged_this_month_cents":10000,)"
                        R"("auto_topup_last_failure":null})"));
}

TEST_F(PaymentRoutesTest, OneFailureFailsTheProfile) {
  services_.get_account.Fail(absl::UnavailableError("down"));
  EXPECT_EQ(Get(kProfile, user_).status, 503);
  services_.get_account.Return(SomeAccount());
  services_.get_profile.Fail(absl::UnavailableError("down"));
  EXPECT_EQ(Get(kProfile, user_).status, 503);
}

TEST_F(PaymentRoutesTest, ThePolicyIsChangedAndAudited) {
  const Answer changed =
      Send("PATCH", kProfile, user_,
           R"({"low_balance_policy":"BLOCK","low_balance_threshold_cents":700})");
  EXPECT_EQ(changed.status, 200);
  EXPECT_THAT(changed.body, HasSubstr(R"("plan_tier":"starter","subscription_status":"active")"));
  const bill::UpdateAccountRequest request = services_.update_account.last();
  EXPECT_EQ(request.policy(), bill::Account::POLICY_BLOCK);
  EXPECT_EQ(request.low_threshold().amount_nanos(), 7'000'000'000);
  EXPECT_FALSE(request.has_plan_tier());
  EXPECT_EQ(request.tenant_id(), 7);
  EXPECT_EQ(services_.append_audit.last().event().details_json(),
            R"({"action":"change_policy","low_balance_policy":"block",)"
            R"("low_balance_threshold_cents":700})");
  EXPECT_EQ(services_.update_profile.calls(), 0u);
}

TEST_F(PaymentRoutesTest, AutomaticTopupsAreChangedAndAudited) {
  bill::Profile profile = SomeProfile();
  AddAutoTopup(&profile);
  services_.update_profile.Return(profile);
  const Answer changed = Send("PATCH", kProfile, user_,
                              R"({"auto_topup_enabled":true,"auto_topup_amount_cents":5000})");
  EXPECT_EQ(changed.status, 200);
  EXPECT_THAT(changed.body, HasSubstr(R"("auto_topup_amount_cents":5000)"));
  const bill::UpdateProfileRequest request = services_.update_profile.last();
  EXPECT_EQ(request.tenant_id(), 7);
  EXPECT_TRUE(request.auto_topup_enabled());
  EXPECT_EQ(request.auto_topup_amount().amount_nanos(), 50'000'000'000);
  EXPECT_FALSE(request.has_auto_topup_threshold());
  EXPECT_FALSE(request.has_allow_portal_access());
  EXPECT_EQ(services_.append_audit.last().event().details_json(),
            R"({"action":"change_profile","auto_topup_enabled":true,)"
            R"("auto_topup_amount_cents":5000})");
  EXPECT_EQ(services_.update_account.calls(), 0u);
}

TEST_F(PaymentRoutesTest, ARefusedChangeLeavesTheRest) {
  services_.update_profile.Fail(Error(absl::StatusCode::kFailedPrecondition,
                                      "PAYMENT_METHOD_MISSING", "store a payment method first"));
  const Answer refused =
      Send("PATCH", kProfile, user_, R"({"auto_topup_enabled":true,"low_balance_policy":"warn"})");
  EXPECT_EQ(refused.status, 409);
  EXPECT_EQ(Code(refused), "PAYMENT_METHOD_MISSING");
  EXPECT_EQ(services_.update_account.calls(), 0u);
}

TEST_F(PaymentRoutesTest, WhenOnePartFailsTheAuditSaysWhich) {
  services_.update_profile.Return(SomeProfile());
  services_.update_account.Fail(absl::UnavailableError("down"));
  const Answer failed =
      Send("PATCH", kProfile, user_, R"({"auto_topup_enabled":false,"low_balance_policy":"warn"})");
  EXPECT_EQ(failed.status, 503);
  ASSERT_TRUE(Eventually([&] { return services_.append_audit.calls() == 2; }));
  const auth::v1::AuditEvent undone = services_.append_audit.last().event();
  EXPECT_FALSE(undone.success());
  EXPECT_EQ(undone.details_json(), R"({"action":"change_policy","low_balance_policy":"warn"})")
      << "the automatic top-ups were changed";
}

TEST_F(PaymentRoutesTest, AnEmptyChangeOnlyReads) {
  EXPECT_EQ(Send("PATCH", kProfile, user_, "{}").status, 200);
  EXPECT_EQ(services_.append_audit.calls(), 0u);
  for (const char* body :
       {R"({"low_balance_policy":"never"})", R"({"low_balance_policy":1})",
        R"({"plan_tier":"enterprise"})", R"({"allow_portal_access":true})",
        R"({"auto_topup_amount_cents":99})", R"({"low_balance_threshold_cents":-1})",
        R"({"auto_topup_enabled":"yes"})"}) {
    EXPECT_EQ(Send("PATCH", kProfile, user_, body).status, 400) << body;
  }
  EXPECT_EQ(services_.update_account.calls() + services_.update_profile.calls(), 0u);
}

TEST_F(PaymentRoutesTest, ThePagesToComeBackToShowNothingOfTheRequest) {
  for (const char* path : {"/billing/topup/success/", "/billing/topup/cancel/"}) {
    const Answer page = Fetch(gateway_.address(), "GET",
                              std::string(path) + "?session_id=%3Cscript%3Ealert(1)%3C/script%3E");
    EXPECT_EQ(page.status, 200);
    EXPECT_THAT(page.Get("Content-Type"), HasSubstr("text/html"));
    EXPECT_THAT(page.Get("Content-Security-Policy"), HasSubstr("default-src 'self'"));
    EXPECT_THAT(page.body, HasSubstr("<h1"));
    EXPECT_THAT(page.body, Not(HasSubstr("script")));
    EXPECT_THAT(page.body, Not(HasSubstr("{{")));
  }
}

}  // namespace
}  // namespace gatehouse::gateway
