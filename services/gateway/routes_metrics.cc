// Metrics of the business, for staff.
#include <array>
#include <memory>
#include <utility>
#include <vector>

#include "gatehouse/billing/v1/revenue.methods.h"
#include "libs/base/time_text.h"
#include "libs/rpc/timestamp.h"
#include "services/gateway/audited_call.h"
#include "services/gateway/date_range.h"
#include "services/gateway/metrics_json.h"
#include "services/gateway/routes.h"
#include "services/gateway/text.h"

namespace gatehouse::gateway {
namespace {

namespace bill = billing::v1;
using bill::RevenueService;

constexpr std::array<const char*, 9> kMetrics = {"mrr",   "arr",         "customers",
                                                 "usage", "topups",      "refunds",
                                                 "jobs",  "jobs_failed", "active_tenants"};
constexpr int kRatePlaces = 6;
constexpr std::int64_t kRateMax = 1'000'000;
constexpr std::int64_t kAccountsMax = 1'000'000'000;

// Whose figures, and of when.
struct Selection {
  std::int64_t tenant_id = 0;  // 0: all.
  DateRange period;
};

Selection ReadSelection(Query& query, std::chrono::hours unit) {
  Selection selection;
  selection.period = Widened(ReadDateRange(query), unit);
  if (!query.Text("tenant")) return selection;
  selection.tenant_id = query.Number("tenant", 0, 0, INT64_MAX);
  if (selection.tenant_id < 1) query.Note("tenant", "must be a positive integer");
  return selection;
}

template <typename Request>
Request RequestOf(const Selection& selection) {
  Request request;
  *request.mutable_start_time() = rpc::ToTimestamp(selection.period.start);
  *request.mutable_end_time() = rpc::ToTimestamp(selection.period.end);
  request.set_tenant_id(selection.tenant_id);
  return request;
}

absl::StatusOr<Selection> ReadPeriod(const RequestContext& context, std::chrono::hours unit) {
  GH_ASSIGN_OR_RETURN(Query query, context.Arguments());
  const Selection selection = ReadSelection(query, unit);
  GH_RETURN_IF_ERROR(query.Finish());
  return selection;
}

// That these figures were looked at.
auth::v1::AuditEvent MakeAccessEvent(const RequestContext& context, const std::string& action,
                                     const Selection& selection) {
  JsonWriter details;
  details.BeginObject().Field("action", action);
  details.Field("start", FormatTime(selection.period.start));
  details.Field("end", FormatTime(selection.period.end)).EndObject();
  auto event = MakeAuditEvent(context, "billing_access", "metrics", details.Take());
  event.set_tenant_id(selection.tenant_id);
  return event;
}

void GetSummary(const Context& context) {
  // Usage is added up by the hour.
  const auto selection = ReadPeriod(*context, std::chrono::hours(1));
  if (!selection.ok()) return context->Fail(selection.status());
  AuditThenCall(context, MakeAccessEvent(*context, "metrics_viewed", *selection),
                *context->upstreams().billing, RevenueService::kGetSummary,
                RequestOf<bill::GetSummaryRequest>(*selection),
                [context, period = selection->period](const bill::RevenueSummary& summary) {
                  context->ReplyJson(200, SummaryJson(summary, period));
                });
}

MetricSeries SeriesOf(const std::string& metric, const bill::GetTimeseriesResponse& response) {
  return {.metric = metric,
          .cents = response.cents(),
          .values = {response.values().begin(), response.values().end()}};
}

void GetTimeseries(const Context& context) {
  absl::StatusOr<Query> query = context->Arguments();
  if (!query.ok()) return context->Fail(query.status());
  const Selection selection = ReadSelection(*query, std::chrono::hours(24));
  const std::string metric = query->Text("metric").value_or("");
  if (metric.empty()) query->Note("metric", "is required");
  if (const absl::Status status = query->Finish(); !status.ok()) return context->Fail(status);
  auto request = RequestOf<bill::GetTimeseriesRequest>(selection);
  request.set_metric(metric);
  context->CallOrFail(
      *context->upstreams().billing, RevenueService::kGetTimeseries, request,
      [context, metric, period = selection.period](const bill::GetTimeseriesResponse& response) {
        context->ReplyJson(200, SeriesJson(SeriesOf(metric, response), period));
      });
}

void GetCohorts(const Context& context) {
  absl::StatusOr<Query> query = context->Arguments();
  if (!query.ok()) return context->Fail(query.status());
  bill::GetCohortsRequest request;
  request.set_months(static_cast<int>(query->Number("months", 6, 1, 60)));
  if (const absl::Status status = query->Finish(); !status.ok()) return context->Fail(status);
  context->CallOrFail(*context->upstreams().billing, RevenueService::kGetCohorts, request,
                      [context](const bill::GetCohortsResponse& cohorts) {
                        context->ReplyJson(200, CohortsJson(cohorts));
                      });
}

void ReplyCsv(const Context& context, const std::vector<MetricSeries>& series, Time start) {
  const std::string now = FormatTime(context->parts().clock.Now());  // 2026-11-21T10:00:00.…
  const std::string name = "metrics_export_" + now.substr(0, 4) + now.substr(5, 2) +
                           now.substr(8, 2) + "_" + now.substr(11, 2) + now.substr(14, 2) +
                           now.substr(17, 2) + ".csv";
  http::Response response;
  response.headers.push_back({"Content-Type", "text/csv; charset=utf-8"});
  response.headers.push_back({"Content-Disposition", "attachment; filename=\"" + name + "\""});
  response.body = SeriesCsv(series, start);
  context->Reply(std::move(response));
}

// One series after the other.
void FetchAll(const Context& context, const Selection& selection,
              const std::shared_ptr<std::vector<MetricSeries>>& fetched) {
  if (fetched->size() == kMetrics.size()) {
    return ReplyCsv(context, *fetched, selection.period.start);
  }
  const std::string metric = kMetrics.at(fetched->size());
  auto request = RequestOf<bill::GetTimeseriesRequest>(selection);
  request.set_metric(metric);
  context->CallOrFail(
      *context->upstreams().billing, RevenueService::kGetTimeseries, request,
      [context, selection, fetched, metric](const bill::GetTimeseriesResponse& response) {
        fetched->push_back(SeriesOf(metric, response));
        FetchAll(context, selection, fetched);
      });
}

void ExportCsv(const Context& context) {
  const auto selection = ReadPeriod(*context, std::chrono::hours(24));
  if (!selection.ok()) return context->Fail(selection.status());
  AuditThen(context, MakeAccessEvent(*context, "metrics_exported", *selection),
            [context, selection = *selection] {
              FetchAll(context, selection, std::make_shared<std::vector<MetricSeries>>());
            });
}

void ReplyLevels(const Context& context, const bill::AlertLevels& levels) {
  context->ReplyJson(200, LevelsJson(levels));
}

void GetConfig(const Context& context) {
  context->CallOrFail(*context->upstreams().billing, RevenueService::kGetAlertLevels,
                      bill::GetAlertLevelsRequest(),
                      [context](const bill::AlertLevels& levels) { ReplyLevels(context, levels); });
}

// The levels to change, and the same for the audit log.
struct LevelChange {
  bill::UpdateAlertLevelsRequest request;
  std::string details;
};

absl::StatusOr<LevelChange> ReadLevels(const RequestContext& context) {
  GH_ASSIGN_OR_RETURN(JsonBody body, context.Body());
  LevelChange change;
  JsonWriter details;
  details.BeginObject().Field("action", "change_metrics_config");
  const auto read_rate = [&](const char* name, auto set) {
    const auto ppm = body.Decimal(name, kRatePlaces, 0, kRateMax);
    if (!ppm) return;
    (change.request.*set)(*ppm);
    details.Key(name).Raw(DecimalText(*ppm, kRatePlaces));
  };
  using Request = bill::UpdateAlertLevelsRequest;
  read_rate("churn_rate", &Request::set_logo_churn_ppm);
  read_rate("mrr_drop_rate", &Request::set_mrr_drop_ppm);
  read_rate("failed_jobs_rate", &Request::set_failed_work_ppm);
  if (const auto accounts = body.Int("negative_accounts", 0, kAccountsMax)) {
    change.request.set_negative_accounts(*accounts);
    details.Field("negative_accounts", *accounts);
  }
  GH_RETURN_IF_ERROR(body.Finish());
  change.details = details.EndObject().Take();
  return change;
}

void ChangeConfig(const Context& context) {
  const auto change = ReadLevels(*context);
  if (!change.ok()) return context->Fail(change.status());
  if (change->request.ByteSizeLong() == 0) return GetConfig(context);
  AuditThenCall(context,
                MakeAuditEvent(*context, "admin_action", "metrics/config", change->details),
                *context->upstreams().billing, RevenueService::kUpdateAlertLevels, change->request,
                [context](const bill::AlertLevels& levels) { ReplyLevels(context, levels); });
}

void AddStaffRoute(RouteTable& table, const char* method, const char* path, Handler handler) {
  table.Add({.method = method,
             .path = path,
             .audience = Audience::kRole,
             .requirement = "admin",
             .timeout = Timeout::kSlow,
             .handler = std::move(handler)});
}

}  // namespace

void AddMetricsRoutes(RouteTable& table) {
  AddStaffRoute(table, "GET", "/api/system/metrics/summary/", GetSummary);
  AddStaffRoute(table, "GET", "/api/system/metrics/timeseries/", GetTimeseries);
  AddStaffRoute(table, "GET", "/api/system/metrics/cohorts/", GetCohorts);
  AddStaffRoute(table, "GET", "/api/system/metrics/export.csv", ExportCsv);
  AddStaffRoute(table, "GET", "/api/system/metrics/config/", GetConfig);
  AddStaffRoute(table, "PATCH", "/api/system/metrics/config/", ChangeConfig);
}

}  // namespace gatehouse::gateway
