#include <optional>

#include "libs/base/time_text.h"
#include "libs/service/commands.h"
#include "services/gateway/health.h"
#include "services/gateway/lease_keeper.h"
#include "services/gateway/request_context.h"
#include "services/gateway/routes.h"

namespace gatehouse::gateway {
namespace {

// Parts of the documents that this installation does not have.
constexpr char kAbsent[] = "not_configured";

bool IsControlFresh(const RequestContext& context) {
  return context.parts().control.IsFresh(std::chrono::steady_clock::now());
}

// Whether Redis answers; nullopt where none is set.
std::optional<bool> RedisUp(const RequestContext& context) {
  const LeaseKeeper* leases = context.parts().leases;
  if (leases == nullptr) return std::nullopt;
  return leases->IsUp();
}

const char* StatusText(std::optional<bool> is_up) {
  if (!is_up) return kAbsent;
  return *is_up ? "healthy" : "unhealthy";
}

Health JudgeAll(const RequestContext& context, const std::vector<PartHealth>& parts) {
  return Judge(parts, IsControlFresh(context), !RedisUp(context).value_or(true));
}

void WriteStatus(JsonWriter& json, std::string_view name, std::string_view status) {
  json.Key(name).BeginObject().Field("status", status).EndObject();
}

void GetHealth(const Context& context) {
  const std::vector<PartHealth> parts = context->parts().health.Parts();
  const bool fresh = IsControlFresh(*context);
  const Health health = JudgeAll(*context, parts);
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
  WriteStatus(json, "redis", StatusText(RedisUp(*context)));
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
  json.Field("database", database ? "healthy" : "unhealthy");
  json.Field("redis", StatusText(RedisUp(*context))).EndObject();
  context->ReplyJson(status, json.Take());
}

void GetReadyz(const Context& context) {
  const int status = ReadyStatus(*context);
  const bool database = IsDatabaseUp(context->parts().health.Parts());
  JsonWriter json;
  json.BeginObject().Field("status", status == 200 ? "ready" : "not_ready");
  json.Key("checks").BeginObject();
  json.Field("database", database ? "ok" : "error: no service reaches it");
  const std::optional<bool> redis = RedisUp(*context);
  const char* cache = redis.value_or(false) ? "ok" : "error: Redis does not answer";
  json.Field("cache", redis ? cache : kAbsent);
  json.Field("storage", kAbsent).EndObject().EndObject();
  context->ReplyJson(status, json.Take());
}

void GetReadiness(const Context& context) {
  const int status = ReadyStatus(*context);
  JsonWriter json;
  json.BeginObject().Field("status", status == 200 ? "ready" : "degraded");
  if (context->identity() != nullptr) {
    json.Field("database", IsDatabaseUp(context->parts().health.Parts()));
    const std::optional<bool> redis = RedisUp(*context);
    json.Key("redis").Raw(redis ? (*redis ? "true" : "false") : "null");
    json.Field("mode", "postgresql").Field("cache_backend", "memory");
  }
  json.EndObject();
  context->ReplyJson(status, json.Take());
}

// For staff: each part by itself. The queue and its workers are the process of jobs.
void GetSystemHealth(const Context& context) {
  const std::vector<PartHealth> parts = context->parts().health.Parts();
  const Health health = JudgeAll(*context, parts);
  const bool jobs = IsServing(parts, "jobs");
  JsonWriter json;
  json.BeginObject().Field("status", HealthText(health));
  json.Field("timestamp", FormatTime(context->parts().clock.Now())).Key("checks").BeginObject();
  json.Field("database", StatusText(IsDatabaseUp(parts)));
  json.Field("redis", StatusText(RedisUp(*context))).Field("storage", kAbsent);
  json.Field("job_queue", StatusText(jobs)).Field("workers", StatusText(jobs));
  json.EndObject().EndObject();
  context->ReplyJson(health == Health::kUnhealthy ? 503 : 200, json.Take());
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
  table.Add({.method = "GET",
             .path = "/system/health/",
             .audience = Audience::kRole,
             .requirement = "admin",
             .limit = Limit::kNone,
             .timeout = Timeout::kQuick,
             .handler = GetSystemHealth});
}

}  // namespace gatehouse::gateway
