#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "services/billing/billing_testing.h"
#include "services/billing/hold_sweeper.h"

namespace gatehouse::billing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::int64_t kTenant = 7;

class HoldServiceTest : public BillingTest {
 protected:
  const std::string key_ = UuidV7();

  std::int64_t Settled() { return AccountOf(kTenant).settled().amount_nanos(); }
  std::int64_t Held() { return AccountOf(kTenant).held().amount_nanos(); }
};

TEST_F(HoldServiceTest, ReserveSetsTheEstimateAside) {
  Credit(kTenant, 5 * kJobNanos);
  const auto hold = Reserve(key_, kTenant, 2);
  ASSERT_TRUE(hold.ok()) << hold.status();
  EXPECT_EQ(hold->key(), key_);
  EXPECT_EQ(hold->tenant_id(), kTenant);
  EXPECT_EQ(hold->state(), v1::Hold::STATE_RESERVED);
  EXPECT_EQ(hold->held().amount_nanos(), 2 * kJobNanos);
  EXPECT_EQ(hold->estimate().amount_nanos(), 2 * kJobNanos);
  EXPECT_EQ(hold->held().currency_code(), "USD");
  EXPECT_THAT(hold->warnings(), IsEmpty());
  EXPECT_EQ(Settled(), 5 * kJobNanos);
  EXPECT_EQ(Held(), 2 * kJobNanos);
  ExpectBooksRight();
}

TEST_F(HoldServiceTest, ReserveLastsForItsTimeLimitOnTheDatabasesClock) {
  v1::ReserveRequest request = ReserveRequestOf(key_, kTenant);
  request.set_ttl_seconds(3600);
  const auto hold = Reserve(request);
  ASSERT_TRUE(hold.ok()) << hold.status();
  Execute(absl::StrCat("DO $$ BEGIN ASSERT (SELECT abs(extract(epoch FROM expire_time) - ",
                       hold->expire_time().seconds(), ") <= 1 AND expire_time - now() BETWEEN ",
                       "interval '59 minutes' AND interval '60 minutes' FROM billing.holds); ",
                       "END $$"));
}

TEST_F(HoldServiceTest, ReserveTwiceGivesTheFirstAnswerWhateverHappenedSince) {
  const auto first = Reserve(key_, kTenant);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_THAT(first->warnings(),
              ElementsAre("the reserve is short: 0.00 USD available, 0.02 USD required"));
  const auto expect_first = [&] {
    const auto again = Reserve(key_, kTenant);
    ASSERT_TRUE(again.ok()) << again.status();
    EXPECT_EQ(again->SerializeAsString(), first->SerializeAsString());
  };
  expect_first();
  ASSERT_TRUE(Bind(key_).ok());
  expect_first();
  ASSERT_TRUE(Capture(key_, 1, 1).ok());
  expect_first();
  EXPECT_EQ(Held(), 0);
  ExpectBooksRight();
}

TEST_F(HoldServiceTest, AnotherReserveUnderTheKeyIsRefused) {
  ASSERT_TRUE(Reserve(key_, kTenant, 1).ok());
  const absl::Status other_estimate = Reserve(key_, kTenant, 2).status();
  EXPECT_EQ(other_estimate.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(Reason(other_estimate), "IDEMPOTENCY_KEY_REUSED");
  EXPECT_EQ(Reason(Reserve(key_, kTenant + 1, 1).status()), "IDEMPOTENCY_KEY_REUSED");
  LetExpire(key_);
  EXPECT_EQ(Reason(Reserve(key_, kTenant, 2).status()), "IDEMPOTENCY_KEY_REUSED")
      << "also when the hold has expired";
}

TEST_F(HoldServiceTest, ARefusalIsNotStoredSoThatATopUpCuresIt) {
  SetPolicy(kTenant, v1::Account::POLICY_BLOCK);
  const absl::Status refused = Reserve(key_, kTenant).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Reason(refused), "RESERVE_INSUFFICIENT");
  EXPECT_EQ(ReasonMetadata(refused, "balance_nanos"), "0");
  EXPECT_EQ(ReasonMetadata(refused, "required_nanos"), absl::StrCat(kJobNanos));
  EXPECT_EQ(Reason(Bind(key_).status()), "HOLD_NOT_FOUND");
  Credit(kTenant, kJobNanos);
  EXPECT_TRUE(Reserve(key_, kTenant).ok());
}

TEST_F(HoldServiceTest, ATenantInDebtIsBlocked) {
  SetPolicy(kTenant, v1::Account::POLICY_BLOCK);
  Credit(kTenant, kJobNanos);
  ASSERT_TRUE(Reserve(key_, kTenant).ok());
  const auto captured = Capture(key_, 1, 3);
  ASSERT_TRUE(captured.ok()) << captured.status();
  EXPECT_EQ(captured->amount().amount_nanos(), 3 * kJobNanos) << "measured usage is booked whole";
  EXPECT_EQ(Settled(), -2 * kJobNanos);
  const absl::Status refused = Reserve(UuidV7(), kTenant, 0).status();
  EXPECT_EQ(Reason(refused), "RESERVE_INSUFFICIENT");
  EXPECT_EQ(ReasonMetadata(refused, "balance_nanos"), absl::StrCat(-2 * kJobNanos));
  ExpectBooksRight();
}

TEST_F(HoldServiceTest, DebtIsABookingOfItsOwnAndIsPaidBackFirst) {
  Credit(kTenant, kJobNanos);
  ASSERT_TRUE(Reserve(key_, kTenant).ok());
  ASSERT_TRUE(Capture(key_, 1, 3).ok());
  ExpectSql(absl::StrCat("SELECT count(*) = 1 AND min(amount_nanos) = ", 2 * kJobNanos,
                         " AND min(debit_account) = 'debt' AND min(cause_id::text) = ",
                         "(SELECT entry_id::text FROM billing.captures) ",
                         "FROM billing.ledger_entries WHERE entry_type = 'debt'"));
  Credit(kTenant, 5 * kJobNanos);
  ExpectSql(absl::StrCat("SELECT sum(CASE debit_account WHEN 'debt' THEN amount_nanos ELSE ",
                         "-amount_nanos END) = 0 AND count(*) = 2 ",
                         "FROM billing.ledger_entries WHERE entry_type = 'debt'"));
  EXPECT_EQ(Settled(), 3 * kJobNanos);
  ExpectBooksRight();
}

TEST_F(HoldServiceTest, WhatTheWorkWasForAndHowItEndedIsRecorded) {
  v1::ReserveRequest request = ReserveRequestOf(key_, kTenant);
  request.set_tool("text.stats");
  ASSERT_TRUE(Reserve(request).ok());
  v1::CaptureRequest part = CaptureRequestOf(key_, 1, 1, false);
  part.set_outcome(v1::WORK_OUTCOME_FAILED);
  ASSERT_TRUE(Capture(part).ok());
  ExpectSql(
      "SELECT outcome IS NULL AND end_time IS NULL AND tool = 'text.stats' FROM billing.holds");
  v1::CaptureRequest last = CaptureRequestOf(key_, 2, 1, true);
  last.set_outcome(v1::WORK_OUTCOME_SUCCESS);
  ASSERT_TRUE(Capture(last).ok());
  ASSERT_TRUE(Release(key_, v1::WORK_OUTCOME_CANCELLED).ok());
  ExpectSql(
      "SELECT outcome = 'success' AND end_time BETWEEN create_time AND clock_timestamp() "
      "FROM billing.holds");
  ExpectSql(absl::StrCat("SELECT bool_and(tenant_id = ", kTenant, " AND tool = 'text.stats' AND ",
                         "price_version = 1) AND count(*) = 2 FROM billing.captures"));
}

TEST_F(HoldServiceTest, AReleaseTellsTheOutcomeOfWorkThatCostNothing) {
  ASSERT_TRUE(Reserve(key_, kTenant).ok());
  ASSERT_TRUE(Release(key_).ok());
  ExpectSql("SELECT outcome IS NULL AND end_time IS NULL FROM billing.holds");
  ASSERT_TRUE(Release(key_, v1::WORK_OUTCOME_FAILED).ok());
  ASSERT_TRUE(Release(key_, v1::WORK_OUTCOME_CANCELLED).ok());
  ExpectSql("SELECT outcome = 'failed' AND end_time IS NOT NULL FROM billing.holds");
}

TEST_F(HoldServiceTest, NamesOfEveryKindAreRecordedAsTheyAre) {
  const std::string name = "a\"b\\c\n{},'\xc3\xbc";
  Execute(absl::StrCat(
      "INSERT INTO billing.price_books (version, effective_time) VALUES ",
      "(2, now()); INSERT INTO billing.prices (line_type, resource, version, ",
      "unit_nanos, per_units) VALUES ('per_job', E'a\"b\\\\c\\n{},''\xc3\xbc', 2, 5, 1)"));
  v1::ReserveRequest request = ReserveRequestOf(key_, kTenant);
  request.mutable_estimate(0)->set_resource(name);
  const auto hold = Reserve(request);
  ASSERT_TRUE(hold.ok()) << hold.status();
  ExpectSql(
      "SELECT estimate_lines->0->>'resource' = (SELECT resource FROM billing.prices "
      "WHERE version = 2) FROM billing.holds");
}

TEST_F(HoldServiceTest, LimitedRefusesAboveTheCeiling) {
  SetPolicy(kTenant, v1::Account::POLICY_LIMITED);
  Execute(absl::StrCat("UPDATE billing.accounts SET ceiling_nanos = ", 2 * kJobNanos));
  EXPECT_EQ(Reason(Reserve(key_, kTenant, 3).status()), "ESTIMATE_ABOVE_CEILING");
  const auto hold = Reserve(key_, kTenant, 2);
  ASSERT_TRUE(hold.ok()) << hold.status();
  EXPECT_EQ(hold->warnings_size(), 1);
}

TEST_F(HoldServiceTest, AFreeEstimateIsHeldWithoutMoney) {
  SetPolicy(kTenant, v1::Account::POLICY_BLOCK);
  const auto hold = Reserve(key_, kTenant, 0);
  ASSERT_TRUE(hold.ok()) << hold.status();
  EXPECT_EQ(hold->held().amount_nanos(), 0);
}

TEST_F(HoldServiceTest, UnknownPricesAreRefused) {
  v1::ReserveRequest request = ReserveRequestOf(key_, kTenant);
  request.mutable_estimate(0)->set_resource("text.poems");
  const absl::Status status = Reserve(request).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Reason(status), "PRICE_UNKNOWN");
  ASSERT_TRUE(Reserve(key_, kTenant).ok());
  v1::CaptureRequest capture = CaptureRequestOf(key_, 1, 1, true);
  capture.mutable_usage(0)->set_line_type("per_poem");
  EXPECT_EQ(Reason(Capture(capture).status()), "PRICE_UNKNOWN");
}

TEST_F(HoldServiceTest, PricesFollowTheNewestBookWhoseTimeHasCome) {
  Execute(R"(
    INSERT INTO billing.price_books (version, effective_time) VALUES
      (2, now() - interval '1 minute'), (3, now() + interval '1 hour');
    INSERT INTO billing.prices (line_type, resource, version, unit_nanos, per_units) VALUES
      ('per_job', 'text.stats', 2, 7, 3), ('per_job', 'text.stats', 3, 1, 1);)");
  const auto hold = Reserve(key_, kTenant, 2);
  ASSERT_TRUE(hold.ok()) << hold.status();
  EXPECT_EQ(hold->estimate().amount_nanos(), 5) << "ceil(2 * 7 / 3)";
  Execute("DO $$ BEGIN ASSERT (SELECT price_version = 2 FROM billing.holds); END $$");
}

TEST_F(HoldServiceTest, AnExpiredReserveGivesBackAndIsDecidedAnew) {
  SetPolicy(kTenant, v1::Account::POLICY_BLOCK);
  Credit(kTenant, kJobNanos);
  ASSERT_TRUE(Reserve(key_, kTenant).ok());
  LetExpire(key_);
  EXPECT_EQ(*ExpireHolds(db_), 1);
  EXPECT_EQ(*ExpireHolds(db_), 0);
  EXPECT_EQ(Held(), 0);
  ASSERT_TRUE(Reserve(UuidV7(), kTenant).ok()) << "the money is free again";
  EXPECT_EQ(Reason(Reserve(key_, kTenant).status()), "RESERVE_INSUFFICIENT") << "decided anew";
  Credit(kTenant, kJobNanos);
  const auto again = Reserve(key_, kTenant);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->state(), v1::Hold::STATE_RESERVED);
  EXPECT_EQ(Held(), 2 * kJobNanos);
  EXPECT_EQ(*ExpireHolds(db_), 0) << "with a new time limit";
  ExpectBooksRight();
}

TEST_F(HoldServiceTest, AnOverdueReserveThatNobodySweptYetIsDecidedAnew) {
  SetPolicy(kTenant, v1::Account::POLICY_BLOCK);
  Credit(kTenant, kJobNanos);
  ASSERT_TRUE(Reserve(key_, kTenant).ok());
  LetExpire(key_);
  ASSERT_TRUE(Reserve(key_, kTenant).ok()) << "its own money is given back first";
  EXPECT_EQ(Held(), kJobNanos);
  EXPECT_EQ(*ExpireHolds(db_), 0);
  ExpectBooksRight();
}

TEST_F(HoldServiceTest, AReleasedReserveIsDecidedAnewUnlessItWasBound) {
  SetPolicy(kTenant, v1::Account::POLICY_BLOCK);
  Credit(kTenant, kJobNanos);
  const std::string other = UuidV7();
  ASSERT_TRUE(Reserve(key_, kTenant).ok());
  ASSERT_TRUE(Release(key_).ok());
  ASSERT_TRUE(Reserve(other, kTenant).ok());
  EXPECT_EQ(Reason(Reserve(key_, kTenant).status()), "RESERVE_INSUFFICIENT");
  ASSERT_TRUE(Bind(other).ok());
  ASSERT_TRUE(Release(other).ok());
  EXPECT_TRUE(Reserve(other, kTenant).ok());
  EXPECT_EQ(Held(), 0) << "the first answer again, and nothing held";
}

TEST_F(HoldServiceTest, BindEndsTheTimeLimit) {
  ASSERT_TRUE(Reserve(key_, kTenant).ok());
  const auto bound = Bind(key_);
  ASSERT_TRUE(bound.ok()) << bound.status();
  EXPECT_EQ(bound->state(), v1::Hold::STATE_BOUND);
  LetExpire(key_);
  EXPECT_EQ(*ExpireHolds(db_), 0);
  EXPECT_TRUE(Bind(key_).ok());
  EXPECT_EQ(Held(), kJobNanos);
}

TEST_F(HoldServiceTest, BindHoldsAnewWhateverThePolicySays) {
  SetPolicy(kTenant, v1::Account::POLICY_BLOCK);
  Credit(kTenant, kJobNanos);
  ASSERT_TRUE(Reserve(key_, kTenant).ok());
  LetExpire(key_);
  ASSERT_EQ(*ExpireHolds(db_), 1);
  ASSERT_TRUE(Reserve(UuidV7(), kTenant).ok());
  const auto bound = Bind(key_);
  ASSERT_TRUE(bound.ok()) << bound.status();
  EXPECT_EQ(bound->held().amount_nanos(), kJobNanos);
  EXPECT_EQ(AccountOf(kTenant).available().amount_nanos(), -kJobNanos);
  ExpectBooksRight();
}

TEST_F(HoldServiceTest, PartialCapturesThenTheFinalOneGivesBackTheRest) {
  Credit(kTenant, 10 * kJobNanos);
  ASSERT_TRUE(Reserve(key_, kTenant, 6).ok());
  const auto part = Capture(key_, 1, 2, false);
  ASSERT_TRUE(part.ok()) << part.status();
  EXPECT_EQ(part->amount().amount_nanos(), 2 * kJobNanos);
  EXPECT_EQ(part->hold().held().amount_nanos(), 4 * kJobNanos);
  EXPECT_EQ(part->hold().captured().amount_nanos(), 2 * kJobNanos);
  EXPECT_NE(part->ledger_entry_id(), "");
  const auto last = Capture(key_, 2, 1, true);
  ASSERT_TRUE(last.ok()) << last.status();
  EXPECT_EQ(last->hold().state(), v1::Hold::STATE_CAPTURED);
  EXPECT_EQ(last->hold().captured().amount_nanos(), 3 * kJobNanos);
  EXPECT_EQ(Held(), 0);
  EXPECT_EQ(Settled(), 7 * kJobNanos);
  EXPECT_EQ(Reason(Capture(key_, 3, 1).status()), "HOLD_CLOSED");
  EXPECT_EQ(Reason(Capture(key_, 3, 0).status()), "HOLD_CLOSED");
  ExpectBooksRight();
}

TEST_F(HoldServiceTest, CaptureTwiceGivesTheFirstAnswer) {
  ASSERT_TRUE(Reserve(key_, kTenant, 3).ok());
  const auto first = Capture(key_, 1, 1, false);
  ASSERT_TRUE(first.ok()) << first.status();
  ASSERT_TRUE(Capture(key_, 2, 1, true).ok());
  const auto again = Capture(key_, 1, 1, false);
  ASSERT_TRUE(again.ok()) << "also after the final one: " << again.status();
  EXPECT_EQ(again->SerializeAsString(), first->SerializeAsString());
  const absl::Status other = Capture(key_, 1, 2, false).status();
  EXPECT_EQ(other.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(Reason(other), "IDEMPOTENCY_KEY_REUSED");
  EXPECT_EQ(Settled(), -2 * kJobNanos);
}

TEST_F(HoldServiceTest, AFreeFinalCaptureMakesNoEntry) {
  ASSERT_TRUE(Reserve(key_, kTenant).ok());
  const auto captured = Capture(key_, 0, 0);
  ASSERT_TRUE(captured.ok()) << captured.status();
  EXPECT_EQ(captured->ledger_entry_id(), "");
  EXPECT_EQ(captured->amount().amount_nanos(), 0);
  EXPECT_EQ(captured->hold().state(), v1::Hold::STATE_CAPTURED);
  EXPECT_EQ(Held(), 0);
  ExpectBooksRight();
  Execute("DO $$ BEGIN ASSERT (SELECT count(*) = 0 FROM billing.ledger_entries); END $$");
}

TEST_F(HoldServiceTest, CaptureIsLegalAfterReleaseAndExpiry) {
  const std::string expired = UuidV7();
  ASSERT_TRUE(Reserve(key_, kTenant).ok());
  ASSERT_TRUE(Release(key_).ok());
  EXPECT_TRUE(Capture(key_, 1, 1).ok());
  ASSERT_TRUE(Reserve(expired, kTenant).ok());
  LetExpire(expired);
  ASSERT_EQ(*ExpireHolds(db_), 1);
  EXPECT_TRUE(Capture(expired, 1, 1).ok());
  EXPECT_EQ(Settled(), -2 * kJobNanos);
  EXPECT_EQ(Held(), 0);
  ExpectBooksRight();
}

TEST_F(HoldServiceTest, ReleaseGivesBackOnceAndDoesNothingAfterTheFinalCapture) {
  const std::string captured = UuidV7();
  ASSERT_TRUE(Reserve(key_, kTenant).ok());
  EXPECT_EQ(Release(key_)->state(), v1::Hold::STATE_RELEASED);
  EXPECT_EQ(Release(key_)->state(), v1::Hold::STATE_RELEASED);
  ASSERT_TRUE(Reserve(captured, kTenant).ok());
  ASSERT_TRUE(Capture(captured, 1, 1).ok());
  EXPECT_EQ(Release(captured)->state(), v1::Hold::STATE_CAPTURED);
  EXPECT_EQ(Held(), 0);
  ExpectBooksRight();
}

TEST_F(HoldServiceTest, UnknownKeysAreNotFound) {
  for (const absl::Status& status :
       {Bind(key_).status(), Release(key_).status(), Capture(key_, 1, 1).status()}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
    EXPECT_EQ(Reason(status), "HOLD_NOT_FOUND");
  }
  EXPECT_EQ(Reason(Bind("job 1").status()), "REQUEST_INVALID");
}

TEST_F(HoldServiceTest, TheDecisionAndItsLinesAreRecorded) {
  ASSERT_TRUE(Reserve(key_, kTenant).ok());
  ASSERT_TRUE(Capture(key_, 1, 2).ok());
  Execute(R"(DO $$ BEGIN
    ASSERT (SELECT policy = 'warn' AND decision = 'warned' AND
      decision_reason LIKE 'the reserve is short%' AND price_version = 1 AND
      estimate_lines = '[{"line_type": "per_job", "resource": "text.stats", "quantity": 1,
                          "amount_nanos": 20000000}]' FROM billing.holds);
    ASSERT (SELECT usage_lines->0->>'amount_nanos' = '40000000' FROM billing.captures);
    ASSERT (SELECT price_version = 1 AND notes = '2 per_job of text.stats'
      FROM billing.ledger_entries WHERE entry_type = 'usage');
    END $$)");
}

}  // namespace
}  // namespace gatehouse::billing
