// What usage costs, for staff; and the status bar of a user.
#include <memory>
#include <optional>

#include "gatehouse/billing/v1/account.methods.h"
#include "gatehouse/billing/v1/usage.methods.h"
#include "gatehouse/jobs/v1/job.methods.h"
#include "libs/base/time_text.h"
#include "libs/rpc/timestamp.h"
#include "services/gateway/cents.h"
#include "services/gateway/date_range.h"
#include "services/gateway/request_context.h"
#include "services/gateway/routes.h"

namespace gatehouse::gateway {
namespace {

namespace bill = billing::v1;
using bill::Account;
using bill::CostGroup;
using jobs::v1::Activity;

// From the first day of the month (UTC) to its last.
DateRange MonthOf(Time now) {
  using std::chrono::sys_days;
  const std::chrono::year_month_day day(std::chrono::floor<std::chrono::days>(now));
  const std::chrono::year_month month(day.year(), day.month());
  return {.start = Time(sys_days(month / 1)),
          .end = Time(sys_days((month + std::chrono::months(1)) / 1))};
}

struct CostQuery {
  bill::QueryCostsRequest request;
  DateRange range;
};

absl::StatusOr<CostQuery> ReadCosts(const RequestContext& context) {
  GH_ASSIGN_OR_RETURN(Query query, context.Arguments());
  CostQuery asked;
  // Usage is added up by the hour.
  asked.range =
      Widened(ReadDateRange(query, MonthOf(context.parts().clock.Now())), std::chrono::hours(1));
  asked.request.set_tenant_id(query.Number("tenant", 0, 0, INT64_MAX));
  GH_RETURN_IF_ERROR(query.Finish());
  *asked.request.mutable_start_time() = rpc::ToTimestamp(asked.range.start);
  *asked.request.mutable_end_time() = rpc::ToTimestamp(asked.range.end);
  return asked;
}

// The amount as exact decimals of dollars, in whole cents as work is shown, and exactly.
void WriteTotal(std::int64_t nanos, JsonWriter& json) {
  json.Key("total_cost").Raw(ExactDollarsText(nanos));
  json.Field("total_cost_cents", CeilCents(nanos)).Field("total_cost_nanos", nanos);
}

void WriteFigures(const CostGroup& group, JsonWriter& json) {
  const std::int64_t nanos = group.cost().amount_nanos();
  WriteTotal(nanos, json);
  json.Field("event_count", group.event_count());
  const std::int64_t average = group.event_count() > 0 ? nanos / group.event_count() : 0;
  json.Key("avg_cost").Raw(ExactDollarsText(average));
  json.Field("tokens_in", group.tokens_in()).Field("tokens_out", group.tokens_out());
}

template <typename Name>
void WriteGroups(const char* key, const google::protobuf::RepeatedPtrField<CostGroup>& groups,
                 JsonWriter& json, Name name) {
  json.Key(key).BeginArray();
  for (const CostGroup& group : groups) {
    json.BeginObject();
    name(group);
    WriteFigures(group, json);
    json.EndObject();
  }
  json.EndArray();
}

void ReplyCosts(const Context& context, const DateRange& range,
                const bill::QueryCostsResponse& costs) {
  JsonWriter json;
  json.BeginObject().Field("start", FormatTime(range.start)).Field("end", FormatTime(range.end));
  json.Field("currency", "USD");
  WriteTotal(costs.total().amount_nanos(), json);
  WriteGroups("tenant_costs", costs.tenants(), json,
              [&](const CostGroup& group) { json.Field("tenant_id", group.tenant_id()); });
  WriteGroups("tool_costs", costs.tools(), json,
              [&](const CostGroup& group) { json.Field("tool_name", group.tool()); });
  WriteGroups("model_costs", costs.models(), json, [&](const CostGroup& group) {
    json.TextOrNull("provider", group.provider()).Field("model", group.model());
  });
  context->ReplyJson(200, json.EndObject().Take());
}

void QueryCosts(const Context& context) {
  const auto asked = ReadCosts(*context);
  if (!asked.ok()) return context->Fail(asked.status());
  context->CallOrFail(*context->upstreams().billing, bill::UsageService::kQueryCosts,
                      asked->request,
                      [context, range = asked->range](const bill::QueryCostsResponse& costs) {
                        ReplyCosts(context, range, costs);
                      });
}

// The two halves of a status bar; asked side by side, shown when both are there.
struct StatusBar {
  std::optional<Account> account;
  std::optional<absl::StatusOr<Activity>> activity;
};

// Without jobs, its fields are null: the balance is worth showing alone.
void WriteActivity(const absl::StatusOr<Activity>& activity, JsonWriter& json) {
  if (activity.ok()) {
    json.Field("tokens_in", activity->tokens_in()).Field("tokens_out", activity->tokens_out());
    json.Field("jobs_running", activity->jobs_running());
    json.Field("jobs_queued", activity->jobs_queued());
    return;
  }
  for (const char* field : {"tokens_in", "tokens_out", "jobs_running", "jobs_queued"}) {
    json.NullField(field);
  }
}

void ReplyWhenWhole(const Context& context, const StatusBar& bar) {
  if (!bar.account || !bar.activity) return;
  const std::int64_t cents = FloorCents(bar.account->settled().amount_nanos());
  JsonWriter json;
  json.BeginObject().Field("reserve_balance_cents", cents);
  json.Key("reserve_balance_dollars").Raw(DollarsText(cents));
  json.Field("is_low_balance", bar.account->is_low());
  WriteActivity(*bar.activity, json);
  json.Field("updated_at", FormatTime(context->parts().clock.Now()));
  context->ReplyJson(200, json.EndObject().Take());
}

void GetStatusBar(const Context& context) {
  const absl::StatusOr<std::int64_t> tenant = context->Tenant();
  if (!tenant.ok()) return context->Fail(tenant.status());
  const auto bar = std::make_shared<StatusBar>();
  jobs::v1::GetActivityRequest activity;
  activity.set_tenant_id(*tenant);
  context->Call(*context->upstreams().jobs, jobs::v1::JobService::kGetActivity, activity,
                [context, bar](const absl::StatusOr<Activity>& result) {
                  bar->activity = result;
                  ReplyWhenWhole(context, *bar);
                });
  bill::GetAccountRequest account;
  account.set_tenant_id(*tenant);
  context->CallOrFail(*context->upstreams().billing, bill::AccountService::kGetAccount, account,
                      [context, bar](const Account& result) {
                        bar->account = result;
                        ReplyWhenWhole(context, *bar);
                      });
}

}  // namespace

void AddUsageRoutes(RouteTable& table) {
  table.Add({.method = "GET",
             .path = "/api/billing/admin/usage/costs/",
             .audience = Audience::kPermission,
             .requirement = "manage_billing",
             .handler = QueryCosts});
  table.Add({.method = "GET",
             .path = "/api/status/bar/",
             .audience = Audience::kUser,
             .handler = GetStatusBar});
}

}  // namespace gatehouse::gateway
