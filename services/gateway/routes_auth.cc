#include "gatehouse/auth/v1/session.methods.h"
#include "gatehouse/auth/v1/user.methods.h"
#include "libs/rpc/timestamp.h"
#include "services/gateway/cookies.h"
#include "services/gateway/credential.h"
#include "services/gateway/logout.h"
#include "services/gateway/request_context.h"
#include "services/gateway/routes.h"
#include "services/gateway/session_json.h"
#include "services/gateway/spelling.h"
#include "services/gateway/user_json.h"

namespace gatehouse::gateway {
namespace {

using auth::v1::IssuedCredential;
using auth::v1::SessionService;
using std::chrono::seconds;

constexpr std::size_t kNameBytesMax = 254;
constexpr std::size_t kPasswordBytesMax = 1024;
constexpr std::size_t kPasskeyBytesMax = 255;

absl::StatusOr<auth::v1::LogInRequest> ReadLogIn(const RequestContext& context,
                                                 auth::v1::CredentialKind kind) {
  GH_ASSIGN_OR_RETURN(JsonBody body, context.Body());
  auth::v1::LogInRequest request;
  request.set_username(body.RequiredText("username", kNameBytesMax));
  request.set_password(body.RequiredText("password", kPasswordBytesMax));
  request.set_kind(kind);
  if (kind == auth::v1::CREDENTIAL_KIND_SESSION) {
    request.set_is_persistent(body.Bool("remember_me").value_or(false));
  }
  GH_RETURN_IF_ERROR(body.Finish("Username and password are required"));
  *request.mutable_origin() = context.Origin();
  return request;
}

void IssueToken(const Context& context) {
  static constexpr Spelling kSpellings[] = {
      {"CREDENTIALS_INVALID", 401, "CREDENTIALS_INVALID", "Invalid credentials"}};
  const auto request = ReadLogIn(*context, auth::v1::CREDENTIAL_KIND_TOKEN);
  if (!request.ok()) return context->Fail(request.status());
  context->Call(*context->upstreams().auth, SessionService::kLogIn, *request,
                [context](const absl::StatusOr<IssuedCredential>& issued) {
                  if (!issued.ok()) return FailAs(context, kSpellings, issued.status());
                  JsonWriter json;
                  json.BeginObject().Field("token", issued->token()).Key("user");
                  WriteUser(issued->user(), false, json);
                  context->ReplyJson(200, json.EndObject().Take());
                });
}

// What is left of a credential that ends, rounded up.
std::optional<seconds> LifeOf(const RequestContext& context, const IssuedCredential& issued) {
  if (!issued.has_expire_time()) return std::nullopt;
  const Time end = rpc::FromTimestamp(issued.expire_time());
  return std::chrono::ceil<seconds>(end - context.parts().clock.Now());
}

// Answers with the newcomer and the cookies of a browser session.
void ReplyLoggedIn(const Context& context, int status, const char* message,
                   const IssuedCredential& issued, std::optional<seconds> life) {
  JsonWriter json;
  json.BeginObject().Field("message", message).Key("user");
  WriteUser(issued.user(), false, json);
  http::Response response = JsonResponse(status, json.EndObject().Take());
  AddLoginCookies(context->parts().options, context->request(), issued.token(), life, &response);
  context->Reply(std::move(response));
}

void LogIn(const Context& context) {
  static constexpr Spelling kSpellings[] = {
      {"CREDENTIALS_INVALID", 401, "CREDENTIALS_INVALID", "Invalid username or password"}};
  const auto request = ReadLogIn(*context, auth::v1::CREDENTIAL_KIND_SESSION);
  if (!request.ok()) return context->Fail(request.status());
  context->Call(*context->upstreams().auth, SessionService::kLogIn, *request,
                [context, is_persistent = request->is_persistent()](
                    const absl::StatusOr<IssuedCredential>& issued) {
                  if (!issued.ok()) return FailAs(context, kSpellings, issued.status());
                  ReplyLoggedIn(context, 200, "Login successful", *issued,
                                is_persistent ? LifeOf(*context, *issued) : std::nullopt);
                });
}

absl::StatusOr<auth::v1::SignUpRequest> ReadSignUp(const RequestContext& context) {
  GH_ASSIGN_OR_RETURN(JsonBody body, context.Body());
  auth::v1::SignUpRequest request;
  request.set_username(body.RequiredText("username", kNameBytesMax));
  request.set_email(body.RequiredText("email", kNameBytesMax));
  request.set_password(body.RequiredText("password", kPasswordBytesMax));
  request.set_passkey(body.RequiredText("passkey", kPasskeyBytesMax));
  GH_RETURN_IF_ERROR(body.Finish("username, email, password and passkey are required"));
  *request.mutable_origin() = context.Origin();
  return request;
}

void SignUp(const Context& context) {
  // The surface speaks of passkeys where the inside speaks of invitations.
  static constexpr Spelling kSpellings[] = {
      {"INVITATION_NOT_FOUND", 400, "PASSKEY_INVALID", "Invalid passkey"},
      {"INVITATION_REVOKED", 400, "PASSKEY_INVALID", "Invalid passkey"},
      {"PASSKEY_INVALID", 400, "PASSKEY_INVALID", "Invalid passkey"},
      {"INVITATION_EXPIRED", 400, "PASSKEY_EXPIRED", "Passkey has expired"},
      {"INVITATION_ALREADY_REDEEMED", 400, "PASSKEY_USED", "Passkey has already been used"},
      {"INVITATION_TENANT_NOT_FOUND", 400, "PASSKEY_INVALID", "Invalid passkey"},
      {"INVITATION_EMAIL_MISMATCH", 400, "PASSKEY_INVALID", "Passkey is for another address"},
      {"USERNAME_TAKEN", 409, "USERNAME_TAKEN", "Username already exists"},
      {"EMAIL_TAKEN", 409, "EMAIL_TAKEN", "Email already exists"},
  };
  const auto request = ReadSignUp(*context);
  if (!request.ok()) return context->Fail(request.status());
  context->Call(*context->upstreams().auth, SessionService::kSignUp, *request,
                [context](const absl::StatusOr<IssuedCredential>& issued) {
                  if (!issued.ok()) return FailAs(context, kSpellings, issued.status());
                  ReplyLoggedIn(context, 201, "Signup successful", *issued, std::nullopt);
                });
}

absl::StatusOr<auth::v1::ChangePasswordRequest> ReadPasswordChange(const RequestContext& context) {
  GH_ASSIGN_OR_RETURN(JsonBody body, context.Body());
  auth::v1::ChangePasswordRequest request;
  request.set_old_password(body.RequiredText("old_password", kPasswordBytesMax));
  request.set_new_password(body.RequiredText("new_password", kPasswordBytesMax));
  GH_RETURN_IF_ERROR(body.Finish("old_password and new_password are required"));
  request.set_user_id(context.principal().user_id());
  request.set_credential_id(context.identity()->token_id);
  *request.mutable_origin() = context.Origin();
  return request;
}

// A signed access token died with the old password; its session goes on with the
// new one, also in the cookie in which the old one came, and keeps its refresh token.
void ReplyPasswordChanged(const Context& context, const auth::v1::ChangePasswordResponse& changed) {
  const IssuedCredential& issued = changed.credential();
  JsonWriter json;
  json.BeginObject().Field("message", "Password changed successfully");
  if (!issued.token().empty()) json.Field("access_token", issued.token());
  http::Response response = JsonResponse(200, json.EndObject().Take());
  const auto presented = FindCredential(context->request());
  if (!issued.token().empty() && presented && presented->from_cookie) {
    AddLoginCookies(context->parts().options, context->request(), issued.token(),
                    LifeOf(*context, issued), &response);
  }
  context->Reply(std::move(response));
}

void ChangePassword(const Context& context) {
  static constexpr Spelling kSpellings[] = {
      {"CREDENTIALS_INVALID", 400, "CREDENTIALS_INVALID", "Old password is incorrect"}};
  const auto request = ReadPasswordChange(*context);
  if (!request.ok()) return context->Fail(request.status());
  context->Call(*context->upstreams().auth, SessionService::kChangePassword, *request,
                [context](const absl::StatusOr<auth::v1::ChangePasswordResponse>& changed) {
                  if (!changed.ok()) return FailAs(context, kSpellings, changed.status());
                  ReplyPasswordChanged(context, *changed);
                });
}

absl::StatusOr<auth::v1::RequestPasswordResetRequest> ReadReset(const RequestContext& context) {
  GH_ASSIGN_OR_RETURN(JsonBody body, context.Body());
  auth::v1::RequestPasswordResetRequest request;
  request.set_email(body.RequiredText("email", kNameBytesMax));
  GH_RETURN_IF_ERROR(body.Finish("Email is required"));
  *request.mutable_origin() = context.Origin();
  return request;
}

void RequestReset(const Context& context) {
  const auto request = ReadReset(*context);
  if (!request.ok()) return context->Fail(request.status());
  context->CallOrFail(*context->upstreams().auth, SessionService::kRequestPasswordReset, *request,
                      [context](const auth::v1::RequestPasswordResetResponse&) {
                        context->ReplyJson(200,
                                           R"({"message":"If an account with that address exists, )"
                                           R"(a mail with a code is on its way"})");
                      });
}

absl::StatusOr<auth::v1::ConfirmPasswordResetRequest> ReadResetConfirmation(
    const RequestContext& context) {
  GH_ASSIGN_OR_RETURN(JsonBody body, context.Body());
  auth::v1::ConfirmPasswordResetRequest request;
  request.set_token(body.RequiredText("token", kPasskeyBytesMax));
  request.set_new_password(body.RequiredText("new_password", kPasswordBytesMax));
  GH_RETURN_IF_ERROR(body.Finish("token and new_password are required"));
  *request.mutable_origin() = context.Origin();
  return request;
}

void ConfirmReset(const Context& context) {
  const auto request = ReadResetConfirmation(*context);
  if (!request.ok()) return context->Fail(request.status());
  context->CallOrFail(*context->upstreams().auth, SessionService::kConfirmPasswordReset, *request,
                      [context](const auth::v1::ConfirmPasswordResetResponse&) {
                        context->ReplyJson(200, R"({"message":"Password reset successfully"})");
                      });
}

void GetMe(const Context& context) {
  auth::v1::GetUserRequest request;
  request.set_id(context->principal().user_id());
  context->CallOrFail(*context->upstreams().auth, auth::v1::UserService::kGetUser, request,
                      [context](const auth::v1::User& user) {
                        JsonWriter json;
                        WriteUser(user, false, json);
                        context->ReplyJson(200, json.Take());
                      });
}

void ListSessions(const Context& context) {
  auth::v1::ListSessionsRequest request;
  request.set_user_id(context->principal().user_id());
  context->CallOrFail(*context->upstreams().auth, SessionService::kListSessions, request,
                      [context](const auth::v1::ListSessionsResponse& list) {
                        JsonWriter json;
                        json.BeginObject().Field("count", list.sessions_size());
                        json.Key("sessions").BeginArray();
                        for (const auth::v1::Session& session : list.sessions()) {
                          WriteSession(session, session.id() == context->identity()->token_id,
                                       json);
                        }
                        context->ReplyJson(200, json.EndArray().EndObject().Take());
                      });
}

void EndSession(const Context& context) {
  const auto id = context->PathUuid();
  if (!id.ok()) return context->Fail(id.status());
  auth::v1::EndSessionRequest request;
  request.set_user_id(context->principal().user_id());
  request.set_id(*id);
  context->CallOrFail(*context->upstreams().auth, SessionService::kEndSession, request,
                      [context, id = *id](const auth::v1::EndSessionResponse&) {
                        context->parts().control.Revoke(id, std::chrono::steady_clock::now());
                        context->ReplyJson(200, R"({"message":"Session ended"})");
                      });
}

// Takes a password, passkey or mailed code from anybody.
void AddPublic(RouteTable& table, const char* path, Handler handler) {
  table.Add({.method = "POST",
             .path = path,
             .audience = Audience::kPublic,
             .limit = Limit::kAddress,
             .timeout = Timeout::kSlow,
             .handler = std::move(handler)});
}

void AddUser(RouteTable& table, const char* method, const char* path, Handler handler) {
  table.Add(
      {.method = method, .path = path, .audience = Audience::kUser, .handler = std::move(handler)});
}

}  // namespace

void AddAuthRoutes(RouteTable& table) {
  AddPublic(table, "/api/auth/token/", IssueToken);
  AddPublic(table, "/api/auth/login/", LogIn);
  AddPublic(table, "/api/auth/signup/", SignUp);
  AddPublic(table, "/api/auth/password/reset/", RequestReset);
  AddPublic(table, "/api/auth/password/reset/confirm/", ConfirmReset);
  table.Add({.method = "POST",
             .path = "/api/auth/password/change/",
             .audience = Audience::kUser,
             .timeout = Timeout::kSlow,
             .during_password_change = true,
             .handler = ChangePassword});
  AddUser(table, "POST", "/api/auth/logout/",
          [](const Context& context) { LogOut(context, "Logout successful"); });
  AddUser(table, "GET", "/api/auth/sessions/", ListSessions);
  AddUser(table, "DELETE", "/api/auth/sessions/{id}/", EndSession);
  AddUser(table, "GET", "/api/me/", GetMe);
}

}  // namespace gatehouse::gateway
