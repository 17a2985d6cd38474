#include "gatehouse/auth/v1/tenant.methods.h"
#include "gatehouse/invitations/v1/invitations.methods.h"
#include "services/gateway/audited_call.h"
#include "services/gateway/routes.h"

namespace gatehouse::gateway {
namespace {

namespace inv = invitations::v1;
using inv::InvitationService;
using std::chrono::duration_cast;
using std::chrono::seconds;

constexpr std::int64_t kDaySeconds = 86400;
constexpr std::int64_t kTtlSecondsMin = 60;
constexpr std::int64_t kTtlSecondsMax = 365 * kDaySeconds;

// The surface speaks of passkeys where the inside speaks of invitations.
absl::Status PasskeyWording(const absl::Status& status) {
  if (Reason(status) != "INVITATION_NOT_FOUND") return status;
  return Error(absl::StatusCode::kNotFound, "PASSKEY_NOT_FOUND", "Passkey not found");
}

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
  request.set_email(body.Text("email", 254).value_or(""));
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
  details.Field("tenant_scope", request.tenant_id()).TextOrNull("email", request.email());
  details.Field("notes", request.notes()).EndObject();
  auto event = MakeAuditEvent(*context, "admin_action", "passkey", details.Take());
  event.set_tenant_id(request.tenant_id());
  AuditThenCall(
      context, event, *context->upstreams().invitations, InvitationService::kCreateInvitation,
      request,
      [context](const inv::CreateInvitationResponse& created) { ReplyPasskey(context, created); });
}

void CreatePasskey(const Context& context) {
  const auto request = ReadPasskey(*context);
  if (!request.ok()) return context->Fail(request.status());
  if (request->tenant_id() == 0) return CreateAudited(context, *request);
  auth::v1::GetTenantRequest tenant;
  tenant.set_id(request->tenant_id());
  context->CallOrFail(
      *context->upstreams().auth, auth::v1::TenantService::kGetTenant, tenant,
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
  json.NullField("key");  // Nobody keeps it.
  json.TimeField("created_at", invitation.has_create_time(), invitation.create_time());
  json.TextOrNull("created_by", invitation.creator_user_id());
  json.TextOrNull("created_by_username", invitation.creator_username());
  json.TimeField("expires_at", invitation.has_expire_time(), invitation.expire_time());
  json.TimeField("used_at", invitation.has_redeem_time(), invitation.redeem_time());
  json.TextOrNull("used_by", invitation.redeemer_user_id());
  json.TextOrNull("used_by_username", invitation.redeemer_username());
  json.Field("max_uses", invitation.uses_max()).Field("actual_uses", invitation.uses());
  if (invitation.tenant_id() != 0) {
    json.Field("tenant_scope", invitation.tenant_id());
  } else {
    json.NullField("tenant_scope");
  }
  json.NullField("tenant_name");  // Auth knows it: GET /api/admin/tenants/{id}/.
  json.TextOrNull("email", invitation.email()).Field("notes", invitation.notes());
  json.Field("status", StatusText(invitation.state()));
  json.Field("is_valid", invitation.state() == inv::Invitation::STATE_PENDING).EndObject();
}

absl::StatusOr<inv::ListInvitationsRequest> ReadPasskeyList(const RequestContext& context) {
  GH_ASSIGN_OR_RETURN(Query query, context.Arguments());
  inv::ListInvitationsRequest request;
  request.set_page_size(static_cast<int>(query.Number("limit", 500, 1, 500)));
  request.set_page_token(query.Text("cursor").value_or(""));
  request.set_pending_only(query.Flag("active_only"));
  request.set_tenant_id(query.Number("tenant_scope", 0, 0, INT64_MAX));
  if (query.Text("tenant_scope") && request.tenant_id() == 0) {
    query.Note("tenant_scope", "must be a positive integer");
  }
  GH_RETURN_IF_ERROR(query.Finish());
  return request;
}

void ListPasskeys(const Context& context) {
  const auto request = ReadPasskeyList(*context);
  if (!request.ok()) return context->Fail(request.status());
  context->CallOrFail(*context->upstreams().invitations, InvitationService::kListInvitations,
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

void RevokePasskey(const Context& context) {
  const auto id = context->PathUuid();
  if (!id.ok()) return context->Fail(id.status());
  inv::RevokeInvitationRequest request;
  request.set_id(*id);
  const auto event =
      MakeAuditEvent(*context, "admin_action", "passkey/" + *id, R"({"action":"passkey_revoked"})");
  AuditThenCall(
      context, event, *context->upstreams().invitations, InvitationService::kRevokeInvitation,
      request,
      [context](const inv::Invitation&) {
        context->ReplyJson(200, R"({"message":"Passkey revoked"})");
      },
      PasskeyWording);
}

void Add(RouteTable& table, const char* method, const char* path, Handler handler) {
  table.Add({.method = method,
             .path = path,
             .audience = Audience::kPermission,
             .requirement = "manage_users",
             .handler = std::move(handler)});
}

}  // namespace

void AddPasskeyRoutes(RouteTable& table) {
  Add(table, "POST", "/api/admin/passkeys/", CreatePasskey);
  Add(table, "GET", "/api/admin/passkeys/list/", ListPasskeys);
  Add(table, "DELETE", "/api/admin/passkeys/{id}/", RevokePasskey);
}

}  // namespace gatehouse::gateway
