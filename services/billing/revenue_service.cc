#include "services/billing/revenue_service.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

#include "gatehouse/billing/v1/revenue.methods.h"
#include "libs/rpc/timestamp.h"
#include "services/billing/money.h"
#include "services/billing/revenue_store.h"
#include "services/billing/revenue_summary.h"

namespace gatehouse::billing {
namespace {

using std::chrono::days;

constexpr days kPeriodMax{3653};
constexpr days kSeriesMax{1100};
constexpr std::int64_t kMillion = 1'000'000;
constexpr int kCohortsDefault = 6;
constexpr int kCohortsMax = 60;

absl::Status PeriodInvalid(const std::string& why) {
  return Error(absl::StatusCode::kInvalidArgument, "PERIOD_INVALID", why);
}

// Of whole units.
template <typename Request>
absl::StatusOr<UsagePeriod> CheckPeriod(const Request& request, std::chrono::hours unit,
                                        days longest) {
  UsagePeriod period{.tenant_id = request.tenant_id()};
  if (request.tenant_id() < 0) return PeriodInvalid("tenant_id must not be negative");
  if (!request.has_start_time() || !request.has_end_time()) {
    return PeriodInvalid("start_time and end_time are required");
  }
  period.start = rpc::FromTimestamp(request.start_time());
  period.end = rpc::FromTimestamp(request.end_time());
  if (period.start < Time() || period.start >= period.end || period.end - period.start > longest) {
    return PeriodInvalid("a period must begin in 1970 or later, before its end, and be at most " +
                         std::to_string(longest.count()) + " days long");
  }
  if (period.start.time_since_epoch() % unit != Time::duration(0) ||
      period.end.time_since_epoch() % unit != Time::duration(0)) {
    return PeriodInvalid("a period must be of whole " +
                         std::string(unit == days(1) ? "days" : "hours") + " of UTC");
  }
  return period;
}

// What the statements of one answer see is one moment.
void FixSnapshot(pg::Tx& tx) {
  tx.exec0("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY");
}

absl::StatusOr<v1::RevenueSummary> Summarize(pg::Tx& tx, const UsagePeriod& period) {
  FixSnapshot(tx);
  if (!HasRecordsBefore(tx, period.tenant_id, period.end)) {
    return Error(absl::StatusCode::kNotFound, "NO_DATA", "nothing is known of this period");
  }
  SummaryFigures figures;
  figures.now = FindNow(tx);
  const std::vector<RevenueChange> changes =
      ListRevenueChanges(tx, period.tenant_id, std::max(period.end, figures.now));
  figures.movement = MovementOf(changes, period.start, period.end);
  figures.current_cents = MovementOf(changes, Time(), figures.now).end_cents;
  GH_ASSIGN_OR_RETURN(figures.usage, UsageTotals(tx, period));
  UsagePeriod trailing = period;
  trailing.start = period.end - days(30);
  GH_ASSIGN_OR_RETURN(const UsageFigures trailing_usage, UsageTotals(tx, trailing));
  figures.trailing_usage_nanos = trailing_usage.cost_nanos;
  GH_ASSIGN_OR_RETURN(figures.ledger, SumLedger(tx, period));
  figures.churned_tenants = CountChurnedTenants(tx, period.tenant_id, period.end);
  GH_ASSIGN_OR_RETURN(figures.work, WorkTotals(tx, period));
  figures.negative_accounts = CountNegativeAccounts(tx, period.tenant_id);
  figures.levels = FindAlertLevels(tx);
  return ToSummary(figures);
}

using Values = std::vector<std::int64_t>;

std::size_t DaysOf(const UsagePeriod& period) {
  return static_cast<std::size_t>((period.end - period.start) / days(1));
}

// Puts what days have into their places.
template <typename Day, typename Value>
absl::StatusOr<Values> Spread(const absl::StatusOr<std::vector<Day>>& found,
                              const UsagePeriod& period, const Value& value) {
  if (!found.ok()) return found.status();
  Values values(DaysOf(period));
  for (const Day& day : *found) {
    values.at(static_cast<std::size_t>((day.day - period.start) / days(1))) = value(day);
  }
  return values;
}

template <typename Value>
absl::StatusOr<Values> RevenueValues(pg::Tx& tx, const UsagePeriod& period, const Value& value) {
  Values values;
  const std::vector<RevenueChange> changes = ListRevenueChanges(tx, period.tenant_id, period.end);
  for (const RevenueDay& day : DailyRevenue(changes, period.start, DaysOf(period))) {
    values.push_back(value(day));
  }
  return values;
}

absl::StatusOr<Values> Mrr(pg::Tx& tx, const UsagePeriod& period) {
  return RevenueValues(tx, period,
                       [](const RevenueDay& day) { return MonthlyCents(day.annual_cents); });
}

absl::StatusOr<Values> Arr(pg::Tx& tx, const UsagePeriod& period) {
  return RevenueValues(tx, period, [](const RevenueDay& day) { return day.annual_cents; });
}

absl::StatusOr<Values> Customers(pg::Tx& tx, const UsagePeriod& period) {
  return RevenueValues(tx, period, [](const RevenueDay& day) { return day.customers; });
}

absl::StatusOr<Values> Usage(pg::Tx& tx, const UsagePeriod& period) {
  return Spread(DailyUsage(tx, period), period,
                [](const UsageDay& day) { return FloorCents(day.cost_nanos); });
}

absl::StatusOr<Values> ActiveTenants(pg::Tx& tx, const UsagePeriod& period) {
  return Spread(DailyUsage(tx, period), period,
                [](const UsageDay& day) { return day.active_tenants; });
}

absl::StatusOr<Values> Topups(pg::Tx& tx, const UsagePeriod& period) {
  return Spread(DailyLedger(tx, period), period,
                [](const LedgerFigures& day) { return FloorCents(day.topup_nanos); });
}

absl::StatusOr<Values> Refunds(pg::Tx& tx, const UsagePeriod& period) {
  return Spread(DailyLedger(tx, period), period,
                [](const LedgerFigures& day) { return FloorCents(day.refund_nanos); });
}

absl::StatusOr<Values> Jobs(pg::Tx& tx, const UsagePeriod& period) {
  return Spread(DailyWork(tx, period), period, [](const WorkDay& day) {
    return day.work.success + day.work.failed + day.work.cancelled;
  });
}

absl::StatusOr<Values> FailedJobs(pg::Tx& tx, const UsagePeriod& period) {
  return Spread(DailyWork(tx, period), period, [](const WorkDay& day) { return day.work.failed; });
}

struct Metric {
  std::string_view name;
  bool cents;
  absl::StatusOr<Values> (*read)(pg::Tx&, const UsagePeriod&);
};
constexpr std::array<Metric, 9> kMetrics = {{{"mrr", true, Mrr},
                                             {"arr", true, Arr},
                                             {"customers", false, Customers},
                                             {"usage", true, Usage},
                                             {"topups", true, Topups},
                                             {"refunds", true, Refunds},
                                             {"jobs", false, Jobs},
                                             {"jobs_failed", false, FailedJobs},
                                             {"active_tenants", false, ActiveTenants}}};

absl::Status LevelInvalid(const std::string& field, const std::string& problem) {
  return WithFieldViolation(Error(absl::StatusCode::kInvalidArgument, "LEVEL_INVALID",
                                  "a rate must be 0 to 1000000 ppm and a count not negative"),
                            field, problem);
}

absl::Status CheckLevels(const AlertLevels& levels) {
  for (const auto& [field, ppm] : {std::pair("logo_churn_ppm", levels.logo_churn_ppm),
                                   std::pair("mrr_drop_ppm", levels.mrr_drop_ppm),
                                   std::pair("failed_work_ppm", levels.failed_work_ppm)}) {
    if (ppm < 0 || ppm > kMillion) return LevelInvalid(field, "must be 0 to 1000000");
  }
  if (levels.negative_accounts >= 0) return absl::OkStatus();
  return LevelInvalid("negative_accounts", "must not be negative");
}

void Change(const v1::UpdateAlertLevelsRequest& request, AlertLevels* levels) {
  if (request.has_logo_churn_ppm()) levels->logo_churn_ppm = request.logo_churn_ppm();
  if (request.has_mrr_drop_ppm()) levels->mrr_drop_ppm = request.mrr_drop_ppm();
  if (request.has_failed_work_ppm()) levels->failed_work_ppm = request.failed_work_ppm();
  if (request.has_negative_accounts()) levels->negative_accounts = request.negative_accounts();
}

}  // namespace

RevenueService::RevenueService(pg::Database& db) : db_(db), rpc_(v1::RevenueService::kFullName) {
  const rpc::Policy by_gateway{.callers = {"gateway"}};
  using Methods = v1::RevenueService;
  rpc_.Unary(Methods::kGetSummary, by_gateway,
             [this](rpc::Call&, const auto& request) { return GetSummary(request); });
  rpc_.Unary(Methods::kGetTimeseries, by_gateway,
             [this](rpc::Call&, const auto& request) { return GetTimeseries(request); });
  rpc_.Unary(Methods::kGetCohorts, by_gateway,
             [this](rpc::Call&, const auto& request) { return GetCohorts(request); });
  rpc_.Unary(Methods::kGetAlertLevels, by_gateway,
             [this](rpc::Call&, const auto& request) { return GetAlertLevels(request); });
  rpc_.Unary(Methods::kUpdateAlertLevels, by_gateway,
             [this](rpc::Call&, const auto& request) { return UpdateAlertLevels(request); });
}

absl::StatusOr<v1::RevenueSummary> RevenueService::GetSummary(
    const v1::GetSummaryRequest& request) {
  GH_ASSIGN_OR_RETURN(const UsagePeriod period,
                      CheckPeriod(request, std::chrono::hours(1), kPeriodMax));
  return db_.InTransaction([&](pg::Tx& tx) { return Summarize(tx, period); });
}

absl::StatusOr<v1::GetTimeseriesResponse> RevenueService::GetTimeseries(
    const v1::GetTimeseriesRequest& request) {
  const auto metric = std::find_if(kMetrics.begin(), kMetrics.end(),
                                   [&](const Metric& one) { return one.name == request.metric(); });
  if (metric == kMetrics.end()) {
    return Error(absl::StatusCode::kInvalidArgument, "METRIC_UNKNOWN",
                 "metric must be mrr, arr, customers, usage, topups, refunds, jobs, jobs_failed "
                 "or active_tenants");
  }
  GH_ASSIGN_OR_RETURN(const UsagePeriod period, CheckPeriod(request, days(1), kSeriesMax));
  // One statement each.
  GH_ASSIGN_OR_RETURN(const Values values,
                      db_.Read([&](pg::Tx& tx) { return metric->read(tx, period); }));
  v1::GetTimeseriesResponse response;
  response.mutable_values()->Assign(values.begin(), values.end());
  response.set_cents(metric->cents);
  return response;
}

absl::StatusOr<v1::GetCohortsResponse> RevenueService::GetCohorts(
    const v1::GetCohortsRequest& request) {
  if (request.months() < 0 || request.months() > kCohortsMax) {
    return PeriodInvalid("months must be 1 to 60");
  }
  const int months = request.months() == 0 ? kCohortsDefault : request.months();
  GH_ASSIGN_OR_RETURN(const std::vector<Cohort> cohorts,
                      db_.InTransaction([&](pg::Tx& tx) -> absl::StatusOr<std::vector<Cohort>> {
                        FixSnapshot(tx);
                        const Time now = FindNow(tx);
                        return CohortsOf(ListRevenueChanges(tx, 0, now), now, months);
                      }));
  v1::GetCohortsResponse response;
  for (const Cohort& cohort : cohorts) {
    v1::Cohort& proto = *response.add_cohorts();
    *proto.mutable_month() = rpc::ToTimestamp(cohort.month);
    proto.set_customers(cohort.customers);
    proto.mutable_active()->Assign(cohort.active.begin(), cohort.active.end());
  }
  return response;
}

absl::StatusOr<v1::AlertLevels> RevenueService::GetAlertLevels(const v1::GetAlertLevelsRequest&) {
  return db_.Read(
      [](pg::Tx& tx) -> absl::StatusOr<v1::AlertLevels> { return ToProto(FindAlertLevels(tx)); });
}

absl::StatusOr<v1::AlertLevels> RevenueService::UpdateAlertLevels(
    const v1::UpdateAlertLevelsRequest& request) {
  // Done twice, it changes nothing the second time.
  return pg::RepeatInDoubt([&] {
    return db_.InTransaction([&](pg::Tx& tx) -> absl::StatusOr<v1::AlertLevels> {
      AlertLevels levels = LockAlertLevels(tx);
      Change(request, &levels);
      GH_RETURN_IF_ERROR(CheckLevels(levels));
      SaveAlertLevels(tx, levels);
      return ToProto(levels);
    });
  });
}

}  // namespace gatehouse::billing
