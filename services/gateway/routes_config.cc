#include <algorithm>

#include "libs/service/process.h"
#include "services/gateway/audit.h"
#include "services/gateway/reloader.h"
#include "services/gateway/routes.h"

namespace gatehouse::gateway {
namespace {

constexpr char kReloadCommand[] = "kill -HUP $(cat doorman.pid)";
constexpr const char* kNotes[] = {
    "The environment overrides the file ENV_FILE, which overrides CONFIG_FILE.",
    "A reload reads both files again; the environment of a process cannot change.",
    "routes, upstreams and limits of CONFIG_FILE are reloaded, too.",
    "A file that is not valid changes nothing; the answer names line and reason."};

// {"data":{…}} with the members that clients of this surface read beside it.
class DataReply {
 public:
  DataReply() { json_.BeginObject().Key("data").BeginObject(); }

  JsonWriter& data() { return json_; }

  void Send(const Context& context) {
    json_.EndObject().Field("reload_command", kReloadCommand).Field("status_code", 200);
    json_.NullField("error_code").NullField("error_message").EndObject();
    context->ReplyJson(200, json_.Take());
  }

 private:
  JsonWriter json_;
};

void WriteConfig(const HotConfig& config, JsonWriter& json) {
  json.Key("config").BeginObject();
  for (const auto& [name, value] : config.shown) json.Key(name).Raw(value);
  json.EndObject();
}

void GetCurrent(const Context& context) {
  DataReply reply;
  WriteConfig(context->snapshot().config, reply.data());
  reply.data().Field("source", "Environment variables override config file values");
  reply.data().Field("reload_command", kReloadCommand);
  reply.Send(context);
}

void ReplyReloaded(const Context& context, const std::vector<std::string>& changed) {
  DataReply reply;
  reply.data().Field("message", "Configuration reloaded successfully");
  WriteConfig(context->parts().live.Get()->config, reply.data());
  reply.data().Key("changed").BeginArray();
  for (const std::string& name : changed) reply.data().Text(name);
  reply.data().EndArray();
  reply.Send(context);
}

void Reload(const Context& context) {
  const auto event = MakeAuditEvent(*context, "gateway_reload_config", "configuration",
                                    R"({"action":"gateway.reload_config"})");
  AuditThen(context, event, [context, event] {
    // Files and names may take their time: not on the worker.
    const bool begun = context->parts().reloader.ReloadSoon(
        [context, event](const absl::StatusOr<std::vector<std::string>>& changed) {
          context->exchange()->Post([context, event, changed] {
            if (changed.ok()) return ReplyReloaded(context, *changed);
            FailAudited(context, event, changed.status(), "");
          });
        });
    if (begun) return;
    FailAudited(
        context, event,
        Error(absl::StatusCode::kUnavailable, "RELOAD_BUSY", "too many reloads are waiting"), "");
  });
}

std::vector<config::Setting> ReloadableSettings() {
  std::vector<config::Setting> settings = service::CommonSettings(false);
  std::ranges::move(DeclaredSettings(), std::back_inserter(settings));
  std::erase_if(settings, [](const config::Setting& setting) { return !setting.reloadable; });
  return settings;
}

// Its default, or what one may write where the default is nothing.
std::string ExampleOf(const config::Setting& setting) {
  if (!setting.fallback.empty()) return setting.fallback;
  if (setting.name == "CORE_MANAGER_URL") return "http://core-manager:8080";
  return setting.name == "CORS_ALLOWED_ORIGINS" ? "https://app.example.com" : "";
}

void ListKeys(const Context& context) {
  const std::vector<config::Setting> settings = ReloadableSettings();
  DataReply reply;
  JsonWriter& json = reply.data();
  json.Key("reloadable_keys").BeginArray();
  for (const config::Setting& setting : settings) {
    json.BeginObject().Field("key", setting.name).Field("description", setting.help);
    json.Field("example", ExampleOf(setting)).EndObject();
  }
  json.EndArray().Field("total", settings.size()).Key("notes").BeginArray();
  for (const char* const note : kNotes) json.Text(note);
  json.EndArray();
  reply.Send(context);
}

}  // namespace

void AddConfigRoutes(RouteTable& table) {
  table.Add({.method = "GET",
             .path = "/platform/config/current",
             .audience = Audience::kPermission,
             .requirement = "manage_gateway",
             .timeout = Timeout::kQuick,
             .handler = GetCurrent});
  table.Add({.method = "POST",
             .path = "/platform/config/reload",
             .audience = Audience::kPermission,
             .requirement = "manage_gateway",
             .timeout = Timeout::kSlow,
             .handler = Reload});
  table.Add({.method = "GET",
             .path = "/platform/config/reloadable-keys",
             .audience = Audience::kUser,
             .timeout = Timeout::kQuick,
             .handler = ListKeys});
}

}  // namespace gatehouse::gateway
