// Refunds and disputes: what is taken back of a payment, told in any order and often.
#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
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

TEST_F(DisputeEventsTest, ARefundBeforeItsCreditWaitsForIt) {
  const std::string ours =
      ChargeJson(200, "pi_1", R"({"purpose":"reserve_topup","tenant_id":"7"})");
  const std::string refund = EventText("evt_refund", kRefunded, ours);
  EXPECT_EQ(Word(Post(refund)), "!EVENT_FAILED");
  EXPECT_EQ(Kept("evt_refund"),
            "failed 1 PAYMENT_NOT_CREDITED_YET: payment pi_1 has not been credited yet");
  Pay();
  EXPECT_EQ(Word(Post(refund)), "processed -200");
  EXPECT_EQ(Word(Post(refund)), "skipped already_processed");
  EXPECT_EQ(BalanceCents(), 1034);
  ExpectBooksRight();
}

TEST_F(DisputeEventsTest, WhatIsNotOursIsIgnored) {
  EXPECT_EQ(Told(kRefunded, ChargeJson(200, "pi_shoes")), "ignored not_reserve_topup");
  EXPECT_EQ(Told(kRefunded, R"({"id":"ch_1","payment_intent":null})"), "ignored not_reserve_topup");
  for (const char* type : {kWithdrawn, kReinstated, "charge.dispute.created"}) {
    EXPECT_EQ(Told(type, DisputeJson("dp_1", 200, "pi_shoes")), "ignored not_reserve_topup");
  }
  EXPECT_EQ(Value("SELECT count(*) FROM billing.events"), "0");
}

TEST_F(DisputeEventsTest, ADisputeWaitsForACreditThatHasFailed) {
  Refuse(kTenant, true);
  const std::string paid = EventText("evt_paid", kCompleted, SessionText().ToJson());
  const std::string lost = EventText("evt_lost", kWithdrawn, DisputeJson("dp_1", 1234));
  EXPECT_EQ(Word(Post(paid)), "!EVENT_FAILED");
  EXPECT_EQ(Word(Post(lost)), "!EVENT_FAILED");
  Refuse(kTenant, false);
  EXPECT_EQ(Word(Post(lost)), "!EVENT_FAILED");
  EXPECT_EQ(Word(Post(paid)), "processed 1234");
  EXPECT_EQ(Word(Post(lost)), "processed -1234");
  EXPECT_EQ(BalanceNanos(), 0);
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
// told: 1234 less the refund of 500 and the open dispute of 300.
TEST_F(DisputeEventsTest, TheOrderOfTellingDoesNotMatter) {
  std::vector<std::pair<const char*, std::string>> told = {
      {kRefunded, ChargeJson(500)},
      {kWithdrawn, DisputeJson("dp_1", 1234)},
      {kReinstated, DisputeJson("dp_1", 1234)},
      {kWithdrawn, DisputeJson("dp_2", 300)},
  };
  std::sort(told.begin(), told.end());
  int round = 0;
  do {
    const std::int64_t before = BalanceCents();
    const std::string intent = absl::StrCat("pi_round_", ++round);
    ASSERT_EQ(Told(kCompleted, SessionText{.id = absl::StrCat("cs_", round),
                                           .payment_intent = "\"" + intent + "\""}
                                   .ToJson()),
              "processed 1234");
    for (const auto& [type, object] : told) {
      std::string of_round = object;
      of_round.replace(of_round.find("pi_1"), 4, intent);
      if (const std::size_t at = of_round.find("dp_"); at != std::string::npos) {
        of_round.insert(at + 3, absl::StrCat(round, "_"));
      }
      const std::string word = Told(type, of_round);
      EXPECT_EQ(word.substr(0, 9), "processed") << word;
    }
    EXPECT_EQ(BalanceCents() - before, 1234 - 500 - 300) << round;
  } while (std::next_permutation(told.begin(), told.end()));
  EXPECT_EQ(round, 24);
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
