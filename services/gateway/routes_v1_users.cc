#include "gatehouse/auth/v1/token.methods.h"
#include "gatehouse/auth/v1/user.methods.h"
#include "services/gateway/api_tokens.h"
#include "services/gateway/routes.h"
#include "services/gateway/user_json.h"
#include "services/gateway/user_update.h"

namespace gatehouse::gateway {
namespace {

using auth::v1::User;
using auth::v1::UserService;

constexpr int kRateMax = 10000;
constexpr std::size_t kEmailBytesMax = 254;
constexpr std::int64_t kSkipMax = 100000;

absl::Status Reword(const absl::Status& status, const std::string& message) {
  return Error(status.code(), Reason(status), message);
}

absl::Status CreateWording(const absl::Status& status) {
  const std::string reason = Reason(status);
  if (reason != "USERNAME_TAKEN" && reason != "EMAIL_TAKEN") return status;
  return Reword(status, "Username or email already exists");
}

absl::Status UpdateWording(const absl::Status& status) {
  const std::string reason = Reason(status);
  if (reason == "USERNAME_TAKEN") return Reword(status, "Username already exists");
  if (reason == "EMAIL_TAKEN") return Reword(status, "Email already exists");
  return status;
}

void ReplyUser(const Context& context, const User& user) {
  JsonWriter json;
  WriteV1User(user, json);
  context->ReplyJson(200, json.Take());
}

// Out of range is refused, not clamped, as the document's framework does.
std::int64_t StrictNumber(Query& query, const char* name, std::int64_t fallback, std::int64_t min,
                          std::int64_t max) {
  const std::int64_t number = query.Number(name, fallback, INT64_MIN, INT64_MAX);
  if (number >= min && number <= max) return number;
  query.Note(name, "must be from " + std::to_string(min) + " to " + std::to_string(max));
  return fallback;
}

absl::StatusOr<auth::v1::ListUsersRequest> ReadList(const RequestContext& context) {
  GH_ASSIGN_OR_RETURN(Query query, context.Arguments());
  auth::v1::ListUsersRequest request;
  request.set_skip(static_cast<int>(StrictNumber(query, "skip", 0, 0, kSkipMax)));
  request.set_page_size(static_cast<int>(StrictNumber(query, "limit", 50, 1, 100)));
  if (query.Text("is_active")) request.set_is_active(query.Flag("is_active"));
  GH_RETURN_IF_ERROR(query.Finish());
  return request;
}

void ListUsers(const Context& context) {
  const auto request = ReadList(*context);
  if (!request.ok()) return context->Fail(request.status());
  context->CallOrFail(*context->upstreams().auth, UserService::kListUsers, *request,
                      [context](const auth::v1::ListUsersResponse& page) {
                        JsonWriter json;
                        json.BeginObject().Key("users").BeginArray();
                        for (const User& user : page.users()) WriteV1User(user, json);
                        json.EndArray().Field("total", page.total()).EndObject();
                        context->ReplyJson(200, json.Take());
                      });
}

absl::StatusOr<auth::v1::CreateUserRequest> ReadCreate(const RequestContext& context) {
  GH_ASSIGN_OR_RETURN(JsonBody body, context.Body());
  auth::v1::CreateUserRequest request;
  request.set_username(body.RequiredCharacters("username", 3, 50));
  request.set_email(body.RequiredText("email", kEmailBytesMax));
  request.set_password(body.RequiredCharacters("password", 8, 1024));
  request.set_role(body.Bool("is_admin").value_or(false) ? "admin" : "user");
  const auto rate = body.Int("rate_limit_per_second", 1, kRateMax);
  const auto burst = body.Int("rate_limit_burst", 1, kRateMax);
  if (rate) request.set_rate_limit_per_second(static_cast<int>(*rate));
  if (burst) request.set_rate_limit_burst(static_cast<int>(*burst));
  GH_RETURN_IF_ERROR(body.Finish());
  return request;
}

void CreateUser(const Context& context) {
  const auto request = ReadCreate(*context);
  if (!request.ok()) return context->Fail(request.status());
  JsonWriter details;
  details.BeginObject().Field("action", "user_created").Field("username", request->username());
  details.Field("email", request->email()).Field("role", request->role()).EndObject();
  const auto event = MakeAuditEvent(*context, "admin_action", "user", details.Take());
  AuditThenCall(
      context, event, *context->upstreams().auth, UserService::kCreateUser, *request,
      [context](const User& user) { ReplyUser(context, user); }, CreateWording);
}

void GetUser(const Context& context) {
  WithUser(context, [context](const User& user) { ReplyUser(context, user); });
}

// What is_admin means depends on the role that is there: see RoleOf.
struct Patch {
  auth::v1::UpdateUserRequest change;
  std::optional<bool> is_admin;
};

absl::StatusOr<Patch> ReadPatch(const RequestContext& context) {
  GH_ASSIGN_OR_RETURN(JsonBody body, context.Body());
  Patch patch;
  const auto username = body.Characters("username", 3, 50);
  if (username) patch.change.set_username(*username);
  const auto password = body.Characters("password", 8, 1024);
  if (password) patch.change.set_password(*password);
  ReadCommonUpdate(body, &patch.change);
  patch.is_admin = body.Bool("is_admin");
  GH_RETURN_IF_ERROR(body.Finish());
  return patch;
}

// Who is no administrator keeps the role: false does not make users of moderators.
std::string RoleOf(const User& user, bool is_admin) {
  if (is_admin) return "admin";
  return user.role() == "admin" ? "user" : user.role();
}

void PatchUser(const Context& context) {
  const auto patch = ReadPatch(*context);
  if (!patch.ok()) return context->Fail(patch.status());
  WithUser(context, [context, patch = *patch](const User& user) {
    auth::v1::UpdateUserRequest change = patch.change;
    if (patch.is_admin && RoleOf(user, *patch.is_admin) != user.role()) {
      change.set_role(RoleOf(user, *patch.is_admin));
    }
    UpdateUser(context, user, change, UpdateWording,
               [context](const User& changed) { ReplyUser(context, changed); });
  });
}

void DeactivateUser(const Context& context) {
  WithUser(context, [context](const User& user) {
    auth::v1::UpdateUserRequest change;
    change.set_is_active(false);
    UpdateUser(context, user, change, AsItIs, [context](const User&) {
      context->ReplyJson(200, R"({"status":"success","message":"User deactivated"})");
    });
  });
}

void ListUserTokens(const Context& context) {
  WithUser(context, [context](const User& user) { ListApiTokens(context, user.id()); });
}

void RevokeUserToken(const Context& context) {
  const auto id = context->PathUuid("tid");
  if (!id.ok()) return context->Fail(id.status());
  WithUser(context, [context, id = *id](const User& user) {
    JsonWriter details;
    details.BeginObject().Field("action", "token_revoked").Field("username", user.username());
    details.Field("token_id", id).EndObject();
    const auto event = MakeUserEvent(*context, user, details.Take());
    AuditThenCall(
        context, event, *context->upstreams().auth, auth::v1::TokenService::kRevokeToken,
        MakeRevocation(user.id(), id),
        [context, id](const auth::v1::RevokeTokenResponse&) { ReplyRevoked(context, id); });
  });
}

void Add(RouteTable& table, const char* method, const char* path, Timeout timeout,
         Handler handler) {
  table.Add({.method = method,
             .path = path,
             .audience = Audience::kPermission,
             .requirement = "manage_users",
             .timeout = timeout,
             .handler = std::move(handler)});
}

}  // namespace

void AddV1UserRoutes(RouteTable& table) {
  Add(table, "GET", "/api/v1/users/", Timeout::kStandard, ListUsers);
  Add(table, "POST", "/api/v1/users/", Timeout::kSlow, CreateUser);
  Add(table, "GET", "/api/v1/users/{id}/", Timeout::kStandard, GetUser);
  Add(table, "PATCH", "/api/v1/users/{id}/", Timeout::kSlow, PatchUser);
  Add(table, "DELETE", "/api/v1/users/{id}/", Timeout::kStandard, DeactivateUser);
  Add(table, "GET", "/api/v1/users/{id}/tokens/", Timeout::kStandard, ListUserTokens);
  Add(table, "DELETE", "/api/v1/users/{id}/tokens/{tid}/", Timeout::kStandard, RevokeUserToken);
}

}  // namespace gatehouse::gateway
