#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "libs/base/time_text.h"
#include "libs/metrics/metrics.h"
#include "services/gateway/lease_keeper.h"
#include "services/gateway/overload.h"
#include "services/gateway/request_context.h"
#include "services/gateway/routes.h"

namespace gatehouse::gateway {
namespace {

using Counts = std::vector<std::pair<std::string, std::int64_t>>;

struct MetricsQuery {
  std::string group = "class";  // "route", "class" or "none".
  std::string sort = "desc";    // By count, "asc" or "desc"; or by "name".
};

bool IsOneOf(const std::string& word, std::initializer_list<const char*> words) {
  return std::any_of(words.begin(), words.end(), [&](const char* one) { return word == one; });
}

// "all", or a number of minutes, hours, days or weeks.
bool IsRange(const std::string& text) {
  if (text == "all") return true;
  const std::size_t digits = text.find_first_not_of("0123456789");
  return digits != std::string::npos && digits >= 1 && digits <= 4 && digits + 1 == text.size() &&
         IsOneOf(text.substr(digits), {"m", "h", "d", "w"});
}

// What is counted is counted since the start, whatever range was asked for: the answer
// says since when.
absl::StatusOr<MetricsQuery> ReadQuery(const RequestContext& context) {
  GH_ASSIGN_OR_RETURN(Query query, context.Arguments());
  MetricsQuery wanted;
  wanted.group = query.Text("group").value_or(wanted.group);
  wanted.sort = query.Text("sort").value_or(wanted.sort);
  if (!IsOneOf(wanted.group, {"route", "class", "none"})) {
    query.Note("group", "must be route, class or none");
  }
  if (!IsOneOf(wanted.sort, {"asc", "desc", "name"})) {
    query.Note("sort", "must be asc, desc or name");
  }
  if (!IsRange(query.Text("range").value_or("all"))) {
    query.Note("range", "must be all, or a number with m, h, d or w");
  }
  GH_RETURN_IF_ERROR(query.Finish());
  return wanted;
}

// The series of `name`, summed by the value of `label`; by "" for all in one.
Counts Sums(const std::string& name, const std::string& label) {
  std::map<std::string, std::int64_t> sums;
  for (const metrics::Sample& sample : metrics::Samples(name)) {
    const auto found = sample.labels.find(label);
    sums[found == sample.labels.end() ? "" : found->second] +=
        static_cast<std::int64_t>(sample.value);
  }
  return {sums.begin(), sums.end()};
}

std::int64_t Total(const Counts& counts) {
  std::int64_t total = 0;
  for (const auto& [name, count] : counts) total += count;
  return total;
}

void WriteCounts(const char* key, const Counts& counts, JsonWriter& json) {
  json.Key(key).BeginObject();
  for (const auto& [name, count] : counts) json.Field(name, count);
  json.EndObject();
}

void WriteRequests(const MetricsQuery& query, JsonWriter& json) {
  constexpr char kRequests[] = "gatehouse_http_requests_total";
  Counts counts = Sums(kRequests, query.group);
  json.Key("requests").BeginObject().Field("total", Total(counts));
  json.Field("group", query.group);
  if (query.group != "none") {
    if (query.sort != "name") {
      const bool falls = query.sort == "desc";
      std::stable_sort(counts.begin(), counts.end(), [falls](const auto& one, const auto& other) {
        return falls ? one.second > other.second : one.second < other.second;
      });
    }
    json.Key("groups").BeginArray();
    for (const auto& [name, count] : counts) {
      json.BeginObject().Field("name", name).Field("count", count).EndObject();
    }
    json.EndArray();
  }
  json.EndObject();
}

const char* NameOf(http::UpstreamGroup::Breaker breaker) {
  switch (breaker) {
    case http::UpstreamGroup::Breaker::kClosed:
      return "closed";
    case http::UpstreamGroup::Breaker::kOpen:
      return "open";
    case http::UpstreamGroup::Breaker::kHalfOpen:
      return "half_open";
  }
  return "";
}

void WriteUpstreams(const Snapshot& snapshot, JsonWriter& json) {
  const SteadyTime now = std::chrono::steady_clock::now();
  json.Key("upstreams").BeginArray();
  for (const auto& [name, group] : snapshot.groups) {
    json.BeginObject().Field("name", name).Field("breaker", NameOf(group->breaker(now)));
    json.Key("endpoints").BeginArray();
    for (const auto& endpoint : group->endpoints()) {
      json.BeginObject().Field("name", endpoint->name);
      json.Field("is_up", endpoint->is_up.load()).EndObject();
    }
    json.EndArray().EndObject();
  }
  json.EndArray();
}

void WriteLanes(const Overload& overload, JsonWriter& json) {
  json.Key("in_flight").BeginObject();
  json.Field("admin", overload.InHand(Lane::kAdmin)).Field("api", overload.InHand(Lane::kApi));
  json.Field("proxy", overload.InHand(Lane::kProxy));
  json.Field("socket", overload.InHand(Lane::kSocket)).EndObject();
}

void WriteLimits(const LeaseKeeper* leases, JsonWriter& json) {
  json.Key("limits").BeginObject();
  json.Field("refused_by_user", Total(Sums("gatehouse_gateway_user_limited_total", "")));
  json.Field("refused_by_address", Total(Sums("gatehouse_gateway_address_limited_total", "")));
  const char* shared = leases == nullptr ? "not_configured" : "unhealthy";
  json.Field("store", leases != nullptr && leases->IsUp() ? "healthy" : shared);
  WriteCounts("leases", Sums("gatehouse_gateway_leases_total", "result"), json);
  json.EndObject();
}

Handler GetMetricsSince(Time start) {
  return [start](const Context& context) {
    const auto query = ReadQuery(*context);
    if (!query.ok()) return context->Fail(query.status());
    const Parts& parts = context->parts();
    JsonWriter json;
    json.BeginObject().Field("service", "gateway").Field("since", FormatTime(start));
    json.Field("timestamp", FormatTime(parts.clock.Now()));
    WriteRequests(*query, json);
    WriteLanes(parts.overload, json);
    json.Field("sockets_open", Total(Sums("gatehouse_gateway_sockets_open", "")));
    WriteUpstreams(context->snapshot(), json);
    WriteLimits(parts.leases, json);
    WriteCounts("credentials", Sums("gatehouse_gateway_credentials_total", "source"), json);
    json.EndObject();
    context->ReplyJson(200, json.Take());
  };
}

// When this process began to count.
Time StartTime() {
  static const Time start = SystemClock().Now();
  return start;
}

}  // namespace

void AddMonitorRoutes(RouteTable& table) {
  table.Add({.method = "GET",
             .path = "/platform/monitor/metrics",
             .audience = Audience::kPermission,
             .requirement = "manage_gateway",
             .timeout = Timeout::kQuick,
             .code_403 = "MON001",
             .handler = GetMetricsSince(StartTime())});
}

}  // namespace gatehouse::gateway
