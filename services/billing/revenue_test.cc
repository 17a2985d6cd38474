#include "services/billing/revenue.h"

#include <gtest/gtest.h>

#include <random>

#include "libs/base/time_text.h"

namespace gatehouse::billing {
namespace {

Time At(const std::string& day) { return *ParseTime(day + "T00:00:00Z"); }

const Time kStart = At("2026-11-01");
const Time kEnd = At("2026-12-01");

Movement Of(const std::vector<RevenueChange>& changes) { return MovementOf(changes, kStart, kEnd); }

TEST(MovementTest, EachCustomerIsInOneClass) {
  const Movement moved = Of({{1, At("2026-11-10"), 1200},  // New.
                             {2, At("2026-01-01"), 600},   // Left once, is back.
                             {2, At("2026-02-01"), -600},
                             {2, At("2026-11-20"), 700},
                             {3, At("2026-01-01"), 1000},  // Pays more.
                             {3, At("2026-11-02"), 500},
                             {4, At("2026-01-01"), 2000},  // Pays less.
                             {4, At("2026-11-02"), -300},
                             {5, At("2026-01-01"), 400},  // Leaves.
                             {5, At("2026-11-02"), -400},
                             {6, At("2026-01-01"), 50},   // Stays.
                             {7, At("2026-12-01"), 9}});  // Comes later.
  EXPECT_EQ(moved.start_cents, 3450);
  EXPECT_EQ(moved.new_cents, 1200);
  EXPECT_EQ(moved.reactivation_cents, 700);
  EXPECT_EQ(moved.expansion_cents, 500);
  EXPECT_EQ(moved.contraction_cents, 300);
  EXPECT_EQ(moved.churn_cents, 400);
  EXPECT_EQ(moved.end_cents, 5150);
  EXPECT_EQ(moved.customers_start, 4);
  EXPECT_EQ(moved.customers_new, 2);
  EXPECT_EQ(moved.customers_churned, 1);
  EXPECT_EQ(moved.customers_end, 5);
  EXPECT_EQ(GrossChurnPpm(moved), 700 * 1'000'000 / 3450);
  EXPECT_EQ(NetRetentionPpm(moved), 3250LL * 1'000'000 / 3450);
}

TEST(MovementTest, OnlyTheNetMovementOfThePeriodCounts) {
  const Movement moved = Of({{1, At("2026-11-02"), 1000},  // Came, left and came again.
                             {1, At("2026-11-03"), -1000},
                             {1, At("2026-11-04"), 300},
                             {2, At("2026-10-01"), 500},  // Left and came again.
                             {2, At("2026-11-02"), -500},
                             {2, At("2026-11-03"), 500},
                             {3, At("2026-11-02"), 10},  // Came and left.
                             {3, At("2026-11-03"), -10}});
  EXPECT_EQ(moved.new_cents, 300);
  EXPECT_EQ(moved.reactivation_cents + moved.churn_cents + moved.expansion_cents, 0);
  EXPECT_EQ(moved.customers_new, 1);
  EXPECT_EQ(moved.customers_churned, 0);
  EXPECT_EQ(moved.end_cents, 800);
}

TEST(MovementTest, TheStartBelongsToThePeriodAndTheEndToTheNext) {
  const std::vector<RevenueChange> changes = {{1, kStart, 100}, {2, kEnd, 100}};
  EXPECT_EQ(Of(changes).start_cents, 0);
  EXPECT_EQ(Of(changes).new_cents, 100);
  EXPECT_EQ(Of(changes).end_cents, 100);
}

TEST(MovementTest, WithoutAStartThereAreNoRates) {
  const Movement moved = Of({{1, At("2026-11-10"), 1200}});
  EXPECT_EQ(GrossChurnPpm(moved), std::nullopt);
  EXPECT_EQ(NetRetentionPpm(moved), std::nullopt);
  EXPECT_EQ(Ppm(moved.customers_churned, moved.customers_start), std::nullopt);
  EXPECT_EQ(Of({}).end_cents, 0);
}

TEST(PpmTest, IsRoundedDownAndNeverOverflows) {
  EXPECT_EQ(Ppm(1, 3), 333'333);
  EXPECT_EQ(Ppm(-1, 3), -333'334);
  EXPECT_EQ(Ppm(2, 2), 1'000'000);
  EXPECT_EQ(Ppm(0, 5), 0);
  EXPECT_EQ(Ppm(1, 0), std::nullopt);
  EXPECT_EQ(Ppm(INT64_MAX, 1), INT64_MAX);
  EXPECT_EQ(Ppm(INT64_MAX, INT64_MAX), 1'000'000);
}

TEST(MonthlyCentsTest, IsRoundedHalfUp) {
  EXPECT_EQ(MonthlyCents(0), 0);
  EXPECT_EQ(MonthlyCents(5), 0);
  EXPECT_EQ(MonthlyCents(6), 1);
  EXPECT_EQ(MonthlyCents(12'000), 1000);
  EXPECT_EQ(MonthlyCents(12'005), 1000);
  EXPECT_EQ(MonthlyCents(12'006), 1001);
}

// Any history: tenants whose amounts never fall below nothing.
std::vector<RevenueChange> SomeHistory(std::mt19937& random) {
  const auto below = [&](int limit) {
    return std::uniform_int_distribution<int>(0, limit - 1)(random);
  };
  std::vector<RevenueChange> changes;
  for (int tenant = 1; tenant <= 8; ++tenant) {
    std::int64_t cents = 0;
    Time time = kStart - std::chrono::days(40);
    for (int i = below(6); i > 0; --i) {
      time += std::chrono::hours(1 + below(500));
      const std::int64_t next = below(3) == 0 ? 0 : below(1000);
      if (next == cents) continue;
      changes.push_back({tenant, time, next - cents});
      cents = next;
    }
  }
  return changes;
}

TEST(MovementTest, TheIdentityHoldsForAnyHistory) {
  std::mt19937 random(20261121);
  for (int i = 0; i < 2000; ++i) {
    const std::vector<RevenueChange> changes = SomeHistory(random);
    const Movement moved = Of(changes);
    EXPECT_EQ(moved.end_cents, moved.start_cents + moved.new_cents + moved.reactivation_cents +
                                   moved.expansion_cents - moved.contraction_cents -
                                   moved.churn_cents);
    std::int64_t end = 0;
    for (const RevenueChange& change : changes) end += change.time < kEnd ? change.delta_cents : 0;
    EXPECT_EQ(moved.end_cents, end);
    const std::vector<RevenueDay> days = DailyRevenue(changes, kStart, 30);
    EXPECT_EQ(days.back().annual_cents, moved.end_cents);
    EXPECT_EQ(days.back().customers, moved.customers_end);
  }
}

TEST(DailyRevenueTest, ADayHasWhatHoldsAtItsEnd) {
  const std::vector<RevenueDay> days =
      DailyRevenue({{1, At("2026-10-01"), 100},
                    {1, At("2026-11-02") + std::chrono::hours(12), 50},
                    {2, At("2026-11-02"), 30},
                    {2, At("2026-11-03"), -30}},
                   kStart, 3);
  ASSERT_EQ(days.size(), 3u);
  EXPECT_EQ(days[0].annual_cents, 100);
  EXPECT_EQ(days[1].annual_cents, 180);
  EXPECT_EQ(days[1].customers, 2);
  EXPECT_EQ(days[2].annual_cents, 150);
  EXPECT_EQ(days[2].customers, 1);
  EXPECT_TRUE(DailyRevenue({}, kStart, 0).empty());
}

TEST(CohortsTest, CustomersAreFollowedFromTheirFirstMonth) {
  const std::vector<Cohort> cohorts = CohortsOf({{1, At("2026-06-01"), 10},  // Before the first.
                                                 {2, At("2026-09-30"), 10},
                                                 {3, At("2026-09-01"), 10},
                                                 {3, At("2026-10-01"), -10},
                                                 {4, At("2026-10-05"), 10},
                                                 {4, At("2026-10-06"), -10},
                                                 {4, At("2026-11-03"), 10}},
                                                At("2026-11-21"), 3);
  ASSERT_EQ(cohorts.size(), 3u);
  EXPECT_EQ(cohorts[0].month, At("2026-09-01"));
  EXPECT_EQ(cohorts[0].customers, 2);
  EXPECT_EQ(cohorts[0].active, (std::vector<std::int64_t>{2, 1, 1}))
      << "what ends with the next month has lasted this one";
  EXPECT_EQ(cohorts[1].month, At("2026-10-01"));
  EXPECT_EQ(cohorts[1].customers, 1);
  EXPECT_EQ(cohorts[1].active, (std::vector<std::int64_t>{0, 1}));
  EXPECT_EQ(cohorts[2].customers, 0);
  EXPECT_EQ(cohorts[2].active, (std::vector<std::int64_t>{0}));
}

TEST(CohortsTest, MonthsGoBackOverTheYear) {
  const std::vector<Cohort> cohorts = CohortsOf({{1, At("2025-12-31"), 10}}, At("2026-01-15"), 2);
  ASSERT_EQ(cohorts.size(), 2u);
  EXPECT_EQ(cohorts[0].month, At("2025-12-01"));
  EXPECT_EQ(cohorts[1].month, At("2026-01-01"));
  EXPECT_EQ(cohorts[0].active, (std::vector<std::int64_t>{1, 1}));
}

}  // namespace
}  // namespace gatehouse::billing
