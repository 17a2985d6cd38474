#include <algorithm>

#include "gatehouse/auth/v1/session.methods.h"
#include "gatehouse/auth/v1/user.methods.h"
#include "services/gateway/audited_call.h"
#include "services/gateway/cookies.h"
#include "services/gateway/logout.h"
#include "services/gateway/request_context.h"
#include "services/gateway/routes.h"
#include "services/gateway/spelling.h"
#include "services/gateway/text.h"
#include "services/gateway/user_json.h"
#include "services/gateway/user_update.h"

namespace gatehouse::gateway {
namespace {

using auth::v1::IssuedCredential;
using auth::v1::SessionService;
using auth::v1::User;
using auth::v1::UserService;

constexpr std::size_t kNameBytesMax = 254;
constexpr std::size_t kPersonBytesMax = 150;
constexpr std::size_t kPasswordBytesMax = 1024;
constexpr std::size_t kRefreshTokenBytesMax = 255;

// Of the cookies: that of the signed token within.
constexpr std::chrono::seconds kCookieLife{1800};

constexpr Spelling kUnauthorized[] = {
    {"CREDENTIALS_INVALID", 401, "AUTH003", "Unable to validate credentials"},
    {"REFRESH_TOKEN_INVALID", 401, "AUTH003", "Unable to validate credentials"},
    {"REFRESH_TOKEN_REUSED", 401, "AUTH003", "Unable to validate credentials"},
    {"SESSION_NOT_FOUND", 401, "AUTH003", "Unable to validate credentials"},
};

// The codes of the document for a body that cannot be read.
void FailBody(const Context& context, const absl::Status& status) {
  if (!Reason(status).starts_with("JSON_")) return context->Fail(status);
  context->Fail(Problem{400, "AUTH004", "Invalid JSON payload", "", {}});
}

void ReplyMessage(const Context& context, int status, const std::string& message) {
  JsonWriter json;
  context->ReplyJson(status, json.BeginObject().Field("message", message).EndObject().Take());
}

// Both tokens in the body as far as they are asked for, the access token in the
// cookie.
void ReplyTokens(const Context& context, const IssuedCredential& issued, bool with_refresh_token) {
  JsonWriter json;
  json.BeginObject().Field("access_token", issued.token());
  if (with_refresh_token) json.Field("refresh_token", issued.refresh_token());
  http::Response response = JsonResponse(200, json.EndObject().Take());
  AddLoginCookies(context->parts().options, context->request(), issued.token(), kCookieLife,
                  &response);
  context->Reply(std::move(response));
}

void LogIn(const Context& context) {
  auto body = context->Body();
  if (!body.ok()) return FailBody(context, body.status());
  auth::v1::LogInRequest request;
  request.set_kind(auth::v1::CREDENTIAL_KIND_PLATFORM);
  const auto email = body->Text("email", kNameBytesMax);
  const auto username = body->Text("username", kNameBytesMax);
  if (email && username) body->Note("username", "cannot stand beside email");
  request.set_username(email ? *email : username.value_or(""));
  request.set_password(body->Text("password", kPasswordBytesMax).value_or(""));
  const absl::Status valid = body->Finish();
  if (request.username().empty() || request.password().empty()) {
    Problem problem = ProblemOf(valid);
    return context->Fail(
        Problem{400, "AUTH001", "Missing email or password", "", std::move(problem.details)});
  }
  if (!valid.ok()) return context->Fail(valid);
  *request.mutable_origin() = context->Origin();
  context->Call(*context->upstreams().auth, SessionService::kLogIn, request,
                [context](const absl::StatusOr<IssuedCredential>& issued) {
                  if (!issued.ok()) return FailAs(context, kUnauthorized, issued.status());
                  ReplyTokens(context, *issued, false);
                });
}

void ReplyRefreshed(const Context& context, const absl::StatusOr<IssuedCredential>& issued) {
  if (!issued.ok()) return FailAs(context, kUnauthorized, issued.status());
  ReplyTokens(context, *issued, true);
}

bool IsSigned(auth::v1::CredentialKind kind) {
  return kind == auth::v1::CREDENTIAL_KIND_ACCESS || kind == auth::v1::CREDENTIAL_KIND_PLATFORM;
}

// By a refresh token in the body, or by the signed token that is presented.
void Refresh(const Context& context) {
  auto body = context->Body();
  if (!body.ok()) return FailBody(context, body.status());
  const auto refresh_token = body->Text("refresh_token", kRefreshTokenBytesMax);
  if (const absl::Status valid = body->Finish(); !valid.ok()) return context->Fail(valid);
  const auto done = [context](const absl::StatusOr<IssuedCredential>& issued) {
    ReplyRefreshed(context, issued);
  };
  rpc::Client& auth = *context->upstreams().auth;
  if (refresh_token) {
    auth::v1::RefreshRequest request;
    request.set_refresh_token(*refresh_token);
    *request.mutable_origin() = context->Origin();
    return context->Call(auth, SessionService::kRefresh, request, done);
  }
  if (context->identity() == nullptr) return context->Fail(context->refusal());
  if (!IsSigned(context->identity()->kind)) {
    const auto& [reason, http_status, code, message] = kUnauthorized[0];
    return context->Fail(Problem{http_status, code, message, "", {}});
  }
  auth::v1::ExtendSessionRequest request;
  request.set_credential_id(context->identity()->token_id);
  *request.mutable_origin() = context->Origin();
  context->Call(auth, SessionService::kExtendSession, request, done);
}

// The user whom {username} names.
void WithNamedUser(const Context& context, UserDone done) {
  auth::v1::GetUserRequest request;
  request.set_username(context->PathText("username"));
  context->CallOrFail(*context->upstreams().auth, UserService::kGetUser, request, std::move(done));
}

auth::v1::AuditEvent MakeNamedEvent(const RequestContext& context, const char* action,
                                    const User& user) {
  JsonWriter details;
  details.BeginObject().Field("action", action).Field("username", user.username()).EndObject();
  return MakeUserEvent(context, user, details.Take());
}

void RevokeUser(const Context& context) {
  WithNamedUser(context, [context](const User& user) {
    auth::v1::RevokeCredentialsRequest request;
    request.set_user(user.id());
    AuditThenCall(context, MakeNamedEvent(*context, "credentials_revoked", user),
                  *context->upstreams().auth, UserService::kRevokeCredentials, request,
                  [context, user](const auth::v1::RevokeCredentialsResponse& revoked) {
                    // At once here; the other gateways hear of it by auth's stream.
                    context->parts().control.RaiseEpoch("user/" + user.id(), revoked.epoch(),
                                                        std::chrono::steady_clock::now());
                    ReplyMessage(context, 200, "All tokens revoked for " + user.username());
                  });
  });
}

void UnrevokeUser(const Context& context) {
  WithNamedUser(context, [context](const User& user) {
    auth::v1::ClearRevocationRequest request;
    request.set_user(user.id());
    AuditThenCall(
        context, MakeNamedEvent(*context, "revocation_cleared", user), *context->upstreams().auth,
        UserService::kClearRevocation, request, [context](const User& cleared) {
          ReplyMessage(context, 200, "Token revocation cleared for " + cleared.username());
        });
  });
}

void GetUserStatus(const Context& context) {
  WithNamedUser(context, [context](const User& user) {
    JsonWriter json;
    json.BeginObject().Field("active", user.is_active()).Field("revoked", user.is_revoked());
    context->ReplyJson(200, json.EndObject().Take());
  });
}

// `words` follow "User alice".
void SetActive(const Context& context, bool is_active, const std::string& words) {
  WithNamedUser(context, [context, is_active, words](const User& user) {
    auth::v1::UpdateUserRequest change;
    change.set_is_active(is_active);
    UpdateUser(context, user, change, AsItIs, [context, words](const User& updated) {
      ReplyMessage(context, 200, "User " + updated.username() + words);
    });
  });
}

absl::StatusOr<auth::v1::CreateUserRequest> ReadNewUser(const RequestContext& context) {
  GH_ASSIGN_OR_RETURN(JsonBody body, context.Body());
  auth::v1::CreateUserRequest request;
  request.set_username(body.RequiredText("username", kNameBytesMax));
  request.set_email(body.RequiredText("email", kNameBytesMax));
  request.set_password(body.RequiredText("password", kPasswordBytesMax));
  request.set_role(body.Text("role", kNameBytesMax).value_or(""));
  request.set_first_name(body.Text("first_name", kPersonBytesMax).value_or(""));
  request.set_last_name(body.Text("last_name", kPersonBytesMax).value_or(""));
  GH_RETURN_IF_ERROR(body.Finish());
  return request;
}

// The codes of the document for what cannot be created.
absl::Status UserWording(const absl::Status& status) {
  const std::string reason = Reason(status);
  const char* code = nullptr;
  if (reason == "USERNAME_TAKEN" || reason == "EMAIL_TAKEN") code = "USR001";
  if (reason == "PASSWORD_TOO_WEAK") code = "USR005";
  if (code == nullptr) return status;
  absl::Status spelled = Error(status.code(), code, std::string(status.message()));
  for (const auto& [field, description] : FieldViolations(status)) {
    spelled = WithFieldViolation(std::move(spelled), field, description);
  }
  return spelled;
}

void CreateUser(const Context& context) {
  const auto request = ReadNewUser(*context);
  if (!request.ok()) return context->Fail(request.status());
  JsonWriter details;
  details.BeginObject().Field("action", "user_created").Field("username", request->username());
  details.Field("email", request->email());
  details.Field("role", request->role().empty() ? "user" : request->role()).EndObject();
  const auto event = MakeAuditEvent(*context, "admin_action", "user", details.Take());
  AuditThenCall(
      context, event, *context->upstreams().auth, UserService::kCreateUser, *request,
      [context](const User&) { ReplyMessage(context, 201, "User created successfully"); },
      UserWording);
}

void GetMe(const Context& context) {
  auth::v1::GetUserRequest request;
  request.set_id(context->principal().user_id());
  context->CallOrFail(*context->upstreams().auth, UserService::kGetUser, request,
                      [context](const User& user) {
                        JsonWriter json;
                        WritePlatformUser(user, json);
                        context->ReplyJson(200, json.Take());
                      });
}

absl::StatusOr<auth::v1::UpdateUserRequest> ReadChange(const RequestContext& context) {
  GH_ASSIGN_OR_RETURN(JsonBody body, context.Body());
  auth::v1::UpdateUserRequest change;
  ReadCommonUpdate(body, &change);
  if (const auto active = body.Bool("active")) {
    if (change.has_is_active()) body.Note("active", "cannot stand beside is_active");
    change.set_is_active(*active);
  }
  if (const auto role = body.Text("role", kNameBytesMax)) change.set_role(*role);
  if (const auto name = body.Text("first_name", kPersonBytesMax)) change.set_first_name(*name);
  if (const auto name = body.Text("last_name", kPersonBytesMax)) change.set_last_name(*name);
  GH_RETURN_IF_ERROR(body.Finish());
  return change;
}

// Others are changed by who may manage users; what gives rights, also then by
// nobody for himself, but for administrators, who have them all.
bool MayChange(const RequestContext& context, bool is_own,
               const auth::v1::UpdateUserRequest& change) {
  const auto& held = context.principal().permissions();
  const bool may_manage = std::find(held.begin(), held.end(), "manage_users") != held.end();
  const bool gives_rights = change.has_role() || change.has_is_active() ||
                            change.has_rate_limit_per_second() || change.has_rate_limit_burst();
  if (!is_own) return may_manage;
  return !gives_rights || context.IsStaff();
}

void FailForbidden(const Context& context) {
  context->Fail(Error(absl::StatusCode::kPermissionDenied, "FORBIDDEN",
                      "you do not have permission to change this"));
}

void ChangeUser(const Context& context) {
  const auto change = ReadChange(*context);
  if (!change.ok()) return context->Fail(change.status());
  // Before the look-up: who may not ask does not learn who exists.
  const bool is_named =
      SameAsciiText(context->principal().username(), context->PathText("username"));
  if (!MayChange(*context, is_named, *change)) return FailForbidden(context);
  WithNamedUser(context, [context, change = *change](const User& user) {
    // Names change hands; whose it is now, the id tells.
    const bool is_own = user.id() == context->principal().user_id();
    if (!MayChange(*context, is_own, change)) return FailForbidden(context);
    UpdateUser(context, user, change, UserWording,
               [context](const User&) { ReplyMessage(context, 200, "User updated successfully"); });
  });
}

// Users stay known to the ledger and the audit log: they are blocked for good.
void DeleteUser(const Context& context) {
  WithNamedUser(context, [context](const User& user) {
    auth::v1::UpdateUserRequest change;
    change.set_is_active(false);
    UpdateUser(context, user, change, AsItIs,
               [context](const User&) { ReplyMessage(context, 200, "User deleted successfully"); });
  });
}

void AddSession(RouteTable& table, const char* method, const char* path, const char* code,
                Handler handler) {
  table.Add({.method = method,
             .path = std::string("/platform/authorization") + path,
             .audience = Audience::kUser,
             .code_401 = code,
             .handler = std::move(handler)});
}

void AddAdmin(RouteTable& table, const char* method, const std::string& path, Handler handler) {
  table.Add({.method = method,
             .path = "/platform/authorization/admin/" + path + "/{username}",
             .audience = Audience::kPermission,
             .requirement = "manage_auth",
             .code_401 = "AUTH003",
             .code_403 = "AUTH900",
             .handler = std::move(handler)});
}

void AddUserRoute(RouteTable& table, const char* method, const char* path, Audience audience,
                  Timeout timeout, Handler handler) {
  table.Add({.method = method,
             .path = std::string("/platform/user") + path,
             .audience = audience,
             .requirement = audience == Audience::kPermission ? "manage_users" : "",
             .timeout = timeout,
             .code_401 = "AUTH003",
             .code_403 = "USR006",
             .handler = std::move(handler)});
}

void AddAuthorizationRoutes(RouteTable& table) {
  table.Add({.method = "POST",
             .path = "/platform/authorization",
             .audience = Audience::kPublic,
             .limit = Limit::kAddress,
             .timeout = Timeout::kSlow,
             .handler = LogIn});
  table.Add({.method = "POST",
             .path = "/platform/authorization/refresh",
             .audience = Audience::kOptional,
             .code_401 = "AUTH003",
             .handler = Refresh});
  AddSession(table, "GET", "/status", "AUTH005",
             [](const Context& context) { ReplyMessage(context, 200, "Token is valid"); });
  AddSession(table, "POST", "/invalidate", "AUTH003",
             [](const Context& context) { LogOut(context, "Your token has been invalidated"); });
  AddAdmin(table, "POST", "revoke", RevokeUser);
  AddAdmin(table, "POST", "unrevoke", UnrevokeUser);
  AddAdmin(table, "GET", "status", GetUserStatus);
  AddAdmin(table, "POST", "disable", [](const Context& context) {
    SetActive(context, false, " disabled and tokens revoked");
  });
  AddAdmin(table, "POST", "enable",
           [](const Context& context) { SetActive(context, true, " enabled"); });
}

}  // namespace

void AddPlatformRoutes(RouteTable& table) {
  AddAuthorizationRoutes(table);
  AddUserRoute(table, "POST", "", Audience::kPermission, Timeout::kSlow, CreateUser);
  AddUserRoute(table, "GET", "/me", Audience::kUser, Timeout::kStandard, GetMe);
  AddUserRoute(table, "PUT", "/{username}", Audience::kUser, Timeout::kStandard, ChangeUser);
  AddUserRoute(table, "DELETE", "/{username}", Audience::kPermission, Timeout::kStandard,
               DeleteUser);
}

}  // namespace gatehouse::gateway
