// Paying through the edge, on the real programs and at a Stripe that repeats, reorders,
// delays, fails and forgets to answer: each payment is credited once.
#include <gmock/gmock.h>
#include <unistd.h>

#include "tests/billing_flow.h"

namespace gatehouse {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr char kSessions[] = "/api/billing/topup/session/";
constexpr char kPortal[] = "/api/billing/portal/session/";

class PaymentFlow : public BillingFlow {
 protected:
  void SetUp() override { ASSERT_TRUE(stripe_->AwaitDelivered()) << "of the test before"; }
  void TearDown() override {
    stripe_->Misbehave("{}");
    if (!stack_->at("billing").running()) {
      ASSERT_TRUE(RestartBilling());
    }
  }

  static Answer OpenSession(const std::string& token, int cents, const std::string& key = "") {
    std::vector<std::pair<std::string, std::string>> headers;
    if (!key.empty()) headers.emplace_back("Idempotency-Key", key);
    return Call("POST", kSessions, R"({"amount_cents":)" + std::to_string(cents) + "}", token,
                headers);
  }

  // A session that was paid; its events are on their way.
  static void Pay(const std::string& token, int cents) {
    const Answer session = OpenSession(token, cents);
    ASSERT_EQ(session.status, 200) << session.body;
    const Answer paid = stripe_->Pay(session.At("/checkout_url"));
    ASSERT_EQ(paid.status, 303) << paid.body;
  }

  static long SessionsOf(const std::string& tenant) {
    return stripe_->Count("checkout/sessions", tenant);
  }

  // Restarts billing so that it dies once at `failpoint`.
  static void Arm(const std::string& failpoint) {
    const std::string mark = stack_->directory() + "/" + failpoint + ".crashed";
    unlink(mark.c_str());
    ASSERT_TRUE(RestartBilling(failpoint + "=crash-once:" + mark));
  }

  static void AwaitCrash() {
    int exit_code = 0;
    ASSERT_TRUE(stack_->at("billing").AwaitExit(std::chrono::seconds(10), &exit_code));
    ASSERT_TRUE(RestartBilling()) << stack_->Log("billing");
  }
};

TEST_F(PaymentFlow, WhoPaysFindsTheMoneyInTheReserve) {
  const std::string token = stack_->SignUp("payer");
  const Answer session = Call("POST", kSessions, R"({"amount_dollars":50})", token);
  ASSERT_EQ(session.status, 200) << session.body;
  EXPECT_THAT(session.At("/session_id"), StartsWith("cs_"));
  const std::string url = session.At("/checkout_url");
  EXPECT_THAT(url, StartsWith(stripe_->Url()));
  EXPECT_EQ(Balance(token), "0") << "nothing is credited before it is paid";
  const Answer paid = stripe_->Pay(url);
  ASSERT_EQ(paid.status, 303) << paid.body;
  const std::string edge = "http://" + stack_->http().address();
  ASSERT_THAT(paid.Header("Location"), StartsWith(edge + "/billing/topup/success/"));
  const Answer page = Get(paid.Header("Location").substr(edge.size()), "");
  EXPECT_EQ(page.status, 200);
  EXPECT_THAT(page.Header("Content-Type"), StartsWith("text/html"));
  EXPECT_EQ(Get("/billing/topup/cancel/", "").status, 200);
  EXPECT_EQ(AwaitBalance(token, "5000"), "5000");
  stripe_->Pay(url);
  ASSERT_TRUE(stripe_->AwaitDelivered());
  EXPECT_EQ(Balance(token), "5000");
  const Answer ledger = Get("/api/billing/reserve/ledger/", token);
  EXPECT_EQ(ledger.At("/0/entry_type"), "topup");
  EXPECT_EQ(ledger.At("/1"), "");
}

TEST_F(PaymentFlow, AmountsHaveBoundsAndTwoDecimals) {
  const std::string token = stack_->SignUp("bounded");
  for (const char* body :
       {R"({"amount_dollars":0.99})", R"({"amount_dollars":10000.01})", R"({"amount_cents":99})",
        R"({"amount_cents":1000001})", R"({"amount_dollars":1.001})", R"({"amount_dollars":-5})",
        R"({"amount_cents":500,"amount_dollars":5})", R"({"amount_dollars":"5e1"})",
        R"({"amount_cents":1.5})", "{}", R"({"amount_dollars":true})"}) {
    EXPECT_EQ(Call("POST", kSessions, body, token).status, 400) << body;
  }
  for (const char* body : {R"({"amount_dollars":1})", R"({"amount_dollars":10000})",
                           R"({"amount_dollars":19.99})", R"({"amount_cents":100})"}) {
    EXPECT_EQ(Call("POST", kSessions, body, token).status, 200) << body;
  }
}

TEST_F(PaymentFlow, EventsThatComeOftenLateOrBackwardsCreditOnce) {
  const std::pair<int, const char*> faults[] = {
      {5, R"({"duplicate":5})"},
      {1, R"({"reorder":true})"},
      {1, R"({"delay_ms":300})"},
      {3, R"({"duplicate":3,"reorder":true,"delay_ms":50})"}};
  const std::string token = stack_->SignUp("pestered");
  int paid = 0;
  for (const auto& [times, fault] : faults) {
    stripe_->Misbehave(fault);
    Pay(token, 700);
    ++paid;
    EXPECT_EQ(AwaitBalance(token, std::to_string(700 * paid)), std::to_string(700 * paid)) << fault;
    ASSERT_TRUE(stripe_->AwaitDelivered(times)) << fault;
    EXPECT_EQ(Balance(token), std::to_string(700 * paid)) << fault;
    EXPECT_EQ(Count(token), std::to_string(paid)) << fault;
  }
}

TEST_F(PaymentFlow, WhatIsPaidLaterIsCreditedLater) {
  const std::string token = stack_->SignUp("later");
  int paid = 0;
  int sessions = 0;
  for (const char* how : {"succeed", "fail", "succeed"}) {
    stripe_->Misbehave(R"({"async":")" + std::string(how) + R"(","async_ms":100})");
    const Answer session = OpenSession(token, 300);
    ASSERT_EQ(stripe_->Pay(session.At("/checkout_url"), "pm_bank", "later").status, 303);
    if (how == std::string("succeed")) ++paid;
    const std::string ended = std::to_string(++sessions);
    EXPECT_TRUE(Eventually([&] {
      return stack_->Sql(
                 "SELECT count(*) FROM billing.stripe_events WHERE type LIKE "
                 "'checkout.session.async_payment%'") == ended;
    })) << how;
    EXPECT_EQ(AwaitBalance(token, std::to_string(300 * paid)), std::to_string(300 * paid)) << how;
  }
}

TEST_F(PaymentFlow, AStripeThatFailsNowAndThenIsAskedAgain) {
  const std::string token = stack_->SignUp("patient");
  for (int i = 0; i < 2; ++i) {
    stripe_->Misbehave(R"({"fail_next":1})");
    const Answer session = OpenSession(token, 500);
    EXPECT_EQ(session.status, 200) << session.body;
  }
  stripe_->Misbehave(R"({"fail_next":100})");
  const Answer refused = OpenSession(token, 500);
  EXPECT_EQ(refused.status, 502) << refused.body;
  EXPECT_EQ(refused.At("/error"), "STRIPE_UNAVAILABLE");
  EXPECT_THAT(refused.body, Not(HasSubstr("sk_test")));
}

TEST_F(PaymentFlow, AnErrorThatStripeRepeatsForADayBlocksNobody) {
  const std::string token = stack_->SignUp("unlucky");
  // The first time no customer could be made, then no session.
  for (const char* key : {"customer", "session"}) {
    stripe_->Misbehave(R"({"fail_next":2})");
    EXPECT_EQ(OpenSession(token, 500, key).status, 502) << key;
    stripe_->Misbehave("{}");
    const Answer session = OpenSession(token, 500, key);
    EXPECT_EQ(session.status, 200) << key << session.body;
  }
}

TEST_F(PaymentFlow, WhoseCustomerWasDeletedPaysAsANewOne) {
  const std::string token = stack_->SignUp("deleted");
  const std::string tenant = stack_->TenantOf(token);
  Pay(token, 500);
  EXPECT_EQ(AwaitBalance(token, "500"), "500");
  const auto customer = [&] {
    return stack_->Sql("SELECT customer_id FROM billing.stripe_customers WHERE tenant_id = " +
                       tenant + " AND gone_time IS NULL");
  };
  const auto forget = [&](const std::string& id) {
    const std::vector<std::pair<std::string, std::string>> headers = {
        {"Authorization", "Bearer sk_test_flow"}};
    EXPECT_EQ(harness::HttpClient(stripe_->address())
                  .Call("DELETE", "/v1/customers/" + id, "", "", headers)
                  .status,
              200);
  };
  // Once before we are told, once after.
  stripe_->SetWebhook("");
  const std::string first = customer();
  forget(first);
  Pay(token, 600);
  stripe_->SetWebhook(Webhook());
  EXPECT_EQ(AwaitBalance(token, "1100"), "1100");
  const std::string second = customer();
  EXPECT_NE(second, first);
  ASSERT_TRUE(stripe_->AwaitDelivered());
  EXPECT_EQ(customer(), second) << "the first one's end tells nothing of the second";
  forget(second);
  ASSERT_TRUE(stripe_->AwaitDelivered());
  const Answer portal = Call("POST", kPortal, "", token);
  EXPECT_EQ(portal.status, 200) << portal.body;
  Pay(token, 700);
  EXPECT_EQ(AwaitBalance(token, "1800"), "1800");
}

TEST_F(PaymentFlow, ALostAnswerMakesNoSecondSession) {
  const std::string token = stack_->SignUp("unheard");
  const std::string tenant = stack_->TenantOf(token);
  ASSERT_EQ(OpenSession(token, 100).status, 200) << "has a customer";
  stripe_->Misbehave(R"({"timeout_after_commit":1})");
  const Answer first = OpenSession(token, 900, "the-key");
  stripe_->Misbehave("{}");
  const Answer second = OpenSession(token, 900, "the-key");
  ASSERT_EQ(second.status, 200) << second.body;
  EXPECT_EQ(first.status, 502) << first.body;
  EXPECT_EQ(OpenSession(token, 900, "the-key").At("/session_id"), second.At("/session_id"));
  EXPECT_EQ(SessionsOf(tenant), 1 + 1);
  const Answer other = OpenSession(token, 901, "the-key");
  EXPECT_EQ(other.status, 409) << other.body;
  EXPECT_EQ(other.At("/error"), "IDEMPOTENCY_KEY_REUSED");
  const std::string stranger = stack_->SignUp("samekey");
  EXPECT_NE(OpenSession(stranger, 900, "the-key").At("/session_id"), second.At("/session_id"))
      << "a key is its user's";
  EXPECT_EQ(stripe_->Count("customers", tenant), 1);
}

TEST_F(PaymentFlow, ACrashBetweenStripeAndUsMakesNoSecondSession) {
  const std::string token = stack_->SignUp("crashed");
  const std::string tenant = stack_->TenantOf(token);
  for (const char* failpoint : {"billing.customer.made", "billing.topup.made"}) {
    Arm(failpoint);
    EXPECT_GE(OpenSession(token, 800, "crash-key").status, 500) << failpoint;
    AwaitCrash();
  }
  const Answer session = OpenSession(token, 800, "crash-key");
  ASSERT_EQ(session.status, 200) << session.body;
  EXPECT_EQ(SessionsOf(tenant), 1);
  // A second customer at Stripe is of no consequence; here there is one.
  EXPECT_EQ(
      stack_->Sql("SELECT count(*) FROM billing.stripe_customers WHERE tenant_id = " + tenant),
      "1");
  ASSERT_EQ(stripe_->Pay(session.At("/checkout_url")).status, 303);
  EXPECT_EQ(AwaitBalance(token, "800"), "800");
}

TEST_F(PaymentFlow, ACrashAroundTheCommitOfAnEventCreditsOnce) {
  const std::string token = stack_->SignUp("killed");
  int paid = 0;
  for (const char* failpoint : {"billing.event.committed", "billing.event.commit"}) {
    Arm(failpoint);
    Pay(token, 1100);
    ++paid;
    AwaitCrash();
    const std::string expected = std::to_string(1100 * paid);
    EXPECT_EQ(AwaitBalance(token, expected), expected) << failpoint;
    ASSERT_TRUE(stripe_->AwaitDelivered()) << failpoint;
    EXPECT_EQ(Balance(token), expected) << failpoint;
    EXPECT_EQ(Count(token), std::to_string(paid)) << failpoint;
  }
  EXPECT_THAT(Shell("billing verify-ledger 2>/dev/null"), Not(HasSubstr("exit")));
}

TEST_F(PaymentFlow, EventsOfADowntimeAreCreditedAfterIt) {
  const std::string token = stack_->SignUp("waiting");
  const Answer session = OpenSession(token, 600);
  ASSERT_EQ(session.status, 200) << session.body;
  stack_->at("billing").Kill();
  ASSERT_EQ(stripe_->Pay(session.At("/checkout_url")).status, 303);
  ASSERT_TRUE(stack_->Restart("billing"));
  EXPECT_EQ(AwaitBalance(token, "600"), "600");
}

TEST_F(PaymentFlow, ThePortalIsOpenUntilStaffClosesIt) {
  const std::string token = stack_->SignUp("visitor");
  const Answer portal = Call("POST", kPortal, "", token);
  EXPECT_EQ(portal.status, 200) << portal.body;
  EXPECT_THAT(portal.At("/portal_url"), StartsWith(stripe_->Url()));
  const Answer closed =
      Call("PATCH", "/api/billing/admin/accounts/" + stack_->TenantOf(token) + "/",
           R"({"allow_portal_access":false})", stack_->AdminToken());
  EXPECT_EQ(closed.status, 200) << closed.body;
  const Answer refused = Call("POST", kPortal, "", token);
  EXPECT_EQ(refused.status, 403) << refused.body;
  EXPECT_EQ(refused.At("/error"), "PORTAL_NOT_ALLOWED");
}

TEST_F(PaymentFlow, WithoutKeysNothingIsBelievedAndNothingIsMade) {
  const std::string token = stack_->SignUp("keyless");
  const std::string tenant = stack_->TenantOf(token);
  harness::Environment& settings = stack_->at("billing").environment();
  const harness::Environment whole = settings;
  settings.erase("STRIPE_SECRET_KEY");
  settings.erase("STRIPE_WEBHOOK_SECRET");
  ASSERT_TRUE(RestartBilling());
  for (const char* path : {kSessions, kPortal}) {
    const char* const body = path == kPortal ? "" : R"({"amount_dollars":50})";
    const Answer answer = Call("POST", path, body, token);
    EXPECT_EQ(answer.status, 503) << answer.body;
    EXPECT_EQ(answer.At("/error"), "STRIPE_NOT_CONFIGURED");
  }
  const Answer event =
      Deliver("checkout.session.completed", PaidSession(tenant, "pi_keyless", 100));
  EXPECT_EQ(event.status, 503) << event.body;
  EXPECT_EQ(event.At("/error"), "STRIPE_NOT_CONFIGURED");
  EXPECT_EQ(Get("/api/billing/profile/", token).status, 200);
  EXPECT_EQ(Balance(token), "0");
  settings = whole;
  ASSERT_TRUE(RestartBilling());
}

TEST_F(PaymentFlow, NoSecretIsInTheLogs) {
  const std::string token = stack_->SignUp("discreet");
  Pay(token, 400);
  EXPECT_EQ(AwaitBalance(token, "400"), "400");
  for (const char* name : {"billing", "gateway"}) {
    EXPECT_THAT(stack_->Log(name), Not(HasSubstr("sk_test_flow"))) << name;
    EXPECT_THAT(stack_->Log(name), Not(HasSubstr(kSecret))) << name;
  }
}

}  // namespace
}  // namespace gatehouse
