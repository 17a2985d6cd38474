#include "libs/base/time_text.h"
#include "libs/service/commands.h"
#include "services/gateway/health.h"
#include "services/gateway/request_context.h"
#include "services/gateway/routes.h"

namespace gatehouse::gateway {
namespace {

// Parts of the documents that this installation does not have.
constexpr char kAbsent[] = "not_configured";

bool IsControlFresh(const RequestContext& context) {
  return context.parts().control.IsFresh(std::chrono::steady_clock::now());
}

void WriteStatus(JsonWriter& json, std::string_view name, std::string_view status) {
  json.Key(name).BeginObject().Field("status", status).EndObject();
}

void GetHealth(const Context& context) {
  const std::vector<PartHealth> parts = context->parts().health.Parts();
  const bool fresh = IsControlFresh(*context);
  const Health health = Judge(parts, fresh);
  JsonWriter json;
  json.BeginObject().Field("status", HealthText(health)).Field("service", "gatehouse");
  json.Field("timestamp", FormatTime(context->parts().clock.Now())).Key("services").BeginObject();
  WriteStatus(json, "gateway", fresh ? "healthy" : "degraded");
  for (const PartHealth& part : parts) {
    json.Key(part.name).BeginObject();
    json.Field("status", part.is_serving ? "healthy" : "unhealthy");
    json.TextOrNull("checked_at", part.check_time == Time() ? "" : FormatTime(part.check_time));
    json.EndObject();
  }
  WriteStatus(json, "database", IsDatabaseUp(parts) ? "healthy" : "unhealthy");
  WriteStatus(json, "redis", kAbsent);
  WriteStatus(json, "storage", kAbsent);
  json.EndObject().Key("plugins").BeginArray().EndArray().EndObject();
  context->ReplyJson(health == Health::kUnhealthy ? 503 : 200, json.Take());
}

int ReadyStatus(const RequestContext& context) { return context.parts().IsReady() ? 200 : 503; }

void GetReady(const Context& context) {
  const int status = ReadyStatus(*context);
  const bool database = IsDatabaseUp(context->parts().health.Parts());
  JsonWriter json;
  json.BeginObject().Field("status", status == 200 ? "ready" : "not_ready");
  json.Field("database", database ? "healthy" : "unhealthy").Field("redis", kAbsent).EndObject();
  context->ReplyJson(status, json.Take());
}

void GetReadyz(const Context& context) {
  const int status = ReadyStatus(*context);
  const bool database = IsDatabaseUp(context->parts().health.Parts());
  JsonWriter json;
  json.BeginObject().Field("status", status == 200 ? "ready" : "not_ready");
  json.Key("checks").BeginObject();
  json.Field("database", database ? "ok" : "error: no service reaches it");
  json.Field("cache", kAbsent).Field("storage", kAbsent).EndObject().EndObject();
  context->ReplyJson(status, json.Take());
}

void GetReadiness(const Context& context) {
  const int status = ReadyStatus(*context);
  JsonWriter json;
  json.BeginObject().Field("status", status == 200 ? "ready" : "degraded");
  if (context->identity() != nullptr) {
    json.Field("database", IsDatabaseUp(context->parts().health.Parts()));
    json.NullField("redis").Field("mode", "postgresql").Field("cache_backend", "memory");
  }
  json.EndObject();
  context->ReplyJson(status, json.Take());
}

// An answer that depends on nothing but the process being there.
Handler Fixed(const std::string& body) {
  return [body](const Context& context) { context->ReplyJson(200, body); };
}

void AddProbe(RouteTable& table, const std::string& path, Handler handler,
              const std::string& permission_for_more = "") {
  const bool has_more = !permission_for_more.empty();
  table.Add({.method = "GET",
             .path = path,
             .audience = has_more ? Audience::kOptional : Audience::kPublic,
             .requirement = permission_for_more,
             .limit = Limit::kNone,
             .timeout = Timeout::kQuick,
             .handler = std::move(handler)});
}

}  // namespace

void AddHealthRoutes(RouteTable& table) {
  JsonWriter hello;
  hello.BeginObject().Field("name", "gatehouse").Field("version", service::Version()).EndObject();
  AddProbe(table, "/", Fixed(hello.Take()));
  AddProbe(table, "/health", GetHealth);
  AddProbe(table, "/health/ready", GetReady);
  AddProbe(table, "/api/health", Fixed(R"({"status":"online"})"));
  AddProbe(table, "/api/healthz/", Fixed(R"({"status":"ok"})"));
  AddProbe(table, "/api/readyz/", GetReadyz);
  AddProbe(table, "/platform/monitor/liveness", Fixed(R"({"status":"alive"})"));
  AddProbe(table, "/platform/monitor/readiness", GetReadiness, "manage_gateway");
}

}  // namespace gatehouse::gateway
