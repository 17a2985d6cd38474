#include "services/billing/ledger_audit.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "services/billing/billing_testing.h"

namespace gatehouse::billing {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

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
      amount_nanos, entry_type, balance_after_nanos, notes, create_time)
    VALUES ('00000000-0000-7000-8000-000000000001', 8, 2, 'adjustments', 'reserve', 5,
      'adjustment', 8, 'slipped in', now() - interval '1 hour');
    UPDATE billing.accounts SET settled_nanos = 8, entry_count = 2 WHERE tenant_id = 8)");
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
