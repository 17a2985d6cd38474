#include "services/billing/ledger_audit.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "services/billing/billing_testing.h"

namespace gatehouse::billing {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr std::int64_t kTenant = 7;

class LedgerAuditTest : public BillingTest {
 protected:
  void SetUp() override {
    Credit(kTenant, 5 * kJobNanos);
    ASSERT_TRUE(Reserve(key_, kTenant, 2).ok());
    ASSERT_TRUE(Capture(key_, 1, 1, false).ok());
    ASSERT_TRUE(Capture(key_, 2, 1, false).ok());
    Credit(kTenant + 1, 3);
    ASSERT_NO_FATAL_FAILURE(ExpectBooksRight());
  }

  std::vector<std::string> Differences() {
    const absl::StatusOr<LedgerReport> report = VerifyLedger(db_);
    EXPECT_TRUE(report.ok()) << report.status();
    return report.ok() ? report->differences : std::vector<std::string>{};
  }

  // One answer for each booking by hand, as adjustment.cc keeps it.
  void KeepAnswers() {
    Execute(R"(
      DELETE FROM billing.idempotency_keys;
      INSERT INTO billing.idempotency_keys (scope, key, request_hash, response)
      SELECT CASE entry_type WHEN 'reversal' THEN 'reverse' ELSE 'adjust' END, gen_random_uuid(),
        sha256(''), '\x0a260a24'::bytea || convert_to(id::text, 'UTF8')
      FROM billing.ledger_entries WHERE entry_type IN ('adjustment', 'reversal'))");
  }

  const std::string key_ = UuidV7();
};

TEST_F(LedgerAuditTest, CountsWhatIsRight) {
  const absl::StatusOr<LedgerReport> report = VerifyLedger(db_);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_THAT(report->differences, IsEmpty());
  EXPECT_EQ(report->accounts, 2);
  EXPECT_EQ(report->entries, 4);
  EXPECT_EQ(report->sealed, 4);
}

TEST_F(LedgerAuditTest, SealsEachEntryOnce) {
  EXPECT_EQ(*pg::Seal(db_, LedgerChain(), 1000), 0);
  Credit(kTenant, 1);
  EXPECT_EQ(*pg::Seal(db_, LedgerChain(), 1000), 1);
}

TEST_F(LedgerAuditTest, FindsATamperedAmount) {
  Execute(
      "UPDATE billing.ledger_entries SET amount_nanos = amount_nanos + 1 "
      "WHERE tenant_id = 7 AND entry_number = 3");
  const std::vector<std::string> differences = Differences();
  EXPECT_THAT(differences, Contains(HasSubstr("tenant 7: the balance is 60000000")));
  EXPECT_THAT(differences, Contains(HasSubstr("capture 2 of hold")));
  EXPECT_THAT(differences, Contains(HasSubstr("instead of zero")));
}

TEST_F(LedgerAuditTest, FindsTamperingThatAddsUpByTheChain) {
  Execute("UPDATE billing.ledger_entries SET notes = 'a gift' WHERE entry_number = 1");
  const std::vector<std::string> differences = Differences();
  EXPECT_THAT(differences, ::testing::SizeIs(1)) << "only the chain can tell";
}

TEST_F(LedgerAuditTest, FindsARemovedEntry) {
  Execute("DELETE FROM billing.ledger_entries WHERE tenant_id = 8");
  const std::vector<std::string> differences = Differences();
  EXPECT_THAT(differences, Contains(HasSubstr("tenant 8: 1 entries are counted, 0 are there")));
  EXPECT_THAT(differences, Contains(HasSubstr("tenant 8: the balance is 3")));
}

TEST_F(LedgerAuditTest, FindsAnEntryThatWasSlippedInLater) {
  Execute(R"(
    INSERT INTO billing.ledger_entries (id, tenant_id, entry_number, debit_account, credit_account,
      amount_nanos, entry_type, balance_after_nanos, notes, create_time, transaction_id)
    SELECT '00000000-0000-7000-8000-000000000001', 8, 2, 'adjustments', 'reserve', 5,
      'adjustment', 8, 'slipped in', create_time, transaction_id
    FROM billing.ledger_entries WHERE tenant_id = 8;
    UPDATE billing.accounts SET settled_nanos = 8, entry_count = 2 WHERE tenant_id = 8)");
  EXPECT_THAT(Differences(), Contains(HasSubstr("not sealed")));
  Execute("UPDATE billing.ledger_entries SET transaction_id = '0' WHERE notes = 'slipped in'");
  EXPECT_THAT(Differences(), Contains(HasSubstr("not sealed")));
}

TEST_F(LedgerAuditTest, FindsAChangedBalance) {
  Execute("UPDATE billing.accounts SET settled_nanos = 4 WHERE tenant_id = 8");
  EXPECT_THAT(Differences(),
              Contains(HasSubstr("tenant 8: the balance is 4, its entries add up to 3")));
}

TEST_F(LedgerAuditTest, FindsHeldMoneyWithoutAHold) {
  Execute("UPDATE billing.accounts SET held_nanos = 5 WHERE tenant_id = 8");
  EXPECT_THAT(Differences(), Contains(HasSubstr("tenant 8: 5 is held, its holds add up to 0")));
}

TEST_F(LedgerAuditTest, FindsARemovedCapture) {
  Execute("DELETE FROM billing.captures WHERE capture_number = 1");
  const std::vector<std::string> differences = Differences();
  EXPECT_THAT(differences, Contains(HasSubstr(absl::StrCat("hold ", key_, ": 40000000 in 2"))));
  EXPECT_THAT(differences, Contains(HasSubstr("capture  of hold ")))
      << "the usage entry has no capture";
}

TEST_F(LedgerAuditTest, FindsADebtThatWasLeftOut) {
  Credit(kTenant + 1, -10);
  ASSERT_NO_FATAL_FAILURE(ExpectBooksRight());
  Execute("UPDATE billing.ledger_entries SET amount_nanos = 8 WHERE entry_type = 'debt'");
  EXPECT_THAT(Differences(), Contains(HasSubstr("the debt grows by 7 with it, 8 is booked")));
  Execute("DELETE FROM billing.ledger_entries WHERE entry_type = 'debt'");
  const std::vector<std::string> differences = Differences();
  EXPECT_THAT(differences, Contains(HasSubstr("the debt grows by 7 with it, 0 is booked in 0")));
  EXPECT_THAT(differences,
              Contains(HasSubstr("tenant 8: the balance is -7, its reserve adds up to -7")));
}

TEST_F(LedgerAuditTest, FindsADebtOfAnotherEntry) {
  Credit(kTenant + 1, -10);
  Execute(
      "UPDATE billing.ledger_entries SET cause_id = gen_random_uuid() "
      "WHERE entry_type = 'debt'");
  const std::vector<std::string> differences = Differences();
  EXPECT_THAT(differences, Contains(HasSubstr("the debt grows by 7 with it, 0 is booked in 0")));
  EXPECT_THAT(differences, Contains(HasSubstr("7 is booked in 1 rows")));
}

TEST_F(LedgerAuditTest, FindsAReversalOfTooMuchAndOfAnotherTenant) {
  Execute(R"(
    INSERT INTO billing.ledger_entries (id, tenant_id, entry_number, debit_account, credit_account,
      amount_nanos, entry_type, balance_after_nanos, notes, reverses)
    SELECT gen_random_uuid(), 8, 2, 'reserve', 'adjustments', 2, 'reversal', 1, '', id
    FROM billing.ledger_entries WHERE tenant_id = 8;
    INSERT INTO billing.ledger_entries (id, tenant_id, entry_number, debit_account, credit_account,
      amount_nanos, entry_type, balance_after_nanos, notes, reverses)
    SELECT gen_random_uuid(), 8, 3, 'reserve', 'adjustments', 1, 'reversal', 0, '', id
    FROM billing.ledger_entries WHERE tenant_id = 8 AND entry_number = 1;
    UPDATE billing.accounts SET settled_nanos = 0, entry_count = 3 WHERE tenant_id = 8)");
  KeepAnswers();
  EXPECT_THAT(Differences(), IsEmpty());
  Execute(
      "UPDATE billing.ledger_entries SET reverses = (SELECT id FROM billing.ledger_entries "
      "WHERE tenant_id = 7 AND entry_number = 1) WHERE tenant_id = 8 AND entry_number = 3");
  EXPECT_THAT(Differences(), Contains(HasSubstr("which is adjustment of tenant 7")));
  Execute(
      "UPDATE billing.ledger_entries SET amount_nanos = 2, reverses = (SELECT id "
      "FROM billing.ledger_entries WHERE tenant_id = 8 AND entry_number = 1) "
      "WHERE tenant_id = 8 AND entry_number = 3");
  EXPECT_THAT(Differences(), Contains(HasSubstr("reversals take back 4 of its 3")));
}

TEST_F(LedgerAuditTest, FindsAPaymentOfWhichTooMuchIsTakenBack) {
  Execute(R"(
    UPDATE billing.ledger_entries SET entry_type = 'topup', debit_account = 'stripe_clearing'
    WHERE tenant_id = 8;
    INSERT INTO billing.stripe_payments (payment_intent_id, tenant_id, entry_id, amount_nanos)
    SELECT 'pi_1', 8, id, 3 FROM billing.ledger_entries WHERE tenant_id = 8;
    INSERT INTO billing.ledger_entries (id, tenant_id, entry_number, debit_account, credit_account,
      amount_nanos, entry_type, balance_after_nanos, notes, reverses)
    SELECT gen_random_uuid(), 8, 2, 'reserve', 'stripe_clearing', 2, 'refund', 1, '', id
    FROM billing.ledger_entries WHERE tenant_id = 8;
    INSERT INTO billing.ledger_entries (id, tenant_id, entry_number, debit_account, credit_account,
      amount_nanos, entry_type, balance_after_nanos, notes, reverses)
    SELECT gen_random_uuid(), 8, 3, 'reserve', 'stripe_clearing', 1, 'reversal', 0, '', id
    FROM billing.ledger_entries WHERE tenant_id = 8 AND entry_number = 1;
    UPDATE billing.accounts SET settled_nanos = 0, entry_count = 3 WHERE tenant_id = 8)");
  EXPECT_THAT(Differences(), Not(Contains(HasSubstr("is taken back"))));
  Execute(
      "UPDATE billing.ledger_entries SET amount_nanos = 2 "
      "WHERE tenant_id = 8 AND entry_number = 3");
  EXPECT_THAT(Differences(), Contains(HasSubstr("4 of its 3 is taken back")));
}

TEST_F(LedgerAuditTest, FindsAPaymentWithoutItsEntryAndTheOtherWayRound) {
  Execute(
      "INSERT INTO billing.stripe_payments (payment_intent_id, tenant_id, entry_id, "
      "amount_nanos) VALUES ('pi_1', 8, gen_random_uuid(), 5)");
  EXPECT_THAT(Differences(), Contains(HasSubstr("payment pi_1 of tenant 8 is 5")));
  Execute(
      "DELETE FROM billing.stripe_payments;"
      "UPDATE billing.ledger_entries SET entry_type = 'topup', "
      "debit_account = 'stripe_clearing' WHERE tenant_id = 8");
  EXPECT_THAT(Differences(), Contains(HasSubstr("payment  of tenant  is , its entry")));
}

TEST_F(LedgerAuditTest, WhatIsNotSealedYetIsNoDifferenceHoweverOld) {
  Credit(kTenant + 1, 1);
  Execute(
      "UPDATE billing.ledger_entries SET create_time = now() - interval '1 day' "
      "WHERE tenant_id = 8 AND entry_number = 2");
  EXPECT_THAT(Differences(), IsEmpty());
  Credit(kTenant + 1, 2);
  ASSERT_TRUE(SealLedger(db_).ok());
  Execute(
      "DELETE FROM billing.ledger_chain c USING billing.ledger_entries e WHERE e.id = c.row_id "
      "AND e.tenant_id = 8 AND e.entry_number = 2");
  EXPECT_THAT(Differences(), Contains(HasSubstr("it is not sealed"))) << "it was passed over";
}

TEST_F(LedgerAuditTest, SealingGoesOnUntilNothingIsNew) {
  Credit(kTenant, 1);
  Credit(kTenant, 2);
  ASSERT_TRUE(SealLedger(db_).ok());
  const absl::StatusOr<LedgerReport> report = VerifyLedger(db_);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->sealed, 6);
  EXPECT_EQ(report->entries, 6);
}

TEST_F(LedgerAuditTest, FindsAHoldThatHoldsMoreThanTheRestOfItsEstimate) {
  const std::string key = UuidV7();
  ASSERT_TRUE(Reserve(key, kTenant, 2).ok());
  ASSERT_TRUE(Bind(key).ok());
  ASSERT_TRUE(Capture(key, 1, 1, false).ok());
  ASSERT_NO_FATAL_FAILURE(ExpectBooksRight());
  // The sums agree.
  Execute(absl::StrCat("UPDATE billing.holds SET held_nanos = held_nanos + 5 WHERE key = '", key,
                       "'; UPDATE billing.accounts SET held_nanos = held_nanos + 5 "
                       "WHERE tenant_id = 7"));
  EXPECT_THAT(Differences(), ElementsAre(HasSubstr(absl::StrCat("hold ", key, ": 20000005 is"))));
}

TEST_F(LedgerAuditTest, FindsABookingByHandWithoutItsAnswerAndTheOtherWayRound) {
  const auto given = accounts_.AdjustBalance(AdjustRequestOf(kTenant, 7), "ada");
  ASSERT_TRUE(given.ok()) << given.status();
  v1::ReverseEntryRequest reverse;
  reverse.set_entry_id(given->entry().id());
  reverse.set_reason("a test");
  reverse.set_idempotency_key(UuidV7());
  const auto taken = accounts_.ReverseEntry(reverse);
  ASSERT_TRUE(taken.ok()) << taken.status();
  ASSERT_NO_FATAL_FAILURE(ExpectBooksRight());
  Execute("UPDATE billing.idempotency_keys SET scope = 'adjust' WHERE scope = 'reverse'");
  EXPECT_THAT(Differences(), ElementsAre(HasSubstr(absl::StrCat(
                                 "it names entry ", taken->entry().id(), ", which is no adj"))));
  Execute(absl::StrCat("DELETE FROM billing.idempotency_keys WHERE key = '",
                       reverse.idempotency_key(), "'"));
  EXPECT_THAT(Differences(), ElementsAre(absl::StrCat("entry ", taken->entry().id(),
                                                      ": no answer to the request for this "
                                                      "reversal is kept")));
  KeepAnswers();
  EXPECT_THAT(Differences(), IsEmpty());
  Execute(
      "INSERT INTO billing.idempotency_keys (scope, key, request_hash, response) "
      "VALUES ('adjust', gen_random_uuid(), sha256(''), 'nonsense')");
  EXPECT_THAT(Differences(), ElementsAre(HasSubstr("answer to adjust ")));
}

// By the words of the statement that sealed entries before there were further columns.
TEST_F(LedgerAuditTest, OldEntriesKeepTheTextThatWasSealed) {
  Credit(kTenant, -1'000'000'000);
  ASSERT_NO_FATAL_FAILURE(ExpectBooksRight());
  ExpectSql(R"(WITH texts AS (
    SELECT c.position, c.hash, sha256(
      coalesce(lag(c.hash) OVER (ORDER BY c.position), decode(repeat('00', 32), 'hex')) ||
      convert_to(jsonb_build_array(e.id, e.tenant_id, e.entry_number, e.debit_account,
        e.credit_account, e.amount_nanos, e.entry_type, e.balance_after_nanos, e.job_id,
        e.price_version, e.notes, e.reverses,
        (extract(epoch FROM e.create_time) * 1000000)::bigint)::text, 'UTF8')) AS expected,
      e.entry_type
    FROM billing.ledger_chain c JOIN billing.ledger_entries e ON e.id = c.row_id)
    SELECT count(*) = 6 AND bool_and((hash = expected) = (entry_type <> 'debt')) FROM texts)");
}

TEST_F(LedgerAuditTest, LateTransactionsAreSealedInTheirOrder) {
  // One that has begun to write holds back those that began later, so none is passed over.
  pg::Database slow(db_.options());
  const absl::Status booked = slow.InTransaction([&](pg::Tx& tx) {
    tx.exec("SELECT pg_current_xact_id()");
    Credit(kTenant, 1);
    EXPECT_EQ(*pg::Seal(db_, LedgerChain(), 1000), 0);
    return absl::OkStatus();
  });
  ASSERT_TRUE(booked.ok()) << booked;
  EXPECT_EQ(*pg::Seal(db_, LedgerChain(), 1000), 1);
}

TEST_F(LedgerAuditTest, SealingGoesOnAfterARestoreIntoAYoungerCluster) {
  // As if all of it had been booked by transactions that are still to come there.
  Credit(kTenant, 5);
  Credit(kTenant + 1, -10);
  Execute(
      "UPDATE billing.ledger_entries SET transaction_id = "
      "(transaction_id::text::bigint + 1000000)::text::xid8");
  EXPECT_EQ(*pg::Seal(db_, LedgerChain(), 1000), 0);
  Credit(kTenant, 6);
  EXPECT_EQ(*pg::Seal(db_, LedgerChain(), 1000), 0) << "it is behind what was sealed last";
  const std::string incarnation = "(SELECT incarnation FROM billing.feed)";
  Execute("CREATE TABLE billing.before_test AS SELECT " + incarnation + " AS incarnation");
  Execute("SELECT billing.after_restore()");
  ExpectSql("SELECT " + incarnation + " = incarnation + 1 FROM billing.before_test");
  Execute("DROP TABLE billing.before_test");
  EXPECT_EQ(*pg::Seal(db_, LedgerChain(), 1000), 4);
  Credit(kTenant, 7);
  ExpectBooksRight();
}

TEST_F(LedgerAuditTest, TheSealerSealsByItself) {
  LedgerSealer sealer(db_);
  Credit(kTenant, 1);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (std::chrono::steady_clock::now() < deadline) {
    const absl::StatusOr<LedgerReport> report = VerifyLedger(db_);
    ASSERT_TRUE(report.ok()) << report.status();
    if (report->sealed == report->entries) return;
  }
  FAIL() << "the new entry was not sealed in time";
}

}  // namespace
}  // namespace gatehouse::billing
