#include "gatehouse/auth/v1/tenant.methods.h"
#include "gatehouse/auth/v1/user.methods.h"
#include "gatehouse/billing/v1/account.methods.h"
#include "services/gateway/array_page.h"
#include "services/gateway/audited_call.h"
#include "services/gateway/routes.h"
#include "services/gateway/text.h"

namespace gatehouse::gateway {
namespace {

using auth::v1::Role;
using auth::v1::Tenant;
using auth::v1::TenantService;
using auth::v1::UserService;

constexpr std::size_t kPermissionsMax = 100;
constexpr std::size_t kPermissionBytesMax = 100;

void WriteTenant(const Tenant& tenant, JsonWriter& json) {
  json.BeginObject().Field("id", tenant.id()).Field("client_id", tenant.client_id());
  json.Field("name", tenant.name()).TextOrNull("plan_tier", tenant.tier());
  json.TimeField("created_at", tenant.has_create_time(), tenant.create_time()).EndObject();
}

void ReplyTenant(const Context& context, int status, const Tenant& tenant) {
  JsonWriter json;
  WriteTenant(tenant, json);
  context->ReplyJson(status, json.Take());
}

// "admin_action" on a tenant.
auth::v1::AuditEvent MakeTenantEvent(const RequestContext& context, const Tenant& tenant,
                                     const std::string& details_json) {
  auto event = MakeAuditEvent(context, "admin_action", "tenant/" + std::to_string(tenant.id()),
                              details_json);
  event.set_tenant_id(tenant.id());
  return event;
}

// The tenant that the path names; fails the request when there is none.
void WithTenant(const Context& context, std::function<void(const Tenant&)> done) {
  const auto id = ParseInteger(context->PathText("id"));
  if (!id || *id < 1) {
    return context->Fail(Error(absl::StatusCode::kInvalidArgument, "ID_INVALID",
                               "the id must be a positive integer"));
  }
  auth::v1::GetTenantRequest request;
  request.set_id(*id);
  context->CallOrFail(*context->upstreams().auth, TenantService::kGetTenant, request,
                      std::move(done));
}

absl::StatusOr<auth::v1::ListTenantsRequest> ReadList(const RequestContext& context) {
  GH_ASSIGN_OR_RETURN(Query query, context.Arguments());
  auth::v1::ListTenantsRequest request;
  request.set_page_size(static_cast<int>(query.Number("limit", 100, 1, 500)));
  request.set_page_token(query.Text("cursor").value_or(""));
  GH_RETURN_IF_ERROR(query.Finish());
  return request;
}

void ListTenants(const Context& context) {
  const auto request = ReadList(*context);
  if (!request.ok()) return context->Fail(request.status());
  context->CallOrFail(*context->upstreams().auth, TenantService::kListTenants, *request,
                      [context](const auth::v1::ListTenantsResponse& page) {
                        JsonWriter json;
                        json.BeginArray();
                        for (const Tenant& tenant : page.tenants()) WriteTenant(tenant, json);
                        json.EndArray();
                        ReplyArray(context, json.Take(), page.total(), page.next_page_token());
                      });
}

absl::StatusOr<auth::v1::CreateTenantRequest> ReadCreate(const RequestContext& context) {
  GH_ASSIGN_OR_RETURN(JsonBody body, context.Body());
  auth::v1::CreateTenantRequest request;
  request.set_client_id(body.RequiredCharacters("client_id", 3, 50));
  request.set_name(body.RequiredText("name", 200));
  GH_RETURN_IF_ERROR(body.Finish());
  return request;
}

void CreateTenant(const Context& context) {
  const auto request = ReadCreate(*context);
  if (!request.ok()) return context->Fail(request.status());
  JsonWriter details;
  details.BeginObject().Field("action", "tenant_created");
  details.Field("client_id", request->client_id()).Field("name", request->name()).EndObject();
  const auto event = MakeAuditEvent(*context, "admin_action", "tenant", details.Take());
  AuditThenCall(context, event, *context->upstreams().auth, TenantService::kCreateTenant, *request,
                [context](const Tenant& tenant) { ReplyTenant(context, 201, tenant); });
}

void GetTenant(const Context& context) {
  WithTenant(context, [context](const Tenant& tenant) { ReplyTenant(context, 200, tenant); });
}

absl::StatusOr<std::optional<std::string>> ReadPatch(const RequestContext& context) {
  GH_ASSIGN_OR_RETURN(JsonBody body, context.Body());
  std::optional<std::string> plan_tier = body.Text("plan_tier", 50);
  GH_RETURN_IF_ERROR(body.Finish());
  return plan_tier;
}

// Billing owns the tier; auth's copy of it follows.
void SetPlanTier(const Context& context, const Tenant& tenant, const std::string& plan_tier) {
  JsonWriter details;
  details.BeginObject().Field("action", "plan_tier_changed");
  details.TextOrNull("from", tenant.tier()).Field("plan_tier", plan_tier).EndObject();
  billing::v1::UpdateAccountRequest request;
  request.set_tenant_id(tenant.id());
  request.set_plan_tier(plan_tier);
  AuditThenCall(context, MakeTenantEvent(*context, tenant, details.Take()),
                *context->upstreams().billing, billing::v1::AccountService::kUpdateAccount, request,
                [context, tenant, plan_tier](const billing::v1::Account&) {
                  Tenant changed = tenant;
                  changed.set_tier(plan_tier);
                  ReplyTenant(context, 200, changed);
                });
}

void PatchTenant(const Context& context) {
  const auto plan_tier = ReadPatch(*context);
  if (!plan_tier.ok()) return context->Fail(plan_tier.status());
  WithTenant(context, [context, plan_tier = *plan_tier](const Tenant& tenant) {
    if (!plan_tier) return ReplyTenant(context, 200, tenant);
    SetPlanTier(context, tenant, *plan_tier);
  });
}

// `subject` is what the control stream calls the users concerned.
void Revoke(const Context& context, const auth::v1::AuditEvent& event,
            const auth::v1::RevokeCredentialsRequest& request, const std::string& subject,
            const std::string& message) {
  AuditThenCall(context, event, *context->upstreams().auth, UserService::kRevokeCredentials,
                request, [context, subject, message](const auto& revoked) {
                  // At once here; the other gateways hear of it by auth's stream.
                  context->parts().control.RaiseEpoch(subject, revoked.epoch(),
                                                      std::chrono::steady_clock::now());
                  JsonWriter json;
                  json.BeginObject().Field("message", message).EndObject();
                  context->ReplyJson(200, json.Take());
                });
}

void RevokeTenant(const Context& context) {
  WithTenant(context, [context](const Tenant& tenant) {
    JsonWriter details;
    details.BeginObject().Field("action", "tenant_revoked");
    details.Field("client_id", tenant.client_id()).EndObject();
    auth::v1::RevokeCredentialsRequest request;
    request.set_tenant_id(tenant.id());
    const std::string id = std::to_string(tenant.id());
    Revoke(context, MakeTenantEvent(*context, tenant, details.Take()), request, "tenant/" + id,
           "All tokens revoked for tenant " + id);
  });
}

// Everybody must log in again, the caller too: that is asked for in so many words.
absl::Status CheckConfirmed(const RequestContext& context) {
  GH_ASSIGN_OR_RETURN(JsonBody body, context.Body());
  const std::string confirm = body.RequiredText("confirm", 50);
  if (!confirm.empty() && confirm != "everybody") body.Note("confirm", R"(must be "everybody")");
  return body.Finish();
}

void RevokeAll(const Context& context) {
  const absl::Status confirmed = CheckConfirmed(*context);
  if (!confirmed.ok()) return context->Fail(confirmed);
  auth::v1::RevokeCredentialsRequest request;
  request.set_everybody(true);
  const auto event =
      MakeAuditEvent(*context, "admin_action", "everybody", R"({"action":"everybody_revoked"})");
  Revoke(context, event, request, "global", "All tokens revoked");
}

void WriteRole(const Role& role, JsonWriter& json) {
  json.BeginObject().Field("name", role.name()).Key("permissions").BeginArray();
  for (const std::string& permission : role.permissions()) json.Text(permission);
  json.EndArray().Key("scopes").BeginArray();
  for (const std::string& scope : role.scopes()) json.Text(scope);
  json.EndArray().Field("rate_limit_per_second", role.rate_limit_per_second());
  json.Field("rate_limit_burst", role.rate_limit_burst()).EndObject();
}

void ListRoles(const Context& context) {
  context->CallOrFail(*context->upstreams().auth, UserService::kListRoles,
                      auth::v1::ListRolesRequest(),
                      [context](const auth::v1::ListRolesResponse& list) {
                        JsonWriter json;
                        json.BeginArray();
                        for (const Role& role : list.roles()) WriteRole(role, json);
                        json.EndArray();
                        ReplyArray(context, json.Take(), list.roles_size(), "");
                      });
}

absl::StatusOr<auth::v1::UpdateRoleRequest> ReadRole(const RequestContext& context) {
  GH_ASSIGN_OR_RETURN(JsonBody body, context.Body());
  auth::v1::UpdateRoleRequest request;
  request.set_name(context.PathText("name"));
  const auto permissions = body.TextList("permissions", kPermissionsMax, kPermissionBytesMax);
  if (!body.Has("permissions")) body.Note("permissions", "is required");
  if (permissions) request.mutable_permissions()->Add(permissions->begin(), permissions->end());
  GH_RETURN_IF_ERROR(body.Finish());
  return request;
}

void UpdateRole(const Context& context) {
  const auto request = ReadRole(*context);
  if (!request.ok()) return context->Fail(request.status());
  JsonWriter details;
  details.BeginObject().Field("action", "role_updated").Key("permissions").BeginArray();
  for (const std::string& permission : request->permissions()) details.Text(permission);
  details.EndArray().EndObject();
  const auto event =
      MakeAuditEvent(*context, "admin_action", "role/" + request->name(), details.Take());
  AuditThenCall(context, event, *context->upstreams().auth, UserService::kUpdateRole, *request,
                [context](const Role& role) {
                  JsonWriter json;
                  WriteRole(role, json);
                  context->ReplyJson(200, json.Take());
                });
}

void Add(RouteTable& table, const char* method, const char* path, const char* permission,
         Handler handler) {
  table.Add({.method = method,
             .path = path,
             .audience = Audience::kPermission,
             .requirement = permission,
             .handler = std::move(handler)});
}

}  // namespace

void AddTenantRoutes(RouteTable& table) {
  Add(table, "GET", "/api/admin/tenants/", "manage_users", ListTenants);
  Add(table, "POST", "/api/admin/tenants/", "manage_users", CreateTenant);
  Add(table, "GET", "/api/admin/tenants/{id}/", "manage_users", GetTenant);
  Add(table, "PATCH", "/api/admin/tenants/{id}/", "manage_billing", PatchTenant);
  Add(table, "POST", "/api/admin/tenants/{id}/revoke/", "manage_auth", RevokeTenant);
  Add(table, "POST", "/api/admin/revoke-all/", "manage_auth", RevokeAll);
  Add(table, "GET", "/api/admin/roles/", "manage_users", ListRoles);
  Add(table, "PUT", "/api/admin/roles/{name}/", "manage_auth", UpdateRole);
}

}  // namespace gatehouse::gateway
