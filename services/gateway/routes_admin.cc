#include "gatehouse/auth/v1/audit.methods.h"
#include "gatehouse/auth/v1/auth.methods.h"
#include "gatehouse/invitations/v1/invitations.methods.h"
#include "libs/base/uuid.h"
#include "services/gateway/audit.h"
#include "services/gateway/request_context.h"
#include "services/gateway/routes.h"
#include "services/gateway/text.h"

namespace gatehouse::gateway {
namespace {

namespace inv = invitations::v1;
using std::chrono::duration_cast;
using std::chrono::seconds;

constexpr std::int64_t kDaySeconds = 86400;
constexpr std::int64_t kTtlSecondsMin = 60;
constexpr std::int64_t kTtlSecondsMax = 365 * kDaySeconds;

std::int64_t ReadTtlSeconds(JsonBody& body, Time now) {
  const auto days = body.Int("expires_days", 1, 365);
  const auto end = body.DateTime("expires_at");
  if (days && end) body.Note("expires_at", "cannot stand beside expires_days");
  if (!end) return days.value_or(7) * kDaySeconds;
  const std::int64_t left = duration_cast<seconds>(*end - now).count();
  if (left < kTtlSecondsMin) body.Note("expires_at", "Expiration date must be in the future");
  if (left > kTtlSecondsMax) body.Note("expires_at", "must be at most 365 days ahead");
  return left;
}

absl::StatusOr<inv::CreateInvitationRequest> ReadPasskey(const RequestContext& context) {
  GH_ASSIGN_OR_RETURN(JsonBody body, context.Body());
  inv::CreateInvitationRequest request;
  request.set_ttl_seconds(ReadTtlSeconds(body, context.parts().clock.Now()));
  request.set_uses_max(static_cast<int>(body.Int("max_uses", 1, 1000).value_or(1)));
  request.set_notes(body.Text("notes", 2000).value_or(""));
  request.set_tenant_id(body.Int("tenant_scope", 1, INT64_MAX).value_or(0));
  GH_RETURN_IF_ERROR(body.Finish());
  return request;
}

void ReplyPasskey(const Context& context, const inv::CreateInvitationResponse& created) {
  const inv::Invitation& invitation = created.invitation();
  JsonWriter json;
  json.BeginObject().Field("passkey", created.token());
  json.TimeField("expires_at", invitation.has_expire_time(), invitation.expire_time());
  json.Field("id", invitation.id()).Field("notes", invitation.notes());
  json.Field("max_uses", invitation.uses_max()).EndObject();
  context->ReplyJson(201, json.Take());
}

void CreateAudited(const Context& context, const inv::CreateInvitationRequest& request) {
  JsonWriter details;
  details.BeginObject().Field("action", "passkey_created");
  details.Field("ttl_seconds", request.ttl_seconds()).Field("max_uses", request.uses_max());
  details.Field("tenant_scope", request.tenant_id()).Field("notes", request.notes()).EndObject();
  const auto event = MakeAuditEvent(*context, "admin_action", "passkey", details.Take());
  AuditThen(context, event, [context, request, event] {
    rpc::Client& invitations = *context->upstreams().invitations;
    context->Call(invitations, inv::InvitationService::kCreateInvitation, request,
                  [context, event](const absl::StatusOr<inv::CreateInvitationResponse>& created) {
                    if (created.ok()) return ReplyPasskey(context, *created);
                    FailAudited(context, event, created.status(), "invitations");
                  });
  });
}

void CreatePasskey(const Context& context) {
  const auto request = ReadPasskey(*context);
  if (!request.ok()) return context->Fail(request.status());
  if (request->tenant_id() == 0) return CreateAudited(context, *request);
  auth::v1::GetTenantRequest tenant;
  tenant.set_id(request->tenant_id());
  context->CallOrFail(
      *context->upstreams().auth, auth::v1::AuthService::kGetTenant, tenant,
      [context, request = *request](const auth::v1::Tenant&) { CreateAudited(context, request); });
}

const char* StatusText(inv::Invitation::State state) {
  switch (state) {
    case inv::Invitation::STATE_PENDING:
      return "active";
    case inv::Invitation::STATE_REDEEMED:
      return "used";
    case inv::Invitation::STATE_EXPIRED:
      return "expired";
    case inv::Invitation::STATE_REVOKED:
      return "revoked";
    default:
      return "unknown";
  }
}

void WritePasskey(const inv::Invitation& invitation, JsonWriter& json) {
  json.BeginObject().Field("id", invitation.id());
  json.Field("status", StatusText(invitation.state()));
  json.Field("is_valid", invitation.state() == inv::Invitation::STATE_PENDING);
  json.Field("notes", invitation.notes()).TextOrNull("created_by", invitation.creator_user_id());
  json.TimeField("created_at", invitation.has_create_time(), invitation.create_time());
  json.TimeField("expires_at", invitation.has_expire_time(), invitation.expire_time());
  json.Field("max_uses", invitation.uses_max()).Field("actual_uses", invitation.uses());
  if (invitation.tenant_id() != 0) {
    json.Field("tenant_scope", invitation.tenant_id());
  } else {
    json.NullField("tenant_scope");
  }
  json.EndObject();
}

absl::StatusOr<inv::ListInvitationsRequest> ReadPasskeyList(const RequestContext& context) {
  GH_ASSIGN_OR_RETURN(Query query, context.Arguments());
  inv::ListInvitationsRequest request;
  request.set_page_size(static_cast<int>(query.Number("limit", 500, 1, 500)));
  request.set_page_token(query.Text("cursor").value_or(""));
  request.set_pending_only(query.Flag("active_only"));
  GH_RETURN_IF_ERROR(query.Finish());
  return request;
}

void ListPasskeys(const Context& context) {
  const auto request = ReadPasskeyList(*context);
  if (!request.ok()) return context->Fail(request.status());
  context->CallOrFail(*context->upstreams().invitations, inv::InvitationService::kListInvitations,
                      *request, [context](const inv::ListInvitationsResponse& page) {
                        JsonWriter json;
                        json.BeginObject().Field("count", page.invitations_size());
                        json.Key("passkeys").BeginArray();
                        for (const auto& invitation : page.invitations()) {
                          WritePasskey(invitation, json);
                        }
                        json.EndArray().TextOrNull("next_cursor", page.next_page_token());
                        context->ReplyJson(200, json.EndObject().Take());
                      });
}

void WriteAuditEvent(const auth::v1::AuditEvent& event, JsonWriter& json) {
  json.BeginObject().Field("id", event.id()).Field("event_type", event.type());
  json.TimeField("timestamp", event.has_event_time(), event.event_time());
  json.TextOrNull("user", event.actor_user_id()).TextOrNull("username", event.actor_username());
  json.TextOrNull("target", event.target());
  if (event.tenant_id() != 0) {
    json.Field("tenant_id", event.tenant_id());
  } else {
    json.NullField("tenant_id");
  }
  json.TextOrNull("ip_address", event.client_address());
  json.TextOrNull("user_agent", event.user_agent()).TextOrNull("request_id", event.request_id());
  json.Key("details").Raw(event.details_json().empty() ? "{}" : event.details_json());
  json.Field("success", event.success());
  json.TextOrNull("failure_reason", event.success() ? "" : event.reason()).EndObject();
}

void ListAudit(const Context& context, const auth::v1::ListAuditEventsRequest& request) {
  context->CallOrFail(*context->upstreams().auth, auth::v1::AuditService::kListAuditEvents, request,
                      [context](const auth::v1::ListAuditEventsResponse& page) {
                        JsonWriter json;
                        json.BeginArray();
                        for (const auto& event : page.events()) WriteAuditEvent(event, json);
                        http::Response response;
                        response.headers.push_back({"Content-Type", "application/json"});
                        if (!page.next_page_token().empty()) {
                          response.headers.push_back({"X-Next-Cursor", page.next_page_token()});
                        }
                        response.body = json.EndArray().Take();
                        context->Reply(std::move(response));
                      });
}

absl::StatusOr<auth::v1::ListAuditEventsRequest> ReadAuditList(const RequestContext& context) {
  GH_ASSIGN_OR_RETURN(Query query, context.Arguments());
  auth::v1::ListAuditEventsRequest request;
  request.set_page_size(static_cast<int>(query.Number("limit", 100, 1, 500)));
  request.set_page_token(query.Text("cursor").value_or(""));
  request.set_user_id(query.Text("user_id").value_or(""));
  request.set_type(query.Text("event_type").value_or(""));
  if (const std::string& user = request.user_id();
      !user.empty() && !IsUuid(user) && !ParseInteger(user)) {
    query.Note("user_id", "must be a UUID or an integer");
  }
  GH_RETURN_IF_ERROR(query.Finish());
  return request;
}

void ListAuditEvents(const Context& context) {
  const auto request = ReadAuditList(*context);
  if (!request.ok()) return context->Fail(request.status());
  if (!ParseInteger(request->user_id())) return ListAudit(context, *request);
  // The log knows users by UUID; a number is turned into it first.
  auth::v1::GetUserRequest lookup;
  lookup.set_id(request->user_id());
  context->CallOrFail(*context->upstreams().auth, auth::v1::AuthService::kGetUser, lookup,
                      [context, request = *request](const auth::v1::User& user) {
                        auth::v1::ListAuditEventsRequest by_uuid = request;
                        by_uuid.set_user_id(user.id());
                        ListAudit(context, by_uuid);
                      });
}

void AddAdmin(RouteTable& table, const char* method, const char* path, Handler handler) {
  table.Add({.method = method,
             .path = path,
             .audience = Audience::kPermission,
             .requirement = "manage_users",
             .handler = std::move(handler)});
}

}  // namespace

void AddAdminRoutes(RouteTable& table) {
  AddAdmin(table, "POST", "/api/admin/passkeys/", CreatePasskey);
  AddAdmin(table, "GET", "/api/admin/passkeys/list/", ListPasskeys);
  AddAdmin(table, "GET", "/api/admin/audit-events/", ListAuditEvents);
}

}  // namespace gatehouse::gateway
