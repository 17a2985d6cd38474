#include "services/billing/usage_service.h"

#include <string>

#include "gatehouse/billing/v1/usage.methods.h"
#include "libs/base/time_text.h"
#include "libs/rpc/timestamp.h"
#include "services/billing/messages.h"
#include "services/billing/usage_store.h"

namespace gatehouse::billing {
namespace {

constexpr std::int64_t kHourMicros = 3'600'000'000;
constexpr std::int64_t kPeriodMaxMicros = 3653 * 24 * kHourMicros;  // Ten years.
constexpr int kTopDefault = 10;
constexpr int kTopMax = 1000;

absl::Status Invalid(const std::string& field, const std::string& text) {
  return WithFieldViolation(
      Error(absl::StatusCode::kInvalidArgument, "PERIOD_INVALID", field + " " + text), field, text);
}

absl::StatusOr<UsagePeriod> CheckPeriod(const v1::QueryCostsRequest& request) {
  if (request.tenant_id() < 0) return Invalid("tenant_id", "must not be negative");
  if (!request.has_start_time()) return Invalid("start_time", "is required");
  if (!request.has_end_time()) return Invalid("end_time", "is required");
  const UsagePeriod period{.tenant_id = request.tenant_id(),
                           .start = rpc::FromTimestamp(request.start_time()),
                           .end = rpc::FromTimestamp(request.end_time())};
  const std::int64_t start = ToMicros(period.start);
  const std::int64_t end = ToMicros(period.end);
  if (start % kHourMicros != 0) return Invalid("start_time", "must be a whole hour");
  if (end % kHourMicros != 0) return Invalid("end_time", "must be a whole hour");
  if (end <= start) return Invalid("end_time", "must be later than the start");
  if (end - start > kPeriodMaxMicros) return Invalid("end_time", "must be at most ten years later");
  return period;
}

v1::CostGroup ToProto(const CostGroup& group) {
  v1::CostGroup message;
  message.set_tenant_id(group.tenant_id);
  message.set_tool(group.tool);
  if (!group.resource.empty()) {
    // A resource without a provider is a model by its whole name.
    const std::size_t slash = group.resource.find('/');
    message.set_model(group.resource.substr(slash == std::string::npos ? 0 : slash + 1));
    if (slash != std::string::npos) message.set_provider(group.resource.substr(0, slash));
  }
  *message.mutable_cost() = ToMoney(group.cost_nanos);
  message.set_event_count(group.event_count);
  message.set_tokens_in(group.tokens_in);
  message.set_tokens_out(group.tokens_out);
  return message;
}

}  // namespace

UsageService::UsageService(pg::Database& db) : db_(db), rpc_(v1::UsageService::kFullName) {
  rpc_.Unary(
      v1::UsageService::kQueryCosts, {.callers = {"gateway"}},
      [this](rpc::Call&, const v1::QueryCostsRequest& request) { return QueryCosts(request); });
}

absl::StatusOr<v1::QueryCostsResponse> UsageService::QueryCosts(
    const v1::QueryCostsRequest& request) {
  GH_ASSIGN_OR_RETURN(const UsagePeriod period, CheckPeriod(request));
  if (request.top() < 0 || request.top() > kTopMax) {
    return Invalid("top", "must be in [0, 1000]");
  }
  const int top = request.top() == 0 ? kTopDefault : request.top();
  GH_ASSIGN_OR_RETURN(const Costs costs,
                      db_.Read([&](pg::Tx& tx) { return FindCosts(tx, period, top); }));
  v1::QueryCostsResponse response;
  for (const CostGroup& group : costs.tenants) *response.add_tenants() = ToProto(group);
  for (const CostGroup& group : costs.tools) *response.add_tools() = ToProto(group);
  for (const CostGroup& group : costs.models) *response.add_models() = ToProto(group);
  *response.mutable_total() = ToMoney(costs.total_nanos);
  return response;
}

}  // namespace gatehouse::billing
