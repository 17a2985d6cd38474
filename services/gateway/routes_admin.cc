#include "gatehouse/auth/v1/audit.methods.h"
#include "gatehouse/auth/v1/session.methods.h"
#include "gatehouse/auth/v1/user.methods.h"
#include "libs/base/uuid.h"
#include "services/gateway/array_page.h"
#include "services/gateway/routes.h"
#include "services/gateway/session_json.h"
#include "services/gateway/text.h"
#include "services/gateway/user_json.h"
#include "services/gateway/user_update.h"

namespace gatehouse::gateway {
namespace {

using auth::v1::AuditService;
using auth::v1::SessionService;
using auth::v1::User;
using auth::v1::UserService;

constexpr std::int64_t kOffsetMax = 100000;

absl::StatusOr<auth::v1::ListUsersRequest> ReadUserList(const RequestContext& context) {
  GH_ASSIGN_OR_RETURN(Query query, context.Arguments());
  auth::v1::ListUsersRequest request;
  request.set_page_size(static_cast<int>(query.Number("limit", 100, 1, 500)));
  request.set_skip(static_cast<int>(query.Number("offset", 0, 0, kOffsetMax)));
  request.set_page_token(query.Text("cursor").value_or(""));
  request.set_search(query.Text("search").value_or(""));
  if (query.Text("is_active")) request.set_is_active(query.Flag("is_active"));
  GH_RETURN_IF_ERROR(query.Finish());
  return request;
}

void ListUsers(const Context& context) {
  const auto request = ReadUserList(*context);
  if (!request.ok()) return context->Fail(request.status());
  context->CallOrFail(*context->upstreams().auth, UserService::kListUsers, *request,
                      [context](const auth::v1::ListUsersResponse& page) {
                        JsonWriter json;
                        json.BeginArray();
                        for (const User& user : page.users()) WriteUser(user, true, json);
                        json.EndArray();
                        ReplyArray(context, json.Take(), page.total(), page.next_page_token());
                      });
}

void GetUser(const Context& context) {
  WithUser(context, [context](const User& user) {
    JsonWriter json;
    WriteUser(user, true, json);
    context->ReplyJson(200, json.Take());
  });
}

// Null empties what is shown as null when it is empty.
std::optional<std::string> ClearableText(JsonBody& body, const char* name, std::size_t bytes_max) {
  if (body.IsNull(name)) return "";
  return body.Text(name, bytes_max);
}

absl::StatusOr<auth::v1::UpdateUserRequest> ReadUpdate(const RequestContext& context) {
  GH_ASSIGN_OR_RETURN(JsonBody body, context.Body());
  auth::v1::UpdateUserRequest change;
  ReadCommonUpdate(body, &change);
  const auto reason = ClearableText(body, "disable_reason", 512);
  if (reason) change.set_disable_reason(*reason);
  const auto customer = ClearableText(body, "stripe_customer_id", 255);
  if (customer) change.set_stripe_customer_id(*customer);
  const auto notes = ClearableText(body, "notes", 2000);
  if (notes) change.set_notes(*notes);
  const auto first_name = body.Text("first_name", 150);
  if (first_name) change.set_first_name(*first_name);
  const auto last_name = body.Text("last_name", 150);
  if (last_name) change.set_last_name(*last_name);
  const auto role = body.Text("role", 50);
  if (role) change.set_role(*role);
  const auto tenant_id = body.Int("tenant_id", 1, INT64_MAX);
  if (tenant_id) change.set_tenant_id(*tenant_id);
  const auto settings = body.Object("settings");
  if (settings) change.set_settings_json(*settings);
  GH_RETURN_IF_ERROR(body.Finish());
  return change;
}

void PatchUser(const Context& context) {
  const auto change = ReadUpdate(*context);
  if (!change.ok()) return context->Fail(change.status());
  WithUser(context, [context, change = *change](const User& user) {
    UpdateUser(context, user, change, AsItIs, [context](const User& changed) {
      JsonWriter json;
      json.BeginObject().Field("message", "User updated successfully").Key("user");
      WriteUser(changed, true, json);
      context->ReplyJson(200, json.EndObject().Take());
    });
  });
}

// What an administrator does to the logins of a user.
std::string ActionDetails(const std::string& action, const User& user) {
  JsonWriter json;
  json.BeginObject().Field("action", action).Field("username", user.username()).EndObject();
  return json.Take();
}

absl::StatusOr<auth::v1::ResetPasswordRequest> ReadReset(const RequestContext& context) {
  GH_ASSIGN_OR_RETURN(JsonBody body, context.Body());
  auth::v1::ResetPasswordRequest request;
  request.set_new_password(body.RequiredText("new_password", 1024));
  GH_RETURN_IF_ERROR(body.Finish("new_password is required"));
  return request;
}

void ResetPassword(const Context& context) {
  const auto request = ReadReset(*context);
  if (!request.ok()) return context->Fail(request.status());
  WithUser(context, [context, request = *request](const User& user) {
    auth::v1::ResetPasswordRequest of_user = request;
    of_user.set_id(user.id());
    const auto event = MakeUserEvent(*context, user, ActionDetails("password_reset", user));
    AuditThenCall(context, event, *context->upstreams().auth, UserService::kResetPassword, of_user,
                  [context](const auth::v1::ResetPasswordResponse&) {
                    context->ReplyJson(200, R"({"message":"Password reset successfully"})");
                  });
  });
}

void ReplySessions(const Context& context, const auth::v1::ListSessionsResponse& list) {
  JsonWriter json;
  json.BeginObject().Field("count", list.sessions_size()).Key("sessions").BeginArray();
  for (const auth::v1::Session& session : list.sessions()) {
    WriteSession(session, session.id() == context->identity()->token_id, json);
  }
  context->ReplyJson(200, json.EndArray().EndObject().Take());
}

void ListSessions(const Context& context) {
  WithUser(context, [context](const User& user) {
    auth::v1::ListSessionsRequest request;
    request.set_user_id(user.id());
    context->CallOrFail(
        *context->upstreams().auth, SessionService::kListSessions, request,
        [context](const auth::v1::ListSessionsResponse& list) { ReplySessions(context, list); });
  });
}

void EndSession(const Context& context) {
  const auto id = context->PathUuid("sid");
  if (!id.ok()) return context->Fail(id.status());
  WithUser(context, [context, id = *id](const User& user) {
    auth::v1::EndSessionRequest request;
    request.set_user_id(user.id());
    request.set_id(id);
    JsonWriter details;
    details.BeginObject().Field("action", "session_ended").Field("username", user.username());
    details.Field("session_id", id).EndObject();
    const auto event = MakeUserEvent(*context, user, details.Take());
    AuditThenCall(context, event, *context->upstreams().auth, SessionService::kEndSession, request,
                  [context, id](const auth::v1::EndSessionResponse&) {
                    context->parts().control.Revoke(id, std::chrono::steady_clock::now());
                    context->ReplyJson(200, R"({"message":"Session ended"})");
                  });
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
  context->CallOrFail(*context->upstreams().auth, AuditService::kListAuditEvents, request,
                      [context](const auth::v1::ListAuditEventsResponse& page) {
                        JsonWriter json;
                        json.BeginArray();
                        for (const auto& event : page.events()) WriteAuditEvent(event, json);
                        json.EndArray();
                        ReplyArray(context, json.Take(), page.total(), page.next_page_token());
                      });
}

absl::StatusOr<auth::v1::ListAuditEventsRequest> ReadAuditList(const RequestContext& context) {
  GH_ASSIGN_OR_RETURN(Query query, context.Arguments());
  auth::v1::ListAuditEventsRequest request;
  request.set_page_size(static_cast<int>(query.Number("limit", 100, 1, 500)));
  request.set_page_token(query.Text("cursor").value_or(""));
  request.set_user_id(AsciiLower(query.Text("user_id").value_or("")));
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
  context->CallOrFail(*context->upstreams().auth, UserService::kGetUser, lookup,
                      [context, request = *request](const User& user) {
                        auth::v1::ListAuditEventsRequest by_uuid = request;
                        by_uuid.set_user_id(user.id());
                        ListAudit(context, by_uuid);
                      });
}

void Add(RouteTable& table, const char* method, const char* path, Handler handler) {
  table.Add({.method = method,
             .path = path,
             .audience = Audience::kPermission,
             .requirement = "manage_users",
             .handler = std::move(handler)});
}

}  // namespace

void AddAdminRoutes(RouteTable& table) {
  Add(table, "GET", "/api/admin/users/", ListUsers);
  Add(table, "GET", "/api/admin/users/{id}/", GetUser);
  Add(table, "PATCH", "/api/admin/users/{id}/", PatchUser);
  Add(table, "PUT", "/api/admin/users/{id}/", PatchUser);
  table.Add({.method = "POST",
             .path = "/api/admin/users/{id}/reset-password/",
             .audience = Audience::kPermission,
             .requirement = "manage_users",
             .timeout = Timeout::kSlow,
             .handler = ResetPassword});
  Add(table, "GET", "/api/admin/users/{id}/sessions/", ListSessions);
  Add(table, "DELETE", "/api/admin/users/{id}/sessions/{sid}/", EndSession);
  Add(table, "GET", "/api/admin/audit-events/", ListAuditEvents);
}

}  // namespace gatehouse::gateway
