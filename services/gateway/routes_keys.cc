#include "gatehouse/auth/v1/session.methods.h"
#include "gatehouse/auth/v1/token.methods.h"
#include "gatehouse/auth/v1/user.methods.h"
#include "libs/rpc/timestamp.h"
#include "services/gateway/array_page.h"
#include "services/gateway/audited_call.h"
#include "services/gateway/credential.h"
#include "services/gateway/logout.h"
#include "services/gateway/request_context.h"
#include "services/gateway/routes.h"
#include "services/gateway/spelling.h"
#include "services/gateway/user_update.h"
#include "services/gateway/validation.h"

namespace gatehouse::gateway {
namespace {

using auth::v1::IssuedCredential;
using auth::v1::SessionService;
using auth::v1::TokenService;
using auth::v1::User;

constexpr std::size_t kNameBytesMax = 254;
constexpr std::size_t kPasswordBytesMax = 1024;
constexpr std::size_t kCredentialBytesMax = 8192;
constexpr std::size_t kMethodBytesMax = 32;
constexpr std::size_t kPathBytesMax = 8192;
constexpr std::size_t kKeyNameMax = 100;  // Characters.
constexpr std::size_t kScopesMax = 64;
constexpr std::size_t kScopeBytesMax = 100;

// This surface writes times as milliseconds since 1970.
void WriteMillis(const char* key, bool present, const google::protobuf::Timestamp& time,
                 JsonWriter& json) {
  using std::chrono::milliseconds;
  if (!present) {
    json.NullField(key);
    return;
  }
  const auto since = rpc::FromTimestamp(time).time_since_epoch();
  json.Field(key, std::chrono::duration_cast<milliseconds>(since).count());
}

template <typename Scopes>
void WriteScopes(const Scopes& scopes, JsonWriter& json) {
  json.Key("scopes").BeginArray();
  for (const std::string& scope : scopes) json.Text(scope);
  json.EndArray();
}

absl::StatusOr<auth::v1::LogInRequest> ReadLogIn(const RequestContext& context) {
  GH_ASSIGN_OR_RETURN(JsonBody body, context.Body());
  auth::v1::LogInRequest request;
  request.set_kind(auth::v1::CREDENTIAL_KIND_LOGIN);
  request.set_username(body.Text("username", kNameBytesMax).value_or(""));
  request.set_password(body.RequiredText("password", kPasswordBytesMax));
  GH_RETURN_IF_ERROR(body.Finish());
  *request.mutable_origin() = context.Origin();
  return request;
}

void LogIn(const Context& context) {
  static constexpr Spelling kSpellings[] = {
      {"CREDENTIALS_INVALID", 401, "CREDENTIALS_INVALID", "Invalid credentials"}};
  const auto request = ReadLogIn(*context);
  if (!request.ok()) return context->Fail(request.status());
  context->Call(*context->upstreams().auth, SessionService::kLogIn, *request,
                [context](const absl::StatusOr<IssuedCredential>& issued) {
                  if (!issued.ok()) return FailAs(context, kSpellings, issued.status());
                  JsonWriter json;
                  json.BeginObject().Field("token", issued->token());
                  json.Field("user", issued->user().username());
                  WriteScopes(issued->scopes(), json);
                  WriteMillis("expires_at", issued->has_expire_time(), issued->expire_time(), json);
                  context->ReplyJson(201, json.EndObject().Take());
                });
}

// The credential in question stands in the body, or else in the Authorization
// header; never in a cookie, which only says who asks.
absl::StatusOr<auth::v1::ValidateTokenRequest> ReadValidation(const RequestContext& context) {
  GH_ASSIGN_OR_RETURN(JsonBody body, context.Body());
  auth::v1::ValidateTokenRequest request;
  const auto token = body.Text("token", kCredentialBytesMax);
  if (token) {
    request.set_token(*token);
  } else if (auto presented = FindCredential(context.request());
             presented && !presented->from_cookie) {
    request.set_token(presented->token);
  }
  if (request.token().empty()) body.Note("token", "is required");
  request.set_method(body.Text("method", kMethodBytesMax).value_or(""));
  request.set_path(body.Text("path", kPathBytesMax).value_or(""));
  GH_RETURN_IF_ERROR(body.Finish());
  return request;
}

void Validate(const Context& context) {
  const auto request = ReadValidation(*context);
  if (!request.ok()) return context->Fail(request.status());
  ValidateThen(context, *request, [context](const auth::v1::ValidateTokenResponse& valid) {
    const type::v1::Principal& owner = valid.principal();
    JsonWriter json;
    json.BeginObject().Field("valid", true).Field("user", owner.username());
    json.Field("user_id", owner.user_id()).Field("role", owner.role());
    WriteScopes(valid.scopes(), json);
    WriteMillis("expires_at", valid.has_expire_time(), valid.expire_time(), json);
    context->ReplyJson(200, json.EndObject().Take());
  });
}

void WriteKey(const auth::v1::Token& key, JsonWriter& json) {
  json.BeginObject().Field("id", key.id()).Field("user", key.username());
  json.Field("name", key.name());
  WriteScopes(key.scopes(), json);
  WriteMillis("created_at", key.has_create_time(), key.create_time(), json);
  WriteMillis("expires_at", key.has_expire_time(), key.expire_time(), json);
  WriteMillis("last_used_at", key.has_last_used_time(), key.last_used_time(), json);
  json.Field("preview", "…" + key.hint()).Field("is_revoked", key.is_revoked()).EndObject();
}

absl::StatusOr<auth::v1::ListTokensRequest> ReadKeyList(const RequestContext& context) {
  GH_ASSIGN_OR_RETURN(Query query, context.Arguments());
  auth::v1::ListTokensRequest request;
  request.set_kind(auth::v1::CREDENTIAL_KIND_KEY);
  request.set_page_size(static_cast<int>(query.Number("limit", 100, 1, 500)));
  request.set_page_token(query.Text("cursor").value_or(""));
  GH_RETURN_IF_ERROR(query.Finish());
  return request;
}

void ListKeys(const Context& context) {
  const auto request = ReadKeyList(*context);
  if (!request.ok()) return context->Fail(request.status());
  context->CallOrFail(*context->upstreams().auth, TokenService::kListTokens, *request,
                      [context](const auth::v1::ListTokensResponse& page) {
                        JsonWriter json;
                        json.BeginArray();
                        for (const auth::v1::Token& key : page.tokens()) WriteKey(key, json);
                        ReplyArray(context, json.EndArray().Take(), page.total(),
                                   page.next_page_token());
                      });
}

// `user` of the result is a name until its owner is found.
absl::StatusOr<auth::v1::CreateTokenRequest> ReadNewKey(const RequestContext& context) {
  GH_ASSIGN_OR_RETURN(JsonBody body, context.Body());
  auth::v1::CreateTokenRequest request;
  request.set_kind(auth::v1::CREDENTIAL_KIND_KEY);
  request.set_user(body.RequiredText("user", kNameBytesMax));
  const auto scopes = body.TextList("scopes", kScopesMax, kScopeBytesMax);
  if (scopes) request.mutable_scopes()->Add(scopes->begin(), scopes->end());
  if (request.scopes().empty()) body.Note("scopes", "must name one at least");
  request.set_name(body.Characters("name", 0, kKeyNameMax).value_or(""));
  const auto end = body.DateTimeOrMillis("expires_at");
  if (end) *request.mutable_expire_time() = rpc::ToTimestamp(*end);
  GH_RETURN_IF_ERROR(body.Finish());
  return request;
}

void ReplyKey(const Context& context, const auth::v1::CreateTokenResponse& created) {
  JsonWriter json;
  json.BeginObject().Field("token", created.text());
  json.Field("user", created.token().username());
  WriteScopes(created.token().scopes(), json);
  context->ReplyJson(201, json.Field("id", created.token().id()).EndObject().Take());
}

void CreateKeyOf(const Context& context, const User& owner, auth::v1::CreateTokenRequest request) {
  request.set_user(owner.id());
  JsonWriter details;
  details.BeginObject().Field("action", "key_created").Field("username", owner.username());
  details.Field("name", request.name());
  WriteScopes(request.scopes(), details);
  details.EndObject();
  AuditThenCall(
      context, MakeUserEvent(*context, owner, details.Take()), *context->upstreams().auth,
      TokenService::kCreateToken, request,
      [context](const auth::v1::CreateTokenResponse& created) { ReplyKey(context, created); });
}

void CreateKey(const Context& context) {
  const auto request = ReadNewKey(*context);
  if (!request.ok()) return context->Fail(request.status());
  auth::v1::GetUserRequest owner;
  owner.set_username(request->user());
  context->CallOrFail(
      *context->upstreams().auth, auth::v1::UserService::kGetUser, owner,
      [context, request = *request](const User& user) { CreateKeyOf(context, user, request); });
}

void RevokeKey(const Context& context) {
  const auto id = context->PathUuid();
  if (!id.ok()) return context->Fail(id.status());
  auth::v1::RevokeTokenRequest request;
  request.set_id(*id);
  JsonWriter details;
  details.BeginObject().Field("action", "key_revoked").EndObject();
  const auto event = MakeAuditEvent(*context, "admin_action", "token/" + *id, details.Take());
  AuditThenCall(context, event, *context->upstreams().auth, TokenService::kRevokeToken, request,
                [context, id = *id](const auth::v1::RevokeTokenResponse&) {
                  // At once here; the other gateways hear of it by auth's stream.
                  context->parts().control.Revoke(id, std::chrono::steady_clock::now());
                  JsonWriter json;
                  context->ReplyJson(200,
                                     json.BeginObject().Field("revoked", id).EndObject().Take());
                });
}

void GetKeySet(const Context& context) {
  const auto keys = context->parts().control.keys();
  if (keys->version == 0) {
    Problem problem = ProblemOf(Error(absl::StatusCode::kUnavailable, "KEYS_UNKNOWN",
                                      "the signing keys are not known yet"));
    problem.service = "auth";
    return context->Fail(std::move(problem));
  }
  http::Response response;
  response.headers.push_back({"Content-Type", "application/jwk-set+json"});
  response.headers.push_back({"Cache-Control", "public, max-age=300"});
  response.body = keys->jwks_json;
  context->Reply(std::move(response));
}

void AddAdmin(RouteTable& table, const char* method, const char* path, Handler handler) {
  table.Add({.method = method,
             .path = path,
             .audience = Audience::kRole,
             .requirement = "admin",
             .handler = std::move(handler)});
}

}  // namespace

void AddKeyRoutes(RouteTable& table) {
  table.Add({.method = "POST",
             .path = "/auth/login",
             .audience = Audience::kPublic,
             .limit = Limit::kAddress,
             .timeout = Timeout::kSlow,
             .handler = LogIn});
  table.Add({.method = "POST",
             .path = "/auth/logout",
             .audience = Audience::kUser,
             .handler = [](const Context& context) { LogOut(context, "Logout successful"); }});
  table.Add({.method = "POST",
             .path = "/auth/validate",
             .audience = Audience::kPublic,
             .limit = Limit::kUser,
             .handler = Validate});
  AddAdmin(table, "GET", "/admin/keys", ListKeys);
  AddAdmin(table, "POST", "/admin/keys", CreateKey);
  AddAdmin(table, "DELETE", "/admin/keys/{id}", RevokeKey);
  table.Add({.method = "GET",
             .path = "/.well-known/jwks.json",
             .audience = Audience::kPublic,
             .limit = Limit::kNone,
             .timeout = Timeout::kQuick,
             .handler = GetKeySet});
}

}  // namespace gatehouse::gateway
