// Automatic top-ups and mail about money, on the real programs: a stored payment method is
// charged once per need, never above its cap, whatever dies when.
#include <gmock/gmock.h>
#include <unistd.h>

#include <algorithm>

#include "libs/mail/fake_smtp.h"
#include "tests/billing_flow.h"

namespace gatehouse {
namespace {

using mail::testing::FakeSmtp;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kProfile[] = "/api/billing/profile/";
constexpr char kAsked[] = "billing.auto_topup.asked";

class AutoTopupFlow : public BillingFlow {
 protected:
  static void SetUpTestSuite() {
    post_office_ = new FakeSmtp({});
    StartAll({{"EMAIL_HOST", "127.0.0.1"},
              {"EMAIL_PORT", std::to_string(post_office_->port())},
              {"EMAIL_USE_TLS", "false"},
              {"DEFAULT_FROM_EMAIL", "Gatehouse <billing@example.com>"}});
  }
  static void TearDownTestSuite() {
    BillingFlow::TearDownTestSuite();
    delete post_office_;
    post_office_ = nullptr;
  }
  void TearDown() override {
    stripe_->Misbehave("{}");
    stripe_->SetWebhook(Webhook());
    if (!stack_->at("billing").running()) {
      ASSERT_TRUE(RestartBilling());
    }
  }

  // A user who has paid 50 dollars and left `method` for later.
  static std::string Saver(const std::string& name, const std::string& method = "pm_card") {
    const std::string token = stack_->SignUp(name);
    const Answer session = Call("POST", "/api/billing/topup/session/",
                                R"({"amount_cents":5000,"save_payment_method":true})", token);
    EXPECT_EQ(session.status, 200) << session.body;
    EXPECT_EQ(stripe_->Pay(session.At("/checkout_url"), method).status, 303);
    EXPECT_EQ(AwaitBalance(token, "5000"), "5000");
    EXPECT_TRUE(Eventually([&] { return Profile(token, "auto_topup_enabled") == "false"; }))
        << "a stored method shows what could be done with it";
    return token;
  }

  // Below 10 dollars, 20 dollars, at most 50 a month.
  static Answer SwitchOn(const std::string& token) {
    return Call("PATCH", kProfile,
                R"({"auto_topup_enabled":true,"auto_topup_threshold_cents":1000,)"
                R"("auto_topup_amount_cents":2000,"auto_topup_monthly_cap_cents":5000})",
                token);
  }

  static void Spend(const std::string& token, long cents) {
    stack_->Credit(stack_->TenantOf(token), -cents);
  }

  static std::string Profile(const std::string& token, const std::string& member) {
    return Get(kProfile, token).At("/" + member);
  }

  static std::string Charges(const std::string& token) {
    return stack_->Sql(
        "SELECT count(*) FROM billing.ledger_entries WHERE entry_type = "
        "'auto_topup' AND tenant_id = " +
        stack_->TenantOf(token));
  }

  // What fell due is asked for now, not when its turn comes.
  static void Hurry() { stack_->Sql("UPDATE billing.auto_topups SET next_attempt_time = now()"); }

  // Whether a mail to `address` with `words` has come.
  static bool HasMail(const std::string& address, const std::string& words) {
    const auto mails = post_office_->mails();
    return std::any_of(mails.begin(), mails.end(), [&](const FakeSmtp::Mail& mail) {
      return mail.to.find(address) != mail.to.npos && mail.text.find(words) != mail.text.npos;
    });
  }

  static FakeSmtp* post_office_;
};

FakeSmtp* AutoTopupFlow::post_office_ = nullptr;

TEST_F(AutoTopupFlow, WithoutAStoredMethodThereIsNothingToSwitchOn) {
  const std::string token = stack_->SignUp("methodless");
  EXPECT_EQ(Profile(token, "auto_topup_enabled"), "") << "absent, not false";
  const Answer refused = SwitchOn(token);
  EXPECT_EQ(refused.status, 409) << refused.body;
  EXPECT_EQ(refused.At("/error"), "PAYMENT_METHOD_MISSING");
  const Answer session =
      Call("POST", "/api/billing/topup/session/", R"({"amount_cents":700})", token);
  ASSERT_EQ(stripe_->Pay(session.At("/checkout_url")).status, 303);
  EXPECT_EQ(AwaitBalance(token, "700"), "700");
  EXPECT_EQ(Profile(token, "auto_topup_enabled"), "") << "who did not ask for it keeps nothing";
}

TEST_F(AutoTopupFlow, ANeedIsChargedOnceAndTheMonthIsCapped) {
  const std::string capped = Saver("capped");
  const std::string free = Saver("free");
  ASSERT_EQ(SwitchOn(capped).status, 200);
  ASSERT_EQ(SwitchOn(free).status, 200);
  Spend(capped, 4500);
  EXPECT_EQ(AwaitBalance(capped, "2500"), "2500");
  EXPECT_EQ(Charges(capped), "1");
  Spend(capped, 2000);
  EXPECT_EQ(AwaitBalance(capped, "2500"), "2500");
  EXPECT_EQ(Profile(capped, "auto_topup_charged_this_month_cents"), "4000");
  Spend(capped, 2000);
  // Looked at in the same round as this one, and passed over.
  Spend(free, 4500);
  EXPECT_EQ(AwaitBalance(free, "2500"), "2500");
  EXPECT_EQ(Balance(capped), "500");
  EXPECT_EQ(Charges(capped), "2");
  EXPECT_EQ(stripe_->Count("payment_intents", stack_->TenantOf(capped)), 1 + 2);
  const Answer wider = Call("PATCH", kProfile, R"({"auto_topup_monthly_cap_cents":6000})", capped);
  EXPECT_EQ(wider.status, 200) << wider.body;
  EXPECT_EQ(AwaitBalance(capped, "2500"), "2500");
}

TEST_F(AutoTopupFlow, ADeclinedMethodEndsItAndIsTold) {
  const std::string token = Saver("declined", "pm_stolen");
  ASSERT_EQ(SwitchOn(token).status, 200);
  Spend(token, 4500);
  EXPECT_TRUE(Eventually([&] { return Profile(token, "auto_topup_enabled") == "false"; }));
  EXPECT_THAT(Profile(token, "auto_topup_last_failure"), HasSubstr("stolen_card"));
  EXPECT_EQ(Balance(token), "500");
  EXPECT_TRUE(
      Eventually([] { return HasMail("declined@example.com", "Automatic top-up failed"); }));
  EXPECT_EQ(Charges(token), "0");
}

TEST_F(AutoTopupFlow, ACrashBehindStripesAnswerChargesOnce) {
  const std::string token = Saver("crashing");
  const std::string tenant = stack_->TenantOf(token);
  ASSERT_EQ(SwitchOn(token).status, 200);
  const std::string mark = stack_->directory() + "/asked.crashed";
  stripe_->SetWebhook("");
  ASSERT_TRUE(RestartBilling(std::string(kAsked) + "=crash-once:" + mark));
  Spend(token, 4500);
  int exit_code = 0;
  ASSERT_TRUE(stack_->at("billing").AwaitExit(std::chrono::seconds(10), &exit_code));
  EXPECT_EQ(stripe_->Count("payment_intents", tenant), 1 + 1) << "it was charged";
  ASSERT_TRUE(RestartBilling());
  EXPECT_EQ(Balance(token), "500") << "but nobody knows yet";
  Hurry();
  EXPECT_EQ(AwaitBalance(token, "2500"), "2500");
  stripe_->SetWebhook(Webhook());
  ASSERT_TRUE(stripe_->AwaitDelivered());
  EXPECT_EQ(Balance(token), "2500") << "its event tells nothing new";
  EXPECT_EQ(stripe_->Count("payment_intents", tenant), 1 + 1);
  EXPECT_EQ(Charges(token), "1");
}

TEST_F(AutoTopupFlow, ALostAnswerChargesOnce) {
  const std::string token = Saver("unheard");
  const std::string tenant = stack_->TenantOf(token);
  ASSERT_EQ(SwitchOn(token).status, 200);
  stripe_->SetWebhook("");
  stripe_->Misbehave(R"({"timeout_after_commit":1})");
  Spend(token, 4500);
  EXPECT_TRUE(Eventually([&] { return stripe_->Count("payment_intents", tenant) == 1 + 1; }));
  // While it waits for the answer that will not come.
  ASSERT_TRUE(RestartBilling());
  EXPECT_EQ(Balance(token), "500");
  Hurry();
  EXPECT_EQ(AwaitBalance(token, "2500"), "2500");
  stripe_->SetWebhook(Webhook());
  ASSERT_TRUE(stripe_->AwaitDelivered());
  EXPECT_EQ(Balance(token), "2500");
  EXPECT_EQ(stripe_->Count("payment_intents", tenant), 1 + 1);
  EXPECT_EQ(Charges(token), "1");
}

TEST_F(AutoTopupFlow, ALowBalanceIsToldByMailOnce) {
  const std::string token = stack_->SignUp("mailed");
  stack_->Credit(stack_->TenantOf(token), 1000);
  EXPECT_FALSE(HasMail("mailed@example.com", "Low balance"));
  Spend(token, 600);
  EXPECT_TRUE(Eventually([] { return HasMail("mailed@example.com", "Subject: Low balance"); }));
  EXPECT_TRUE(HasMail("mailed@example.com", "4.00"));
  Spend(token, 100);
  const std::string marker = stack_->SignUp("marker");
  stack_->Credit(stack_->TenantOf(marker), 1000);
  Spend(marker, 600);
  EXPECT_TRUE(Eventually([] { return HasMail("marker@example.com", "Subject: Low balance"); }));
  const auto mails = post_office_->mails();
  EXPECT_EQ(std::count_if(mails.begin(), mails.end(),
                          [](const FakeSmtp::Mail& mail) {
                            return mail.to.find("mailed@example.com") != mail.to.npos;
                          }),
            1)
      << "once it is low it is not told again";
}

}  // namespace
}  // namespace gatehouse
