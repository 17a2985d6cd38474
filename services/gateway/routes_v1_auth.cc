#include <algorithm>

#include "gatehouse/auth/v1/session.methods.h"
#include "gatehouse/auth/v1/token.methods.h"
#include "gatehouse/auth/v1/user.methods.h"
#include "libs/rpc/timestamp.h"
#include "services/gateway/api_tokens.h"
#include "services/gateway/credential.h"
#include "services/gateway/logout.h"
#include "services/gateway/request_context.h"
#include "services/gateway/routes.h"
#include "services/gateway/spelling.h"
#include "services/gateway/user_json.h"
#include "services/gateway/validation.h"

namespace gatehouse::gateway {
namespace {

using auth::v1::IssuedCredential;
using auth::v1::SessionService;
using auth::v1::TokenService;

constexpr int kAccessSeconds = 900;
constexpr std::size_t kPasswordMin = 8;
constexpr std::size_t kPasswordMax = 1024;
constexpr std::size_t kEmailBytesMax = 254;
constexpr std::size_t kCredentialBytesMax = 8192;
constexpr std::size_t kScopesMax = 64;
constexpr std::size_t kScopeBytesMax = 100;

void ReplyIssued(const Context& context, int status, const IssuedCredential& issued) {
  JsonWriter json;
  json.BeginObject().Field("access_token", issued.token());
  json.Field("refresh_token", issued.refresh_token()).Field("token_type", "bearer");
  json.Field("expires_in", kAccessSeconds).Key("user");
  WriteLoginUser(issued.user(), json);
  context->ReplyJson(status, json.EndObject().Take());
}

absl::StatusOr<auth::v1::LogInRequest> ReadLogIn(const RequestContext& context) {
  GH_ASSIGN_OR_RETURN(JsonBody body, context.Body());
  auth::v1::LogInRequest request;
  const auto username = body.Characters("username", 3, 50);
  const auto email = body.Characters("email", 3, kEmailBytesMax);
  if (body.Has("username") == body.Has("email")) {
    body.Note("username", "is required, or email, but not both");
  }
  request.set_username(username ? *username : email.value_or(""));
  request.set_password(body.RequiredCharacters("password", kPasswordMin, kPasswordMax));
  GH_RETURN_IF_ERROR(body.Finish());
  request.set_kind(auth::v1::CREDENTIAL_KIND_ACCESS);
  *request.mutable_origin() = context.Origin();
  return request;
}

void LogIn(const Context& context) {
  static constexpr Spelling kSpellings[] = {
      {"CREDENTIALS_INVALID", 401, "CREDENTIALS_INVALID", "Invalid username or password"}};
  const auto request = ReadLogIn(*context);
  if (!request.ok()) return context->Fail(request.status());
  context->Call(*context->upstreams().auth, SessionService::kLogIn, *request,
                [context](const absl::StatusOr<IssuedCredential>& issued) {
                  if (!issued.ok()) return FailAs(context, kSpellings, issued.status());
                  ReplyIssued(context, 200, *issued);
                });
}

absl::StatusOr<auth::v1::RegisterRequest> ReadRegister(const RequestContext& context) {
  GH_ASSIGN_OR_RETURN(JsonBody body, context.Body());
  auth::v1::RegisterRequest request;
  request.set_username(body.Characters("username", 3, 50).value_or(""));
  request.set_email(body.RequiredText("email", kEmailBytesMax));
  request.set_password(body.RequiredCharacters("password", kPasswordMin, kPasswordMax));
  request.set_first_name(body.Text("first_name", 150).value_or(""));
  request.set_last_name(body.Text("last_name", 150).value_or(""));
  request.set_company(body.Text("company", 200).value_or(""));
  // Whoever could name a tenant would join it.
  if (body.Has("client_id")) {
    body.Note("client_id", "cannot be chosen: everybody who registers gets a tenant of their own");
  }
  GH_RETURN_IF_ERROR(body.Finish());
  *request.mutable_origin() = context.Origin();
  return request;
}

void Register(const Context& context) {
  static constexpr Spelling kSpellings[] = {
      {"USERNAME_TAKEN", 409, "USERNAME_TAKEN", "Username already exists"},
      {"EMAIL_TAKEN", 409, "EMAIL_TAKEN", "Email already exists"},
  };
  const auto request = ReadRegister(*context);
  if (!request.ok()) return context->Fail(request.status());
  context->Call(*context->upstreams().auth, SessionService::kRegister, *request,
                [context](const absl::StatusOr<IssuedCredential>& issued) {
                  if (!issued.ok()) return FailAs(context, kSpellings, issued.status());
                  ReplyIssued(context, 201, *issued);
                });
}

absl::StatusOr<auth::v1::RefreshRequest> ReadRefresh(const RequestContext& context) {
  GH_ASSIGN_OR_RETURN(JsonBody body, context.Body());
  auth::v1::RefreshRequest request;
  request.set_refresh_token(body.RequiredText("refresh_token", kCredentialBytesMax));
  GH_RETURN_IF_ERROR(body.Finish());
  *request.mutable_origin() = context.Origin();
  return request;
}

void Refresh(const Context& context) {
  const auto request = ReadRefresh(*context);
  if (!request.ok()) return context->Fail(request.status());
  context->CallOrFail(
      *context->upstreams().auth, SessionService::kRefresh, *request,
      [context](const IssuedCredential& issued) { ReplyIssued(context, 200, issued); });
}

// The credential that is asked about: the body's, else that of the request itself.
absl::StatusOr<auth::v1::ValidateTokenRequest> ReadValidate(const RequestContext& context) {
  GH_ASSIGN_OR_RETURN(JsonBody body, context.Body());
  auth::v1::ValidateTokenRequest request;
  request.set_token(body.Text("token", kCredentialBytesMax).value_or(""));
  GH_RETURN_IF_ERROR(body.Finish());
  if (!request.token().empty()) return request;
  const std::optional<Credential> credential = FindCredential(context.request());
  if (!credential || credential->from_cookie) {
    return Error(absl::StatusCode::kUnauthenticated, "UNAUTHENTICATED",
                 "an Authorization header or a token in the body is needed");
  }
  request.set_token(credential->token);
  return request;
}

bool IsAllowed(const type::v1::Principal& principal, const std::string& permission) {
  const auto& scopes = principal.scopes();
  return !principal.is_narrowed() || std::any_of(scopes.begin(), scopes.end(), [&](const auto& it) {
    return it == "admin" || it == permission;
  });
}

void ReplyValid(const Context& context, const auth::v1::ValidateTokenResponse& valid) {
  const type::v1::Principal& principal = valid.principal();
  JsonWriter json;
  json.BeginObject().Field("valid", true).Key("user").BeginObject();
  json.Field("id", principal.user_id()).Field("email", principal.email());
  json.Field("role", principal.role()).TextOrNull("tier", principal.tier());
  json.TextOrNull("client_id", principal.client_id());
  json.Key("permissions").BeginArray();
  for (const std::string& permission : principal.permissions()) {
    if (IsAllowed(principal, permission)) json.Text(permission);
  }
  json.EndArray().EndObject().EndObject();
  context->ReplyJson(200, json.Take());
}

void Validate(const Context& context) {
  const auto request = ReadValidate(*context);
  if (!request.ok()) return context->Fail(request.status());
  ValidateThen(context, *request, [context](const auth::v1::ValidateTokenResponse& valid) {
    ReplyValid(context, valid);
  });
}

void GetMe(const Context& context) {
  auth::v1::GetUserRequest request;
  request.set_id(context->principal().user_id());
  context->CallOrFail(*context->upstreams().auth, auth::v1::UserService::kGetUser, request,
                      [context](const auth::v1::User& user) {
                        JsonWriter json;
                        WriteV1Me(user, json);
                        context->ReplyJson(200, json.Take());
                      });
}

absl::StatusOr<auth::v1::CreateTokenRequest> ReadCreateToken(const RequestContext& context) {
  GH_ASSIGN_OR_RETURN(JsonBody body, context.Body());
  auth::v1::CreateTokenRequest request;
  request.set_user(context.principal().user_id());
  request.set_kind(auth::v1::CREDENTIAL_KIND_API);
  request.set_name(body.RequiredCharacters("name", 1, 100));
  const auto expires_at = body.DateTime("expires_at");
  if (expires_at) *request.mutable_expire_time() = rpc::ToTimestamp(*expires_at);
  const auto scopes = body.TextList("scopes", kScopesMax, kScopeBytesMax);
  // Without scopes a token allows everything: that is not what "none" asks for.
  if (scopes && scopes->empty()) body.Note("scopes", "must name one at least");
  if (scopes) request.mutable_scopes()->Add(scopes->begin(), scopes->end());
  GH_RETURN_IF_ERROR(body.Finish());
  return request;
}

void CreateToken(const Context& context) {
  const auto request = ReadCreateToken(*context);
  if (!request.ok()) return context->Fail(request.status());
  context->CallOrFail(*context->upstreams().auth, TokenService::kCreateToken, *request,
                      [context](const auth::v1::CreateTokenResponse& created) {
                        const auth::v1::Token& token = created.token();
                        JsonWriter json;
                        json.BeginObject().Field("id", token.id()).Field("name", token.name());
                        json.Field("token", created.text());
                        json.TimeField("expires_at", token.has_expire_time(), token.expire_time());
                        json.TimeField("created_at", token.has_create_time(), token.create_time());
                        context->ReplyJson(200, json.EndObject().Take());
                      });
}

void ListTokens(const Context& context) { ListApiTokens(context, context->principal().user_id()); }

void RevokeToken(const Context& context) {
  const auto id = context->PathUuid();
  if (!id.ok()) return context->Fail(id.status());
  context->CallOrFail(
      *context->upstreams().auth, TokenService::kRevokeToken,
      MakeRevocation(context->principal().user_id(), *id),
      [context, id = *id](const auth::v1::RevokeTokenResponse&) { ReplyRevoked(context, id); });
}

void AddPublic(RouteTable& table, const char* path, Limit limit, Timeout timeout, Handler handler) {
  table.Add({.method = "POST",
             .path = path,
             .audience = Audience::kPublic,
             .limit = limit,
             .timeout = timeout,
             .handler = std::move(handler)});
}

void AddOwn(RouteTable& table, const char* method, const char* path, Handler handler) {
  table.Add(
      {.method = method, .path = path, .audience = Audience::kUser, .handler = std::move(handler)});
}

}  // namespace

void AddV1AuthRoutes(RouteTable& table) {
  AddPublic(table, "/api/v1/auth/login/", Limit::kAddress, Timeout::kSlow, LogIn);
  AddPublic(table, "/api/v1/auth/register/", Limit::kAddress, Timeout::kSlow, Register);
  AddPublic(table, "/api/v1/auth/refresh/", Limit::kUser, Timeout::kStandard, Refresh);
  AddPublic(table, "/api/v1/auth/validate/", Limit::kUser, Timeout::kStandard, Validate);
  AddOwn(table, "POST", "/api/v1/auth/logout/",
         [](const Context& context) { LogOut(context, "Successfully logged out"); });
  AddOwn(table, "GET", "/api/v1/auth/me/", GetMe);
  AddOwn(table, "POST", "/api/v1/auth/tokens/", CreateToken);
  AddOwn(table, "GET", "/api/v1/auth/tokens/", ListTokens);
  AddOwn(table, "DELETE", "/api/v1/auth/tokens/{id}/", RevokeToken);
}

}  // namespace gatehouse::gateway
