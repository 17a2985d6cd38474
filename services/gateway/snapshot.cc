#include "services/gateway/snapshot.h"

#include <algorithm>

#include "services/gateway/proxy_pass.h"
#include "services/gateway/routes.h"
#include "services/gateway/upstream_names.h"

namespace gatehouse::gateway {
namespace {

using Endpoints = std::vector<std::shared_ptr<http::Endpoint>>;
using Groups = std::map<std::string, std::shared_ptr<http::UpstreamGroup>>;

std::shared_ptr<http::UpstreamGroup> MakeGroup(const UpstreamConfig& upstream,
                                               const Snapshot* previous) {
  const auto same_name = [&](const UpstreamConfig& one) {
    return one.options.name == upstream.options.name;
  };
  Endpoints endpoints;
  if (previous != nullptr) {
    const auto before = std::ranges::find_if(previous->config.upstreams, same_name);
    if (before != previous->config.upstreams.end()) {
      const auto& group = previous->groups.at(upstream.options.name);
      if (*before == upstream) return group;
      if (before->urls == upstream.urls) endpoints = group->endpoints();
    }
  }
  http::UpstreamOptions options = upstream.options;
  options.authority = upstream.urls.empty() ? options.name : AuthorityOfUrl(upstream.urls.front());
  auto group = std::make_shared<http::UpstreamGroup>(std::move(options));
  if (!endpoints.empty()) group->SetEndpoints(std::move(endpoints));
  return group;
}

void AddConfigured(const RouteConfig& config, const Groups& groups, RouteTable& table) {
  Route route;
  route.method = config.method;
  route.path = config.path;
  route.audience = config.audience;
  route.requirement = config.requirement;
  route.limit = config.limit;
  route.timeout = Timeout::kProxy;
  route.upstream = config.upstream;
  const auto group = groups.find(config.upstream);
  if (group != groups.end()) route.group = group->second;
  route.body_bytes_max = config.body_bytes_max;
  route.checks_json = config.checks_json;
  route.handler = [](const Context& context) { ProxyPass(context, context->route()->group); };
  table.Add(std::move(route));
}

}  // namespace

void AddRoutes(RouteTable& table) {
  AddHealthRoutes(table);
  AddAuthRoutes(table);
  AddPlatformRoutes(table);
  AddV1AuthRoutes(table);
  AddV1UserRoutes(table);
  AddKeyRoutes(table);
  AddAdminRoutes(table);
  AddTenantRoutes(table);
  AddPasskeyRoutes(table);
  AddBillingRoutes(table);
  AddLedgerRoutes(table);
  AddPaymentRoutes(table);
  AddProfileRoutes(table);
  AddWebhookRoutes(table);
  AddPriceRoutes(table);
  AddUsageRoutes(table);
  AddMetricsRoutes(table);
  AddJobRoutes(table);
  AddConfigRoutes(table);
  AddCacheRoutes(table);
  AddMonitorRoutes(table);
  AddLiveRoutes(table);
  AddAnnouncementRoutes(table);
  AddDocumentRoutes(table);
}

SnapshotPtr MakeSnapshot(HotConfig config, const SnapshotPtr& previous) {
  auto snapshot = std::make_shared<Snapshot>();
  for (const UpstreamConfig& upstream : config.upstreams) {
    snapshot->groups[upstream.options.name] = MakeGroup(upstream, previous.get());
  }
  RouteTable& table = snapshot->table;
  AddRoutes(table);
  const auto core = snapshot->groups.find(kCoreManager);
  AddCoreManagerRoutes(table, core == snapshot->groups.end() ? nullptr : core->second);
  for (const RouteConfig& route : config.routes) AddConfigured(route, snapshot->groups, table);
  snapshot->metrics.reserve(table.routes().size());
  for (const Route& route : table.routes()) {
    snapshot->metrics.push_back(&MetricsOf(route.method, route.path));
  }
  snapshot->config = std::move(config);
  snapshot->version = previous == nullptr ? 1 : previous->version + 1;
  return snapshot;
}

}  // namespace gatehouse::gateway
