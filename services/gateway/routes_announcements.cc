#include "gatehouse/auth/v1/announcement.methods.h"
#include "services/gateway/audited_call.h"
#include "services/gateway/routes.h"

namespace gatehouse::gateway {
namespace {

using auth::v1::Announcement;
using auth::v1::AnnouncementType;
using auth::v1::CreateAnnouncementRequest;

constexpr std::size_t kMessageCharactersMax = 2000;
constexpr std::size_t kUserBytesMax = 36;

struct Named {
  const char* name;
  AnnouncementType type;
};
constexpr Named kTypes[] = {{"notification", auth::v1::ANNOUNCEMENT_TYPE_NOTIFICATION},
                            {"maintenance", auth::v1::ANNOUNCEMENT_TYPE_MAINTENANCE},
                            {"alert", auth::v1::ANNOUNCEMENT_TYPE_ALERT}};

AnnouncementType TypeOf(const std::string& name) {
  for (const Named& named : kTypes) {
    if (name == named.name) return named.type;
  }
  return auth::v1::ANNOUNCEMENT_TYPE_UNSPECIFIED;
}

const char* NameOf(AnnouncementType type) {
  for (const Named& named : kTypes) {
    if (type == named.type) return named.name;
  }
  return "";
}

absl::StatusOr<CreateAnnouncementRequest> ReadAnnouncement(const RequestContext& context) {
  GH_ASSIGN_OR_RETURN(JsonBody body, context.Body());
  CreateAnnouncementRequest request;
  const std::string type = body.RequiredText("type", 50);
  request.set_type(TypeOf(type));
  if (!type.empty() && TypeOf(type) == auth::v1::ANNOUNCEMENT_TYPE_UNSPECIFIED) {
    body.Note("type", "must be notification, maintenance or alert");
  }
  request.set_message(body.RequiredCharacters("message", 1, kMessageCharactersMax));
  if (const auto enabled = body.Bool("enabled")) {
    request.set_enabled(*enabled);
    if (type != "maintenance") body.Note("enabled", "goes with maintenance only");
  }
  request.set_tenant_id(body.Int("tenant_id", 1, INT64_MAX).value_or(0));
  request.set_user(body.Text("user_id", kUserBytesMax).value_or(""));
  GH_RETURN_IF_ERROR(body.Finish());
  return request;
}

std::string ToJson(const Announcement& announcement) {
  JsonWriter json;
  json.BeginObject().Field("id", announcement.id());
  json.Field("type", NameOf(announcement.type())).Field("message", announcement.message());
  if (announcement.tenant_id() == 0) {
    json.NullField("tenant_id");
  } else {
    json.Field("tenant_id", announcement.tenant_id());
  }
  json.TimeField("create_time", announcement.has_create_time(), announcement.create_time());
  return json.EndObject().Take();
}

void CreateAnnouncement(const Context& context) {
  const auto request = ReadAnnouncement(*context);
  if (!request.ok()) return context->Fail(request.status());
  JsonWriter details;
  details.BeginObject().Field("action", "announcement_created");
  details.Field("type", NameOf(request->type()));
  if (request->has_enabled()) details.Field("enabled", request->enabled());
  if (!request->user().empty()) details.Field("user_id", request->user());
  details.EndObject();
  auto event = MakeAuditEvent(*context, "admin_action", "announcement", details.Take());
  event.set_tenant_id(request->tenant_id());
  AuditThenCall(context, event, *context->upstreams().auth,
                auth::v1::AnnouncementService::kCreateAnnouncement, *request,
                [context](const Announcement& made) { context->ReplyJson(201, ToJson(made)); });
}

}  // namespace

void AddAnnouncementRoutes(RouteTable& table) {
  table.Add({.method = "POST",
             .path = "/api/admin/announcements/",
             .audience = Audience::kRole,
             .requirement = "admin",
             .handler = CreateAnnouncement});
}

}  // namespace gatehouse::gateway
