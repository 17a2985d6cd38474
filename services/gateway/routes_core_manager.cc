// What core-manager answers: templates, persona instances and its administration.
#include <algorithm>

#include "services/gateway/hot_config.h"
#include "services/gateway/proxy_pass.h"
#include "services/gateway/routes.h"

namespace gatehouse::gateway {
namespace {

using Group = std::shared_ptr<http::UpstreamGroup>;

constexpr std::size_t kIdSizeMax = 128;

constexpr char kTemplates[] = "/api/v1/templates";
constexpr char kInstances[] = "/api/v1/personas/instances";
constexpr char kClients[] = "/api/v1/admin/clients";
constexpr char kSystem[] = "/api/v1/admin/system";
constexpr char kWorkflows[] = "/api/v1/admin/workflows";
constexpr char kAgents[] = "/api/v1/admin/agent-definitions";

bool IsId(std::string_view text) {
  return !text.empty() && text.size() <= kIdSizeMax &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '_' || c == '-';
         });
}

Handler ToCoreManager(const Group& group, bool has_id) {
  if (!has_id) {
    return [group](const Context& context) { ProxyPass(context, group); };
  }
  return [group](const Context& context) {
    if (IsId(context->PathSegment("id"))) return ProxyPass(context, group);
    context->Fail(Error(absl::StatusCode::kInvalidArgument, "ID_INVALID",
                        "the id must be 1 to 128 letters, digits, \"_\" and \"-\""));
  };
}

// Adds the routes of one surface, all for the same audience.
class Surface {
 public:
  Surface(RouteTable& table, const Group& group, Audience audience, const char* requirement)
      : table_(table), group_(group), audience_(audience), requirement_(requirement) {}

  void Add(const char* method, const std::string& path) {
    Route route;
    route.method = method;
    route.path = path;
    route.audience = audience_;
    route.requirement = requirement_;
    route.limit = Limit::kProxy;
    route.timeout = Timeout::kProxy;
    route.upstream = kCoreManager;
    route.group = group_;
    route.handler = ToCoreManager(group_, path.find("/{id}") != std::string::npos);
    table_.Add(std::move(route));
  }

  // A collection and its members.
  void AddCollection(const std::string& path) {
    Add("GET", path);
    Add("POST", path);
    for (const char* method : {"GET", "PUT", "DELETE"}) Add(method, path + "/{id}");
  }

 private:
  RouteTable& table_;
  const Group& group_;
  const Audience audience_;
  const std::string requirement_;
};

}  // namespace

void AddCoreManagerRoutes(RouteTable& table, const Group& group) {
  Surface admin(table, group, Audience::kRole, "admin");
  admin.AddCollection(kTemplates);
  admin.Add("POST", std::string(kTemplates) + "/{id}/clone");
  admin.Add("POST", std::string(kTemplates) + "/{id}/validate");

  Surface user(table, group, Audience::kUser, "");
  user.AddCollection(kInstances);
  // The document says PUT, core-manager's own source PATCH.
  user.Add("PATCH", std::string(kInstances) + "/{id}");
  user.Add("POST", std::string(kInstances) + "/{id}/execute");
  user.Add("GET", std::string(kInstances) + "/{id}/history");
  user.Add("POST", std::string(kInstances) + "/{id}/stop");
  user.Add("GET", std::string(kInstances) + "/{id}/logs");

  admin.AddCollection(kClients);
  admin.Add("GET", std::string(kClients) + "/{id}/stats");
  admin.Add("GET", std::string(kSystem) + "/health");
  admin.Add("GET", std::string(kSystem) + "/metrics");
  admin.Add("GET", std::string(kSystem) + "/config");
  admin.Add("PUT", std::string(kSystem) + "/config");
  admin.Add("POST", std::string(kSystem) + "/maintenance");
  admin.Add("GET", std::string(kSystem) + "/logs");
  admin.AddCollection(kWorkflows);
  admin.Add("GET", std::string(kWorkflows) + "/{id}/runs");
  admin.AddCollection(kAgents);
}

}  // namespace gatehouse::gateway
