#include "services/billing/low_balance.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "services/billing/billing_testing.h"

namespace gatehouse::billing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::int64_t kTenantId = 7;
constexpr std::int64_t kDollar = 1'000'000'000;  // The threshold is five of them.

class LowBalanceTest : public BillingTest {
 protected:
  // "tenant type subject kind balance threshold" of every event, in order.
  std::vector<std::string> Told() {
    const auto told = db_.Read([](pg::Tx& tx) -> absl::StatusOr<std::vector<std::string>> {
      std::vector<std::string> lines;
      for (const pqxx::row& row : tx.exec(R"(
SELECT concat_ws(' ', tenant_id, user_id || type, subject, data->>'kind', data->>'balance_cents',
                 data->>'threshold_cents')
FROM billing.events ORDER BY transaction_id, sequence)")) {
        lines.push_back(row[0].as<std::string>());
      }
      return lines;
    });
    EXPECT_TRUE(told.ok()) << told.status();
    return told.value_or(std::vector<std::string>());
  }

  void Book(std::int64_t jobs, std::int64_t number = 1) {
    const std::string key = UuidV7();
    ASSERT_TRUE(Reserve(key, kTenantId, jobs).ok());
    ASSERT_TRUE(Bind(key).ok());
    ASSERT_TRUE(Capture(key, number, jobs).ok());
  }
};

TEST_F(LowBalanceTest, ACaptureThatCrossesTheThresholdTellsOnce) {
  Credit(kTenantId, 5 * kDollar);
  EXPECT_THAT(Told(), IsEmpty());
  Book(1);
  EXPECT_THAT(Told(), ElementsAre("7 system.alert account/7 low_balance 498 500"));
  Book(1);
  EXPECT_EQ(Told().size(), 1U) << "it was below already";
}

TEST_F(LowBalanceTest, ItIsToldAgainAfterMoneyCameIn) {
  Credit(kTenantId, 5 * kDollar);
  Book(1);
  Credit(kTenantId, kDollar);
  Book(49);
  EXPECT_EQ(Told().size(), 1U) << "exactly the threshold is not below it";
  Book(1);
  EXPECT_EQ(Told().size(), 2U);
}

TEST_F(LowBalanceTest, ADebitByStaffTellsToo) {
  Credit(kTenantId, 6 * kDollar);
  Credit(kTenantId, -10 * kDollar);
  EXPECT_THAT(Told(), ElementsAre("7 system.alert account/7 low_balance -400 500"));
}

TEST_F(LowBalanceTest, ARepeatedCallTellsNothingTwice) {
  Credit(kTenantId, 5 * kDollar);
  const auto debit = AdjustRequestOf(kTenantId, -kDollar);
  ASSERT_TRUE(accounts_.AdjustBalance(debit).ok());
  ASSERT_TRUE(accounts_.AdjustBalance(debit).ok());
  EXPECT_EQ(Told().size(), 1U);
}

TEST_F(LowBalanceTest, WhatIsOnlySetAsideAndWhatIsLowFromTheBeginningTellNothing) {
  Credit(kTenantId, 5 * kDollar);
  ASSERT_TRUE(Reserve(UuidV7(), kTenantId, 10).ok());
  EXPECT_THAT(Told(), IsEmpty());
  Credit(8, kDollar);
  Credit(8, -kDollar);
  EXPECT_THAT(Told(), IsEmpty());
}

}  // namespace
}  // namespace gatehouse::billing
