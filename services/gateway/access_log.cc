#include "services/gateway/access_log.h"

#include "libs/log/line.h"
#include "libs/log/log.h"
#include "services/gateway/line_budget.h"
#include "services/gateway/upstream_metrics.h"

namespace gatehouse::gateway {
namespace {

using std::chrono::duration_cast;
using std::chrono::microseconds;
using std::chrono::steady_clock;

// The trace id of a traceparent that was made here.
std::string_view TraceId(const std::string& trace_parent) {
  return trace_parent.size() < 35 ? std::string_view()
                                  : std::string_view(trace_parent).substr(3, 32);
}

void WriteForwarding(const http::ForwardReport& report, log::Line* line) {
  if (!report.endpoint.empty()) line->Text("endpoint", report.endpoint);
  line->Number("connect_us", report.connect.count()).Number("head_us", report.head.count());
  line->Number("attempts", report.attempts);
  if (report.request_bytes > 0) {
    line->Number("request_bytes", static_cast<std::int64_t>(report.request_bytes));
  }
  if (report.error != http::ForwardError::kNone) {
    line->Text("error", NameOf(report.error));
  } else if (report.is_truncated) {
    line->Text("error", "truncated");
  } else if (report.client_left) {
    line->Text("error", "client_left");
  }
}

}  // namespace

void WriteAccessLog(const AccessEntry& entry) {
  if (!log::Enabled(log::Level::kInfo)) return;
  const auto took = steady_clock::now() - entry.begin;
  log::Line line("request", entry.request_id, TraceId(entry.trace_parent));
  line.Text("method", entry.request.method).Text("route", entry.route);
  line.Number("status", entry.status).Number("bytes", static_cast<std::int64_t>(entry.bytes));
  line.Number("duration_us", duration_cast<microseconds>(took).count());
  line.Text("client", entry.client_address);
  if (!entry.user_id.empty()) line.Text("user_id", entry.user_id);
  if (entry.tenant_id != 0) line.Number("tenant_id", entry.tenant_id);
  if (entry.limit.limit > 0) {
    line.Text("limit", entry.limit_name).Number("limit_remaining", entry.limit.remaining);
  }
  if (!entry.upstream.empty()) line.Text("upstream", entry.upstream);
  if (entry.report != nullptr) WriteForwarding(*entry.report, &line);
  line.Write();
}

void WriteRefusal(const Refusal& refusal) {
  static LineBudget budget(kRefusalLinesMax);
  std::int64_t suppressed = 0;
  const bool may_write = budget.Take(steady_clock::now(), &suppressed);
  if (suppressed > 0) {
    log::Info("further refused authentications were not logged", {{"count", suppressed}});
  }
  if (!may_write) return;
  log::Line line("authentication refused", refusal.request_id, "");
  line.Number("status", refusal.status).Text("reason", refusal.code);
  line.Text("route", refusal.route).Text("client", refusal.client_address);
  if (!refusal.user_id.empty()) line.Text("user_id", refusal.user_id);
  line.Write();
}

}  // namespace gatehouse::gateway
