#include "services/gateway/metrics_json.h"

#include <optional>

#include "gatehouse/billing/v1/revenue.pb.h"
#include "libs/base/time_text.h"
#include "libs/rpc/timestamp.h"
#include "services/gateway/cents.h"
#include "services/gateway/json_writer.h"
#include "services/gateway/text.h"

namespace gatehouse::gateway {
namespace {

namespace bill = billing::v1;

// Rates are millionths.
constexpr int kRatePlaces = 6;
constexpr std::size_t kDateSize = 10;
constexpr std::size_t kMonthSize = 7;

std::string DateText(Time time) { return FormatTime(time).substr(0, kDateSize); }

// "<name>_cents" and "<name>_dollars".
void WriteCents(const std::string& name, std::int64_t cents, JsonWriter& json) {
  json.Field(name + "_cents", cents).Key(name + "_dollars").Raw(DollarsText(cents));
}

void WriteMoney(const std::string& name, const type::v1::Money& money, JsonWriter& json) {
  WriteCents(name, FloorCents(money.amount_nanos()), json);
}

void WriteRate(const char* name, bool present, std::int64_t ppm, JsonWriter& json) {
  json.Key(name).Raw(present ? DecimalText(ppm, kRatePlaces) : "null");
}

void WriteRates(const bill::RevenueMovement& moved, JsonWriter& json) {
  WriteRate("churn_rate", moved.has_logo_churn_ppm(), moved.logo_churn_ppm(), json);
  WriteRate("gross_churn_rate", moved.has_gross_churn_ppm(), moved.gross_churn_ppm(), json);
  WriteRate("nrr", moved.has_net_retention_ppm(), moved.net_retention_ppm(), json);
}

// Cents a year.
void WriteMovement(const bill::RevenueMovement& moved, JsonWriter& json) {
  json.Field("arr_start", moved.start_annual_cents()).Field("new", moved.new_annual_cents());
  json.Field("reactivation", moved.reactivation_annual_cents());
  json.Field("expansion", moved.expansion_annual_cents());
  json.Field("contraction", moved.contraction_annual_cents());
  json.Field("churn", moved.churn_annual_cents()).Field("arr_end", moved.end_annual_cents());
}

void WriteFlat(const bill::RevenueSummary& summary, JsonWriter& json) {
  json.Field("mrr", summary.mrr_cents()).Key("mrr_dollars").Raw(DollarsText(summary.mrr_cents()));
  json.Field("arr", summary.arr_cents()).Key("arr_dollars").Raw(DollarsText(summary.arr_cents()));
  WriteRates(summary.movement(), json);
  WriteMovement(summary.movement(), json);
}

void WriteCustomers(const bill::RevenueSummary& summary, JsonWriter& json) {
  const bill::RevenueMovement& moved = summary.movement();
  json.Key("customers").BeginObject();
  json.Field("start", moved.customers_start()).Field("new", moved.customers_new());
  json.Field("churned", moved.customers_churned()).Field("end", moved.customers_end());
  json.Field("prepaid_active", summary.prepaid().active_tenants());
  json.Field("prepaid_churned", summary.prepaid().churned_tenants()).EndObject();
}

void WriteJobs(const bill::WorkFigures& work, JsonWriter& json) {
  json.Key("jobs").BeginObject().Field("total", work.total()).Field("success", work.success());
  json.Field("failed", work.failed()).Field("cancelled", work.cancelled());
  WriteRate("failure_rate", work.has_failure_ppm(), work.failure_ppm(), json);
  json.EndObject();
}

void WriteFinancial(const bill::RevenueSummary& summary, JsonWriter& json) {
  const bill::PrepaidFigures& prepaid = summary.prepaid();
  json.Key("financial").BeginObject().Field("currency", "USD");
  WriteCents("mrr", summary.mrr_cents(), json);
  WriteCents("arr", summary.arr_cents(), json);
  WriteRates(summary.movement(), json);
  WriteMovement(summary.movement(), json);
  WriteMoney("usage", prepaid.usage(), json);
  WriteMoney("usage_trailing_30_days", prepaid.usage_trailing_30_days(), json);
  WriteMoney("topups", prepaid.topups(), json);
  WriteMoney("refunds", prepaid.refunds(), json);
  WriteMoney("adjustments", prepaid.adjustments(), json);
  json.EndObject();
}

void WriteLatest(const bill::RevenueSummary& summary, JsonWriter& json) {
  const std::int64_t annual = summary.current_annual_cents();
  json.Key("latest_snapshot").BeginObject();
  json.TimeField("created_at", summary.has_create_time(), summary.create_time());
  // A twelfth, rounded half up, as the period's.
  WriteCents("mrr", annual / 12 + (annual % 12 >= 6 ? 1 : 0), json);
  WriteCents("arr", annual, json);
  json.EndObject();
}

void WritePeriod(const DateRange& period, JsonWriter& json) {
  json.Key("period").BeginObject().Field("start", FormatTime(period.start));
  json.Field("end", FormatTime(period.end)).EndObject();
}

// "2 of 3" in millionths, rounded down.
std::string ShareText(std::int64_t part, std::int64_t whole) {
  constexpr std::int64_t kMillion = 1'000'000;
  return whole == 0 ? "null" : DecimalText(part * kMillion / whole, kRatePlaces);
}

}  // namespace

std::string SummaryJson(const bill::RevenueSummary& summary, const DateRange& period) {
  JsonWriter json;
  json.BeginObject();
  WriteFlat(summary, json);
  json.Key("summary").BeginObject();
  WritePeriod(period, json);
  WriteCustomers(summary, json);
  json.NullField("engagement").NullField("activation");
  WriteJobs(summary.work(), json);
  WriteFinancial(summary, json);
  json.EndObject();
  WriteLatest(summary, json);
  json.Key("alerts").BeginArray();
  for (const bill::Alert& alert : summary.alerts()) {
    json.BeginObject().Field("kind", alert.kind()).Field("message", alert.message()).EndObject();
  }
  return json.EndArray().EndObject().Take();
}

std::string SeriesJson(const MetricSeries& series, const DateRange& period) {
  JsonWriter json;
  json.BeginObject().Field("metric", series.metric);
  json.Field("unit", series.cents ? "cents" : "count");
  WritePeriod(period, json);
  json.Key("series").BeginArray();
  Time day = period.start;
  for (const std::int64_t value : series.values) {
    json.BeginObject().Field("date", DateText(day)).Field("value", value).EndObject();
    day += std::chrono::days(1);
  }
  return json.EndArray().EndObject().Take();
}

std::string CohortsJson(const bill::GetCohortsResponse& cohorts) {
  JsonWriter json;
  json.BeginObject().Key("cohorts").BeginArray();
  for (const bill::Cohort& cohort : cohorts.cohorts()) {
    const std::string month = FormatTime(rpc::FromTimestamp(cohort.month()));
    json.BeginObject().Field("month", month.substr(0, kMonthSize));
    json.Field("customers", cohort.customers());
    std::string active;
    std::string retention;
    for (const std::int64_t count : cohort.active()) {
      const char* const comma = active.empty() ? "" : ",";
      active += comma + std::to_string(count);
      retention += comma + ShareText(count, cohort.customers());
    }
    json.Key("active").Raw("[" + active + "]").Key("retention").Raw("[" + retention + "]");
    json.EndObject();
  }
  return json.EndArray().EndObject().Take();
}

std::string LevelsJson(const bill::AlertLevels& levels) {
  JsonWriter json;
  json.BeginObject();
  WriteRate("churn_rate", true, levels.logo_churn_ppm(), json);
  WriteRate("mrr_drop_rate", true, levels.mrr_drop_ppm(), json);
  WriteRate("failed_jobs_rate", true, levels.failed_work_ppm(), json);
  return json.Field("negative_accounts", levels.negative_accounts()).EndObject().Take();
}

std::string SeriesCsv(const std::vector<MetricSeries>& series, Time start) {
  std::string csv = "Date";
  for (const MetricSeries& one : series) csv += "," + one.metric + (one.cents ? "_cents" : "");
  csv += "\r\n";
  const std::size_t days = series.empty() ? 0 : series.front().values.size();
  for (std::size_t day = 0; day < days; ++day) {
    csv += DateText(start + std::chrono::days(day));
    for (const MetricSeries& one : series) csv += "," + std::to_string(one.values.at(day));
    csv += "\r\n";
  }
  return csv;
}

}  // namespace gatehouse::gateway
