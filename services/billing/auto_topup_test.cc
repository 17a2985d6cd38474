// Automatic top-ups, with a scripted Stripe and the clock of the database turned.
#include "services/billing/auto_topup.h"

#include <atomic>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "services/billing/billing_testing.h"
#include "services/billing/customer_store.h"
#include "services/billing/fake_stripe.h"
#include "services/billing/payment_store.h"
#include "services/billing/profile_store.h"

namespace gatehouse::billing {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;
using Asked = FakeStripe::Asked;
using Reply = FakeStripe::Reply;

constexpr std::int64_t kTenant = 7;
constexpr std::int64_t kDollar = 1'000'000'000;
constexpr char kIntents[] = "/v1/payment_intents";

class AutoTopupTest : public BillingTest {
 protected:
  AutoTopupTest() { Enable(kTenant); }

  // Switched on, $50 below $10 and at most $200 a month, with a stored method and $9.
  void Enable(std::int64_t tenant_id) {
    Credit(tenant_id, 9 * kDollar);
    Execute(
        absl::StrCat("UPDATE billing.accounts SET auto_topup_enabled = true, auto_topup_since "
                     "= now() - interval '30 days' WHERE tenant_id = ",
                     tenant_id));
    Execute(absl::StrCat("INSERT INTO billing.stripe_customers VALUES (", tenant_id, ", 'cus_",
                         tenant_id, "', 'pm_", tenant_id, "')"));
  }

  static std::string IntentText(const std::string& id, const std::string& status,
                                const std::string& topup_id = "") {
    return absl::StrCat(R"({"id":")", id, R"(","status":")", status,
                        R"(","currency":"usd","amount_received":5000,)"
                        R"("metadata":{"auto_topup_id":")",
                        topup_id, R"("}})");
  }

  // Like Stripe: one intent per idempotency key.
  Reply Charge(const Asked& asked) {
    const auto [made, is_new] = made_.try_emplace(asked.key, made_.size() + 1);
    return {.body = IntentText(absl::StrCat("pi_", made->second), "succeeded")};
  }
  static FakeStripe::Script Declines(const std::string& code) {
    return [code](const Asked&) {
      return Reply{.status = 402,
                   .body = StripeErrorText("card_error", "card_declined",
                                           R"(,"decline_code":")" + code + R"(")")};
    };
  }

  int Begin() {
    const auto begun = BeginAutoTopups(db_);
    EXPECT_TRUE(begun.ok()) << begun.status();
    return begun.value_or(-1);
  }
  // Everything whose turn it is.
  void Advance() {
    while (true) {
      const auto advanced = AdvanceAutoTopup(db_, client_);
      ASSERT_TRUE(advanced.ok()) << advanced.status();
      if (!*advanced) return;
    }
  }
  void Run() {
    Begin();
    Advance();
  }
  // Lets the next turn of all come, and time pass before it.
  void Pass(const std::string& interval) {
    Execute(
        absl::StrCat("UPDATE billing.auto_topups SET next_attempt_time = now(), create_time = "
                     "create_time - interval '",
                     interval, "', update_time = update_time - interval '", interval, "'"));
  }
  std::int64_t Settled() { return AccountOf(kTenant).settled().amount_nanos(); }
  void Spend() { Execute("UPDATE billing.accounts SET settled_nanos = 0 WHERE tenant_id = 7"); }
  void ExpectRow(const std::string& condition) {
    ExpectSql("(SELECT count(*) = 1 FROM billing.auto_topups WHERE tenant_id = 7 AND " + condition +
              ")");
  }
  void ExpectEnabled(bool is_enabled) {
    ExpectSql(absl::StrCat("(SELECT auto_topup_enabled = ", is_enabled ? "true" : "false",
                           " FROM billing.accounts WHERE tenant_id = 7)"));
  }

  std::map<std::string, std::size_t> made_;  // By idempotency key; guarded by the fake.
  FakeStripe stripe_{[this](const Asked& asked) { return Charge(asked); }};
  StripeClient client_{{.api_base = stripe_.base(), .secret_key = "sk_test_1"}};
};

TEST_F(AutoTopupTest, ALowBalanceIsChargedAndCredited) {
  Run();
  EXPECT_EQ(Settled(), 59 * kDollar);
  ExpectRow("state = 'charged' AND payment_intent_id = 'pi_1'");
  ExpectSql(
      "(SELECT count(*) = 1 FROM billing.ledger_entries "
      "WHERE entry_type = 'auto_topup' AND debit_account = 'stripe_clearing')");
  const Asked asked = stripe_.asked(kIntents).at(0);
  std::map<std::string, std::string> form = asked.form;
  EXPECT_EQ(form["metadata[auto_topup_id]"], asked.key);
  form.erase("metadata[auto_topup_id]");
  const std::map<std::string, std::string> expected = {{"amount", "5000"},
                                                       {"currency", "usd"},
                                                       {"customer", "cus_7"},
                                                       {"payment_method", "pm_7"},
                                                       {"off_session", "true"},
                                                       {"confirm", "true"},
                                                       {"description", "Automatic reserve top-up"},
                                                       {"metadata[tenant_id]", "7"},
                                                       {"metadata[purpose]", "auto_topup"}};
  EXPECT_EQ(form, expected);
  EXPECT_EQ(Begin(), 0) << "the balance is high enough";
  ExpectBooksRight();
}

TEST_F(AutoTopupTest, NothingIsChargedWithoutTheTenantsWill) {
  const std::vector<std::pair<std::string, std::string>> changes = {
      {"accounts SET auto_topup_enabled = false", "accounts SET auto_topup_enabled = true"},
      {"accounts SET auto_topup_threshold_nanos = 9000000000",
       "accounts SET auto_topup_threshold_nanos = 10000000000"},
      {"accounts SET auto_topup_monthly_cap_nanos = 49000000000",
       "accounts SET auto_topup_monthly_cap_nanos = 50000000000"},
      {"stripe_customers SET payment_method_id = NULL",
       "stripe_customers SET payment_method_id = 'pm_7'"}};
  for (const auto& [change, back] : changes) {
    Execute("UPDATE billing." + change);
    EXPECT_EQ(Begin(), 0) << change;
    Execute("UPDATE billing." + back);
  }
  EXPECT_EQ(Begin(), 1) << "otherwise it is";
}

TEST_F(AutoTopupTest, TheMonthsCapHolds) {
  for (int i = 0; i < 6; ++i) {
    Spend();
    Run();
  }
  EXPECT_THAT(stripe_.asked(kIntents), SizeIs(4)) << "$50 each, $200 a month";
  Execute("UPDATE billing.auto_topups SET create_time = create_time - interval '40 days'");
  Spend();
  EXPECT_EQ(Begin(), 0) << "begun in another month, charged in this one";
  Execute("UPDATE billing.auto_topups SET charge_time = charge_time - interval '40 days'");
  Run();
  EXPECT_THAT(stripe_.asked(kIntents), SizeIs(5)) << "of another month";
}

TEST_F(AutoTopupTest, WhatIsPendingCountsInEveryMonth) {
  const auto in_this_month = [&] {
    const auto profile =
        db_.Read([](pg::Tx& tx) -> absl::StatusOr<Profile> { return FindProfile(tx, kTenant); });
    return profile.ok() ? profile->charged_this_month_nanos : -1;
  };
  Begin();
  Execute("UPDATE billing.auto_topups SET create_time = create_time - interval '40 days'");
  EXPECT_EQ(in_this_month(), 50 * kDollar);
  Execute("UPDATE billing.auto_topups SET create_time = now()");
  stripe_.Do(Declines("insufficient_funds"));
  Advance();
  EXPECT_EQ(in_this_month(), 0);
}

TEST_F(AutoTopupTest, ABusyAccountDoesNotHoldUpTheOthers) {
  for (std::int64_t tenant_id = 8; tenant_id < 12; ++tenant_id) Enable(tenant_id);
  pqxx::connection other(Url());
  pqxx::work work(other);
  work.exec("SELECT FROM billing.accounts WHERE tenant_id = 7 FOR UPDATE");
  EXPECT_EQ(Begin(), 4);
  work.abort();
  EXPECT_EQ(Begin(), 1) << "its turn comes, too";
}

TEST_F(AutoTopupTest, WhoMustEndBeginsNothing) {
  const auto begun = BeginAutoTopups(db_, [] { return true; });
  ASSERT_TRUE(begun.ok()) << begun.status();
  EXPECT_EQ(*begun, 0);
}

TEST_F(AutoTopupTest, ManyReplicasChargeOnce) {
  for (std::int64_t tenant_id = 8; tenant_id < 12; ++tenant_id) Enable(tenant_id);
  Together(8, [&](int) { Run(); });
  EXPECT_THAT(stripe_.asked(kIntents), SizeIs(5));
  ExpectSql("(SELECT count(*) = 5 FROM billing.stripe_payments)");
  ExpectSql("(SELECT bool_and(settled_nanos = 59000000000) FROM billing.accounts)");
}

TEST_F(AutoTopupTest, AnAnswerThatWasLostIsAskedForAgain) {
  std::atomic<bool> answers = false;
  stripe_.Do([&](const Asked& asked) {
    Reply reply = Charge(asked);
    if (!answers) reply = {.status = 409, .headers = {{"Stripe-Should-Retry", "false"}}};
    return reply;
  });
  Run();
  ExpectRow("state = 'pending'");
  EXPECT_EQ(Begin(), 0) << "one at a time";
  Advance();
  EXPECT_THAT(stripe_.asked(kIntents), SizeIs(1)) << "its turn has not come";
  answers = true;
  Pass("1 hour");
  Advance();
  ExpectRow("state = 'charged'");
  EXPECT_EQ(Settled(), 59 * kDollar);
  const auto asked = stripe_.asked(kIntents);
  ASSERT_THAT(asked, SizeIs(2));
  EXPECT_EQ(asked[0].key, asked[1].key);
  EXPECT_EQ(asked[0].form, asked[1].form);
}

TEST_F(AutoTopupTest, ARepetitionAsksForTheSameMethod) {
  Begin();
  Execute("UPDATE billing.stripe_customers SET payment_method_id = 'pm_new'");
  Advance();
  EXPECT_EQ(stripe_.asked(kIntents).at(0).form.at("payment_method"), "pm_7");
}

TEST_F(AutoTopupTest, WhatWasSwitchedOffIsNotAskedForAnyMore) {
  Begin();
  Execute("UPDATE billing.accounts SET auto_topup_enabled = false");
  Advance();
  ExpectRow("state = 'failed' AND failure = 'switched_off'");
  EXPECT_THAT(stripe_.asked(), IsEmpty());
  ExpectSql("(SELECT count(*) = 0 FROM billing.notices)");
}

TEST_F(AutoTopupTest, WhatMayHaveBeenChargedBeforeItWasSwitchedOffIsLookedUp) {
  std::string topup_id;
  stripe_.Do([&](const Asked& asked) {
    if (asked.method == "GET") {
      return Reply{.body = absl::StrCat(R"({"has_more":false,"data":[)",
                                        IntentText("pi_1", "succeeded", topup_id), "]}")};
    }
    topup_id = asked.key;
    return Reply{.status = 409, .headers = {{"Stripe-Should-Retry", "false"}}};
  });
  Run();
  Execute("UPDATE billing.accounts SET auto_topup_enabled = false");
  Pass("1 hour");
  Advance();
  ExpectRow("state = 'charged'");
  EXPECT_EQ(Settled(), 59 * kDollar);
  EXPECT_THAT(stripe_.asked(kIntents), SizeIs(2)) << "asked once, looked up once";
}

TEST_F(AutoTopupTest, TheWebhookMayBeFaster) {
  stripe_.Do([&](const Asked& asked) {
    const auto credited = db_.InTransaction([](pg::Tx& tx) {
      return CreditPayment(tx, {.payment_intent_id = "pi_1",
                                .tenant_id = kTenant,
                                .amount_nanos = 50 * kDollar,
                                .entry_type = "auto_topup",
                                .notes = "automatic top-up"});
    });
    EXPECT_TRUE(credited.ok()) << credited.status();
    return Charge(asked);
  });
  Run();
  EXPECT_EQ(Settled(), 59 * kDollar);
  ExpectRow("state = 'charged'");
  ExpectBooksRight();
}

TEST_F(AutoTopupTest, WhatIsProcessingIsFollowedByItsName) {
  std::string status = "processing";
  stripe_.Do([&](const Asked&) { return Reply{.body = IntentText("pi_1", status)}; });
  Run();
  ExpectRow("state = 'pending' AND payment_intent_id = 'pi_1'");
  Pass("3 days");
  Advance();
  ExpectRow("state = 'pending'");
  EXPECT_EQ(Settled(), 9 * kDollar);
  status = "succeeded";
  Pass("1 day");
  Advance();
  ExpectRow("state = 'charged'");
  EXPECT_EQ(Settled(), 59 * kDollar);
  EXPECT_THAT(stripe_.asked("/v1/payment_intents/pi_1"), SizeIs(2));
  EXPECT_THAT(stripe_.asked(kIntents), SizeIs(1));
}

TEST_F(AutoTopupTest, ADeclineIsTriedAgainLaterAndLater) {
  stripe_.Do(Declines("insufficient_funds"));
  Run();
  ExpectRow("state = 'failed' AND failure = 'insufficient_funds'");
  ExpectEnabled(true);
  ExpectSql("(SELECT count(*) = 1 FROM billing.notices WHERE kind = 'auto_topup_failed')");
  EXPECT_EQ(Begin(), 0);
  Pass("61 minutes");
  EXPECT_EQ(Begin(), 1);
  Advance();
  Pass("61 minutes");
  EXPECT_EQ(Begin(), 0) << "two in a row: two hours";
  Pass("60 minutes");
  EXPECT_EQ(Begin(), 1);
}

TEST_F(AutoTopupTest, AnotherMethodIsTriedAtOnce) {
  stripe_.Do(Declines("insufficient_funds"));
  Run();
  EXPECT_EQ(Begin(), 0);
  ASSERT_TRUE(db_.InTransaction([](pg::Tx& tx) {
                   SavePaymentMethod(tx, kTenant, "pm_new");
                   return absl::OkStatus();
                 })
                  .ok());
  EXPECT_EQ(Begin(), 1);
}

TEST_F(AutoTopupTest, AFinalDeclineSwitchesThemOffAndTells) {
  for (const char* code : {"stolen_card", "authentication_required"}) {
    Execute(
        "UPDATE billing.accounts SET auto_topup_enabled = true, auto_topup_since = now(); "
        "DELETE FROM billing.auto_topups; DELETE FROM billing.notices; DELETE FROM billing.events");
    stripe_.Do(Declines(code));
    Run();
    ExpectEnabled(false);
    ExpectRow(absl::StrCat("state = 'failed' AND failure = '", code, "'"));
    ExpectSql(absl::StrCat("(SELECT data->>'reason' = '", code,
                           "' FROM billing.notices WHERE kind = 'auto_topup_failed')"));
    ExpectSql(
        "(SELECT data->>'kind' = 'auto_topup_failed' FROM billing.events "
        "WHERE type = 'system.alert' AND tenant_id = 7)");
  }
}

TEST_F(AutoTopupTest, AfterManyFailuresTheyAreSwitchedOff) {
  stripe_.Do(Declines("try_again_later"));
  for (int i = 0; i < 8; ++i) {
    ExpectEnabled(true);
    Run();
    Pass("25 hours");
  }
  ExpectEnabled(false);
}

TEST_F(AutoTopupTest, AWrongKeyOfOursHarmsNoTenant) {
  stripe_.Do([](const Asked&) { return Reply{.status = 401}; });
  Run();
  ExpectRow("state = 'pending'");
  ExpectEnabled(true);
}

TEST_F(AutoTopupTest, AChargeBehindAServerErrorIsLookedUp) {
  std::string topup_id;
  stripe_.Do([&](const Asked& asked) {
    if (asked.method == "POST") {
      topup_id = asked.key;
      return Reply{.status = 500, .headers = {{"Stripe-Should-Retry", "false"}}};
    }
    EXPECT_EQ(asked.form.at("customer"), "cus_7");
    return Reply{.body = absl::StrCat(R"({"has_more":false,"data":[)",
                                      IntentText("pi_0", "succeeded", "another"), ",",
                                      IntentText("pi_1", "succeeded", topup_id), "]}")};
  });
  Run();
  ExpectRow("state = 'charged' AND payment_intent_id = 'pi_1'");
  EXPECT_EQ(Settled(), 59 * kDollar);
}

TEST_F(AutoTopupTest, WhenTheKeyMayBeForgottenItIsOnlyLookedUp) {
  bool is_there = false;
  std::string topup_id;
  stripe_.Do([&](const Asked& asked) {
    if (asked.method == "POST") {
      topup_id = asked.key;
      return Reply{.status = 429, .headers = {{"Stripe-Should-Retry", "false"}}};
    }
    // Two pages.
    const bool is_first = asked.form.count("starting_after") == 0;
    if (is_first) {
      return Reply{.body = R"({"has_more":true,"data":[{"id":"pi_5","status":"succeeded"}]})"};
    }
    EXPECT_EQ(asked.form.at("starting_after"), "pi_5");
    return Reply{.body =
                     absl::StrCat(R"({"has_more":false,"data":[)",
                                  is_there ? IntentText("pi_1", "succeeded", topup_id) : "", "]}")};
  });
  Run();
  Pass("21 hours");
  Advance();
  ExpectRow("state = 'failed' AND failure = 'no_answer'");
  Pass("2 hours");
  Begin();
  Advance();
  is_there = true;
  Pass("21 hours");
  Advance();
  ExpectRow("state = 'charged'");
  EXPECT_EQ(Settled(), 59 * kDollar);
}

TEST_F(AutoTopupTest, WhatADeletedCustomerPaidIsLookedUpAmongAll) {
  std::string topup_id;
  stripe_.Do([&](const Asked& asked) {
    if (asked.method == "POST") {
      topup_id = asked.key;
      return Reply{.status = 500, .headers = {{"Stripe-Should-Retry", "false"}}};
    }
    if (asked.form.count("customer") == 1) {
      return Reply{.status = 400,
                   .body = StripeErrorText("invalid_request_error", "resource_missing",
                                           R"(,"param":"customer")")};
    }
    return Reply{.body = absl::StrCat(R"({"has_more":false,"data":[)",
                                      IntentText("pi_1", "succeeded", topup_id), "]}")};
  });
  Run();
  ExpectRow("state = 'charged' AND payment_intent_id = 'pi_1'");
}

TEST_F(AutoTopupTest, WhileItCannotBeLookedUpItIsNotGivenUp) {
  stripe_.Do([](const Asked&) {
    return Reply{.status = 503, .headers = {{"Stripe-Should-Retry", "false"}}};
  });
  Run();
  Pass("30 hours");
  Advance();
  ExpectRow("state = 'pending'");
  EXPECT_EQ(Begin(), 0);
}

TEST_F(AutoTopupTest, TheThreadDoesBoth) {
  AutoTopups topups(db_, client_);
  EXPECT_TRUE(Eventually([&] { return Settled() == 59 * kDollar; }));
}

TEST_F(AutoTopupTest, ASilentStripeDoesNotHoldUpTheEnd) {
  std::atomic<bool> is_asked = false;
  stripe_.Do([&](const Asked&) {
    is_asked = true;
    return Reply{.never = true};
  });
  auto topups = std::make_unique<AutoTopups>(db_, client_);
  EXPECT_TRUE(Eventually([&] { return is_asked.load(); }));
  topups.reset();
  ExpectRow("state = 'pending'");
}

}  // namespace
}  // namespace gatehouse::billing
