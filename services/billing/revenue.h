// Recurring revenue by customer: movements, days and cohorts, made of how the amounts of
// their subscriptions changed. Pure and in whole numbers. A customer is a tenant. Not
// prepaid usage, which is never recurring (revenue_store.h).
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "libs/base/clock.h"

namespace gatehouse::billing {

// Lists of these are in the order of tenants, then times; each tenant's changes begin at
// 0 and never add up to less.
struct RevenueChange {
  std::int64_t tenant_id = 0;
  Time time = {};
  std::int64_t delta_cents = 0;  // A year.
};

// Whole cents a year. End = Start + New + Reactivation + Expansion − Contraction − Churn.
// Each customer is in one class, by its amounts before the start and before the end.
struct Movement {
  std::int64_t start_cents = 0;
  std::int64_t new_cents = 0;           // From 0, and never paid before the start.
  std::int64_t reactivation_cents = 0;  // From 0, having paid once.
  std::int64_t expansion_cents = 0;
  std::int64_t contraction_cents = 0;
  std::int64_t churn_cents = 0;  // To 0.
  std::int64_t end_cents = 0;
  std::int64_t customers_start = 0;
  std::int64_t customers_end = 0;
  std::int64_t customers_new = 0;  // Not there at the start.
  std::int64_t customers_churned = 0;
};

// What a change at `end` itself did belongs to the next period.
Movement MovementOf(const std::vector<RevenueChange>& changes, Time start, Time end);

// part / whole in millionths, rounded down and at most INT64_MAX; nullopt without a whole.
std::optional<std::int64_t> Ppm(std::int64_t part, std::int64_t whole);

// (Churn + Contraction) / Start, and (Start + Expansion − Contraction − Churn) / Start.
std::optional<std::int64_t> GrossChurnPpm(const Movement& movement);
std::optional<std::int64_t> NetRetentionPpm(const Movement& movement);

// A twelfth, rounded half up: for display.
std::int64_t MonthlyCents(std::int64_t annual_cents);

// At the end of a day.
struct RevenueDay {
  std::int64_t annual_cents = 0;
  std::int64_t customers = 0;
};
std::vector<RevenueDay> DailyRevenue(const std::vector<RevenueChange>& changes, Time start,
                                     std::size_t days);

// Customers who first paid in the same month of UTC.
struct Cohort {
  Time month = {};  // Its first moment.
  std::int64_t customers = 0;
  // How many of them pay at the end of that month, of the next, … and now.
  std::vector<std::int64_t> active = {};
};
// Of the last `months` months, that of `now` included; oldest first. No change is behind
// `now`.
std::vector<Cohort> CohortsOf(const std::vector<RevenueChange>& changes, Time now, int months);

}  // namespace gatehouse::billing
