// Refunds and disputes: what is taken back of a payment, told in any order and often.
#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/base/uuid.h"
#include "services/billing/messages.h"
#include "services/billing/stripe_testing.h"

namespace gatehouse::billing {
namespace {

constexpr char kCompleted[] = "checkout.session.completed";
constexpr char kRefunded[] = "charge.refunded";
constexpr char kWithdrawn[] = "charge.dispute.funds_withdrawn";
constexpr char kReinstated[] = "charge.dispute.funds_reinstated";
constexpr std::int64_t kCent = 10'000'000;

class DisputeEventsTest : public StripeTest {
 protected:
  void Pay() { ASSERT_EQ(Told(kCompleted, SessionText().ToJson()), "processed 1234"); }
  std::int64_t BalanceCents() { return BalanceNanos() / kCent; }
  // Takes back part of the tenant's entry of this type, as an administrator.
  void Reverse(const std::string& entry_type, std::int64_t cents) {
    v1::ReverseEntryRequest request;
    request.set_entry_id(
        Value("SELECT id FROM billing.ledger_entries WHERE entry_type = '" + entry_type + "'"));
    *request.mutable_amount() = ToMoney(cents * kCent);
    request.set_reason("by hand");
    request.set_idempotency_key(UuidV7());
    const auto reversed = accounts_.ReverseEntry(request, "ada");
    EXPECT_TRUE(reversed.ok()) << reversed.status();
  }
  std::string Entries() {
    return Value(
        "SELECT string_agg(entry_type || ' ' || CASE credit_account WHEN 'reserve' THEN 1 "
        "ELSE -1 END * amount_nanos / 10000000, ', ' ORDER BY entry_number) "
        "FROM billing.ledger_entries WHERE entry_type <> 'debt'");
  }
};

TEST_F(DisputeEventsTest, RefundsAddUpToWhatStripeSays) {
  Pay();
  EXPECT_EQ(Told(kRefunded, ChargeJson(200)), "processed -200");
  EXPECT_EQ(Told(kRefunded, ChargeJson(200)), "processed") << "the same refund, told again";
  EXPECT_EQ(Told(kRefunded, ChargeJson(500)), "processed -300");
  EXPECT_EQ(Told(kRefunded, ChargeJson(200)), "processed") << "told late";
  EXPECT_EQ(Told(kRefunded, ChargeJson(1234)), "processed -734");
  EXPECT_EQ(BalanceNanos(), 0);
  EXPECT_EQ(Entries(), "topup 1234, refund -200, refund -300, refund -734");
  EXPECT_EQ(Value("SELECT count(*) FROM billing.ledger_entries e JOIN billing.stripe_payments p "
                  "ON p.entry_id = e.reverses WHERE e.entry_type = 'refund'"),
            "3");
  ExpectBooksRight();
}

TEST_F(DisputeEventsTest, NoMoreThanThePaymentIsTakenBack) {
  Pay();
  EXPECT_EQ(Told(kRefunded, ChargeJson(9999)), "processed -1234");
  EXPECT_EQ(BalanceNanos(), 0);
  ExpectBooksRight();
}

TEST_F(DisputeEventsTest, WhatWasSpentBecomesADebt) {
  Pay();
  Credit(kTenant, -1000 * kCent);
  EXPECT_EQ(Told(kRefunded, ChargeJson(1234)), "processed -1234");
  EXPECT_EQ(BalanceCents(), -1000);
  ExpectBooksRight();
}

TEST_F(DisputeEventsTest, ARefundBeforeItsCreditIsTakenOffIt) {
  for (const char* metadata : {R"({"purpose":"reserve_topup","tenant_id":"7"})", "{}"}) {
    EXPECT_EQ(Told(kRefunded, ChargeJson(200, "pi_1", metadata)), "deferred payment_not_credited");
  }
  EXPECT_EQ(BalanceNanos(), 0);
  Pay();
  EXPECT_EQ(Entries(), "topup 1234, refund -200");
  EXPECT_EQ(Told(kRefunded, ChargeJson(200)), "processed");
  EXPECT_EQ(Told(kRefunded, ChargeJson(300)), "processed -100");
  EXPECT_EQ(Told(kCompleted, SessionText().ToJson()), "ignored already_credited");
  EXPECT_EQ(BalanceCents(), 934);
  ExpectBooksRight();
}

TEST_F(DisputeEventsTest, WhatIsTakenBackWholeBeforeItsCreditLeavesNothing) {
  EXPECT_EQ(Told(kWithdrawn, DisputeJson("dp_1", 1000)), "deferred payment_not_credited");
  EXPECT_EQ(Told(kWithdrawn, DisputeJson("dp_2", 1000)), "deferred payment_not_credited");
  EXPECT_EQ(Told(kRefunded, ChargeJson(100)), "deferred payment_not_credited");
  Pay();
  EXPECT_EQ(Entries(), "topup 1234, refund -100, dispute -1000, dispute -134");
  EXPECT_EQ(Told(kReinstated, DisputeJson("dp_1", 1000)), "processed 134");
  EXPECT_EQ(Told(kReinstated, DisputeJson("dp_2", 1000)), "processed 1000");
  EXPECT_EQ(BalanceCents(), 1134);
  ExpectBooksRight();
}

TEST_F(DisputeEventsTest, CreditRefundAndDisputeAtOnceEndAsInAnyOrder) {
  const std::vector<std::string> events = {
      EventText("evt_a", kCompleted, SessionText().ToJson()),
      EventText("evt_b", kRefunded, ChargeJson(200)),
      EventText("evt_c", kWithdrawn, DisputeJson("dp_1", 300)),
      EventText("evt_d", "charge.refund.updated", RefundJson("re_1", 50, "failed")),
      EventText("evt_e", "checkout.session.async_payment_succeeded", SessionText().ToJson())};
  Together(10, [&](int i) {
    const auto response = Post(events[i % events.size()]);
    EXPECT_TRUE(response.ok()) << response.status();
  });
  EXPECT_EQ(BalanceCents(), 1234 - 200 - 300 + 50);
  ExpectBooksRight();
}

TEST_F(DisputeEventsTest, WhatIsNotOursIsIgnored) {
  const char* const shoes = R"({"purpose":"shoes"})";
  EXPECT_EQ(Told(kRefunded, ChargeJson(200, "pi_shoes", shoes)), "ignored not_reserve_topup");
  EXPECT_EQ(Told(kRefunded, R"({"id":"ch_1","payment_intent":null})"), "ignored not_reserve_topup");
  EXPECT_EQ(Told("charge.dispute.created", DisputeJson("dp_1", 200, "pi_shoes")),
            "ignored not_reserve_topup");
  EXPECT_EQ(Value("SELECT count(*) FROM billing.events"), "0");
  EXPECT_EQ(Value("SELECT count(*) FROM billing.stripe_refunds"), "0");
}

TEST_F(DisputeEventsTest, AnotherCurrencyIsNeverWaitedFor) {
  const std::string euros =
      R"({"id":"ch_1","payment_intent":"pi_1","currency":"eur","amount_refunded":200,)"
      R"("metadata":{"purpose":"reserve_topup","tenant_id":"7"}})";
  EXPECT_EQ(Told(kCompleted, SessionText{.currency = "eur"}.ToJson()),
            "ignored currency_not_supported");
  EXPECT_EQ(Told(kRefunded, euros), "ignored currency_not_supported");
  EXPECT_EQ(Value("SELECT count(*) FROM billing.stripe_events WHERE state = 'failed'"), "0");
  Pay();
  EXPECT_EQ(Told(kRefunded, euros), "!EVENT_FAILED") << "a payment in dollars";
}

TEST_F(DisputeEventsTest, EventsThatFailDoNotHoldUpOthers) {
  Refuse(kTenant, true);
  const std::string paid = EventText("evt_paid", kCompleted, SessionText().ToJson());
  EXPECT_EQ(Word(Post(paid)), "!EVENT_FAILED");
  EXPECT_EQ(Told(kRefunded, ChargeJson(234)), "deferred payment_not_credited");
  EXPECT_EQ(Told(kWithdrawn, DisputeJson("dp_1", 1000)), "deferred payment_not_credited");
  Refuse(kTenant, false);
  EXPECT_EQ(Word(Post(paid)), "processed 1234");
  EXPECT_EQ(BalanceNanos(), 0);
}

TEST_F(DisputeEventsTest, ARefundThatFailsIsGivenBackOnce) {
  Pay();
  EXPECT_EQ(Told(kRefunded, ChargeJson(300)), "processed -300");
  EXPECT_EQ(Told(kRefunded, ChargeJson(500)), "processed -200");
  EXPECT_EQ(ToldOf(1, "refund.updated", RefundJson("re_1", 300, "succeeded")),
            "ignored refund_not_failed");
  EXPECT_EQ(ToldOf(2, "refund.failed", RefundJson("re_1", 300, "failed")), "processed 300");
  for (const char* type : {"refund.failed", "refund.updated", "charge.refund.updated"}) {
    EXPECT_EQ(ToldOf(3, type, RefundJson("re_1", 300, "failed")), "processed");
  }
  EXPECT_EQ(Told(kRefunded, ChargeJson(500)), "processed") << "told late";
  EXPECT_EQ(BalanceCents(), 1034);
  // From then on Stripe's sum is without it.
  EXPECT_EQ(ToldOf(4, kRefunded, ChargeJson(300)), "processed -100");
  EXPECT_EQ(ToldOf(5, "refund.updated", RefundJson("re_2", 200, "canceled")), "processed 200");
  EXPECT_EQ(Entries(), "topup 1234, refund -300, refund -200, refund 300, refund -100, refund 200");
  ExpectBooksRight();
}

TEST_F(DisputeEventsTest, AFailureThatIsToldBeforeItsRefundLeavesNothingToTake) {
  EXPECT_EQ(ToldOf(2, "refund.failed", RefundJson("re_1", 300, "failed")),
            "deferred payment_not_credited");
  Pay();
  EXPECT_EQ(ToldOf(1, kRefunded, ChargeJson(300)), "processed");
  EXPECT_EQ(Entries(), "topup 1234");
}

TEST_F(DisputeEventsTest, WhatWasReversedByHandIsNotTakenAgain) {
  Pay();
  Reverse("topup", 1000);
  EXPECT_EQ(Told(kRefunded, ChargeJson(1234)), "processed -234");
  EXPECT_EQ(Told(kWithdrawn, DisputeJson("dp_1", 1234)), "processed");
  EXPECT_EQ(BalanceNanos(), 0);
  EXPECT_EQ(Entries(), "topup 1234, reversal -1000, refund -234");
  ExpectBooksRight();
}

TEST_F(DisputeEventsTest, WhatWasGivenBackByHandIsNotGivenAgain) {
  Pay();
  EXPECT_EQ(Told(kWithdrawn, DisputeJson("dp_1", 1000)), "processed -1000");
  Reverse("dispute", 400);
  EXPECT_EQ(Told(kReinstated, DisputeJson("dp_1", 1000)), "processed 600");
  EXPECT_EQ(BalanceNanos(), kPaidNanos);
  Reverse("topup", 1234);
  EXPECT_EQ(BalanceNanos(), 0) << "once the dispute is won all of it can be taken back";
  ExpectBooksRight();
}

TEST_F(DisputeEventsTest, ADisputeTakesItsMoneyOnceAndGivesItBackOnce) {
  Pay();
  EXPECT_EQ(Told(kWithdrawn, DisputeJson("dp_1", 1000)), "processed -1000");
  EXPECT_EQ(Told(kWithdrawn, DisputeJson("dp_1", 1000)), "processed");
  EXPECT_EQ(BalanceCents(), 234);
  EXPECT_EQ(Told(kReinstated, DisputeJson("dp_1", 1000)), "processed 1000");
  EXPECT_EQ(Told(kReinstated, DisputeJson("dp_1", 1000)), "processed");
  EXPECT_EQ(Told(kWithdrawn, DisputeJson("dp_1", 1000)), "processed") << "told late";
  EXPECT_EQ(BalanceNanos(), kPaidNanos);
  EXPECT_EQ(Entries(), "topup 1234, dispute -1000, dispute 1000");
  EXPECT_EQ(Value("SELECT count(*) FROM billing.ledger_entries given "
                  "JOIN billing.ledger_entries taken ON taken.id = given.reverses "
                  "WHERE given.entry_type = 'dispute' AND taken.entry_type = 'dispute'"),
            "1");
  ExpectBooksRight();
}

TEST_F(DisputeEventsTest, ADisputeThatIsWonBeforeItBeganMovesNothing) {
  Pay();
  EXPECT_EQ(Told(kReinstated, DisputeJson("dp_1", 1000)), "processed");
  EXPECT_EQ(Told(kWithdrawn, DisputeJson("dp_1", 1000)), "processed");
  EXPECT_EQ(BalanceNanos(), kPaidNanos);
  EXPECT_EQ(Entries(), "topup 1234");
}

TEST_F(DisputeEventsTest, OneDisputeToldToManyAtOnceIsOneEntry) {
  Pay();
  Together(12, [&](int i) {
    const char* type = i % 2 == 0 ? kWithdrawn : kReinstated;
    const std::string id = absl::StrCat("evt_", i);
    EXPECT_TRUE(Post(EventText(id, type, DisputeJson("dp_1", 1000))).ok());
  });
  EXPECT_EQ(BalanceNanos(), kPaidNanos);
  ExpectBooksRight();
}

// Refunds and disputes of one payment end in the same balance in whichever order they are
// told, and its credit anywhere among them: 1234 less the refund of 500 and the open
// dispute of 300.
TEST_F(DisputeEventsTest, TheOrderOfTellingDoesNotMatter) {
  std::vector<std::pair<const char*, std::string>> told = {
      {kRefunded, ChargeJson(500)},
      {kWithdrawn, DisputeJson("dp_1", 1234)},
      {kReinstated, DisputeJson("dp_1", 1234)},
      {kWithdrawn, DisputeJson("dp_2", 300)},
  };
  std::sort(told.begin(), told.end());
  std::size_t round = 0;
  do {
    const std::int64_t before = BalanceCents();
    const std::string intent = absl::StrCat("pi_round_", ++round);
    for (std::size_t i = 0; i <= told.size(); ++i) {
      if (i == round % (told.size() + 1)) {
        EXPECT_EQ(Told(kCompleted, SessionText{.id = absl::StrCat("cs_", round),
                                               .payment_intent = "\"" + intent + "\""}
                                       .ToJson()),
                  "processed 1234");
      }
      if (i == told.size()) break;
      std::string of_round = told[i].second;
      of_round.replace(of_round.find("pi_1"), 4, intent);
      if (const std::size_t at = of_round.find("dp_"); at != std::string::npos) {
        of_round.insert(at + 3, absl::StrCat(round, "_"));
      }
      EXPECT_NE(Told(told[i].first, of_round).substr(0, 1), "!");
    }
    EXPECT_EQ(BalanceCents() - before, 1234 - 500 - 300) << round;
  } while (std::next_permutation(told.begin(), told.end()));
  EXPECT_EQ(round, 24u);
  ExpectBooksRight();
}

TEST_F(DisputeEventsTest, StaffAreToldOfDisputes) {
  Pay();
  Execute("TRUNCATE billing.events");
  EXPECT_EQ(Told("charge.dispute.created", DisputeJson("dp_1", 1000)), "ignored dispute_opened");
  EXPECT_EQ(Value("SELECT concat_ws(' ', tenant_id, type, data->>'kind', data->>'dispute_id', "
                  "data->>'amount_cents') FROM billing.events"),
            "7 system.alert dispute_opened dp_1 1000");
  EXPECT_EQ(Told("charge.dispute.closed", DisputeJson("dp_1", 1000)), "ignored dispute_closed");
  EXPECT_EQ(BalanceNanos(), kPaidNanos);
}

}  // namespace
}  // namespace gatehouse::billing
