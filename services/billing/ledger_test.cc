#include "services/billing/ledger.h"

#include "gmock/gmock.h"
#include "libs/base/uuid.h"

namespace gatehouse::billing {
namespace {

using ::testing::SizeIs;

// An account, what is booked on it, and what that makes of its accounts.
class LedgerTest : public ::testing::Test {
 protected:
  LedgerTest() { account_.tenant_id = 7; }

  std::string Post(std::int64_t amount_nanos) {
    rows_.clear();
    return Book({.entry_type = amount_nanos > 0 ? "topup" : "usage",
                 .counter_account = amount_nanos > 0 ? kStripeClearing : kRevenue,
                 .amount_nanos = amount_nanos,
                 .notes = "x"},
                &account_, &rows_);
  }

  // The rows' sum over one account, credits less debits.
  void Tally() {
    for (const LedgerRow& row : rows_) {
      EXPECT_GT(row.amount_nanos, 0);
      for (const auto& [name, sign] :
           {std::pair(row.credit_account, 1), std::pair(row.debit_account, -1)}) {
        if (name == "reserve") reserve_ += sign * row.amount_nanos;
        if (name == "debt") debt_ -= sign * row.amount_nanos;
      }
    }
  }

  Account account_;
  std::vector<LedgerRow> rows_;
  std::int64_t reserve_ = 0;
  std::int64_t debt_ = 0;
};

TEST_F(LedgerTest, APostingIsOneTransferWithTheNextNumber) {
  account_.entry_count = 4;
  const std::string id = Post(100);
  ASSERT_THAT(rows_, SizeIs(1));
  EXPECT_EQ(rows_[0].id, id);
  EXPECT_TRUE(IsUuid(id));
  EXPECT_EQ(rows_[0].tenant_id, 7);
  EXPECT_EQ(rows_[0].entry_number, 5);
  EXPECT_EQ(rows_[0].debit_account, "stripe_clearing");
  EXPECT_EQ(rows_[0].credit_account, "reserve");
  EXPECT_EQ(rows_[0].amount_nanos, 100);
  EXPECT_EQ(rows_[0].balance_after_nanos, 100);
  EXPECT_EQ(rows_[0].cause_id, "");
  EXPECT_EQ(account_.settled_nanos, 100);
  EXPECT_EQ(account_.entry_count, 5);
  Post(-30);
  ASSERT_THAT(rows_, SizeIs(1));
  EXPECT_EQ(rows_[0].debit_account, "reserve");
  EXPECT_EQ(rows_[0].credit_account, "revenue");
  EXPECT_EQ(rows_[0].amount_nanos, 30);
  EXPECT_EQ(rows_[0].balance_after_nanos, 70);
}

TEST_F(LedgerTest, WhatIsMissingIsLentByARowOfItsOwn) {
  account_.settled_nanos = 70;
  const std::string id = Post(-100);
  ASSERT_THAT(rows_, SizeIs(2));
  EXPECT_EQ(rows_[1].posting.entry_type, "debt");
  EXPECT_EQ(rows_[1].entry_number, 0);
  EXPECT_EQ(rows_[1].debit_account, "debt");
  EXPECT_EQ(rows_[1].credit_account, "reserve");
  EXPECT_EQ(rows_[1].amount_nanos, 30);
  EXPECT_EQ(rows_[1].balance_after_nanos, -30) << "reserve less debt";
  EXPECT_EQ(rows_[1].cause_id, id);
  EXPECT_NE(rows_[1].id, id);
  EXPECT_EQ(account_.entry_count, 1) << "it has no number";
  EXPECT_EQ(account_.settled_nanos, -30);
}

TEST_F(LedgerTest, MoneyThatComesInPaysDebtBackFirst) {
  account_.settled_nanos = -30;
  Post(20);
  ASSERT_THAT(rows_, SizeIs(2)) << "partly";
  EXPECT_EQ(rows_[1].debit_account, "reserve");
  EXPECT_EQ(rows_[1].credit_account, "debt");
  EXPECT_EQ(rows_[1].amount_nanos, 20);
  EXPECT_EQ(rows_[1].balance_after_nanos, -10);
  Post(100);
  ASSERT_THAT(rows_, SizeIs(2)) << "the rest";
  EXPECT_EQ(rows_[1].amount_nanos, 10);
  EXPECT_EQ(account_.settled_nanos, 90);
  Post(1);
  EXPECT_THAT(rows_, SizeIs(1)) << "nothing is owed any more";
}

TEST_F(LedgerTest, ReserveIsNeverBelowZeroAndDebtIsWhatIsOwed) {
  for (const std::int64_t amount : {50, -80, -20, 10, 40, -1, 1, -200, 500, -300, -1, 1}) {
    Post(amount);
    Tally();
    EXPECT_EQ(reserve_, std::max<std::int64_t>(account_.settled_nanos, 0)) << amount;
    EXPECT_EQ(debt_, std::max<std::int64_t>(-account_.settled_nanos, 0)) << amount;
  }
}

}  // namespace
}  // namespace gatehouse::billing
