#include "gatehouse/auth/v1/auth.methods.h"
#include "libs/base/secret.h"
#include "services/gateway/credential.h"
#include "services/gateway/request_context.h"
#include "services/gateway/routes.h"

namespace gatehouse::gateway {
namespace {

using auth::v1::AuthService;

constexpr std::size_t kNameBytesMax = 254;
constexpr std::size_t kPasswordBytesMax = 1024;
constexpr std::size_t kPasskeyBytesMax = 255;

// The user object of the documents, without an administrator's notes.
void WriteUser(const auth::v1::User& user, JsonWriter& json) {
  json.BeginObject().Field("id", user.number()).Field("uuid", user.id());
  json.Field("username", user.username()).Field("email", user.email());
  json.Field("first_name", user.first_name()).Field("last_name", user.last_name());
  json.Field("role", user.role()).Field("is_staff", user.role() == "admin");
  json.Field("is_active", user.is_active());
  json.Key("profile").BeginObject().Field("id", user.profile_number());
  json.Field("username", user.username()).Field("email", user.email());
  if (user.has_tenant()) {
    json.Field("tenant", user.tenant().id()).Field("tenant_name", user.tenant().name());
  } else {
    json.NullField("tenant").NullField("tenant_name");
  }
  json.NullField("stripe_customer_id");
  json.Key("settings").Raw(user.settings_json().empty() ? "{}" : user.settings_json());
  json.TimeField("created_at", user.has_create_time(), user.create_time());
  json.TimeField("updated_at", user.has_update_time(), user.update_time());
  json.EndObject().EndObject();
}

absl::StatusOr<auth::v1::IssueTokenRequest> ReadIssueToken(const RequestContext& context) {
  GH_ASSIGN_OR_RETURN(JsonBody body, context.Body());
  auth::v1::IssueTokenRequest request;
  request.set_username(body.RequiredText("username", kNameBytesMax));
  request.set_password(body.RequiredText("password", kPasswordBytesMax));
  GH_RETURN_IF_ERROR(body.Finish("Username and password are required"));
  request.set_client_address(context.client_address());
  request.set_user_agent(context.user_agent());
  return request;
}

void IssueToken(const Context& context) {
  const auto request = ReadIssueToken(*context);
  if (!request.ok()) return context->Fail(request.status());
  rpc::Client& auth = *context->upstreams().auth;
  context->Call(auth, AuthService::kIssueToken, *request,
                [context](const absl::StatusOr<auth::v1::IssueTokenResponse>& issued) {
                  if (!issued.ok()) {
                    Problem problem = ProblemOf(issued.status(), "auth");
                    if (problem.status == 401) problem.message = "Invalid credentials";
                    return context->Fail(std::move(problem));
                  }
                  JsonWriter json;
                  json.BeginObject().Field("token", issued->token()).Key("user");
                  WriteUser(issued->user(), json);
                  json.EndObject();
                  context->ReplyJson(200, json.Take());
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
  request.set_client_address(context.client_address());
  request.set_user_agent(context.user_agent());
  return request;
}

// The surface speaks of passkeys where the inside speaks of invitations.
Problem SignUpProblem(const absl::Status& status) {
  struct Spelling {
    const char* reason;
    int status;
    const char* code;
    const char* message;
  };
  constexpr Spelling kSpellings[] = {
      {"INVITATION_NOT_FOUND", 400, "PASSKEY_INVALID", "Invalid passkey"},
      {"INVITATION_REVOKED", 400, "PASSKEY_INVALID", "Invalid passkey"},
      {"INVITATION_EXPIRED", 400, "PASSKEY_EXPIRED", "Passkey has expired"},
      {"INVITATION_ALREADY_REDEEMED", 400, "PASSKEY_USED", "Passkey has already been used"},
      {"INVITATION_EMAIL_MISMATCH", 400, "PASSKEY_INVALID", "Passkey is for another address"},
      {"USERNAME_TAKEN", 409, "USERNAME_TAKEN", "Username already exists"},
      {"EMAIL_TAKEN", 409, "EMAIL_TAKEN", "Email already exists"},
  };
  const std::string reason = Reason(status);
  for (const Spelling& spelling : kSpellings) {
    if (reason == spelling.reason) {
      return {spelling.status, spelling.code, spelling.message, "", {}};
    }
  }
  return ProblemOf(status, "auth");
}

// `attributes` after the value; an empty value deletes the cookie.
http::Header Cookie(const Options& options, const std::string& name, const std::string& value,
                    bool is_secure, bool is_http_only) {
  std::string text = name + "=" + value + "; Path=/; SameSite=Lax";
  if (value.empty()) text += "; Max-Age=0";
  if (!options.cookie_domain.empty()) text += "; Domain=" + options.cookie_domain;
  if (is_secure) text += "; Secure";
  if (is_http_only) text += "; HttpOnly";
  return {"Set-Cookie", text};
}

// Logs the browser in with `token`, or out with "".
void AddCookies(const Options& options, const std::string& token, http::Response* response) {
  const std::string csrf = token.empty() ? "" : Base64UrlEncode(RandomBytes(24));
  response->headers.push_back(
      Cookie(options, kSessionCookie, token, options.session_cookie_secure, true));
  response->headers.push_back(
      Cookie(options, kCsrfCookie, csrf, options.csrf_cookie_secure, false));
}

void SignUp(const Context& context) {
  const auto request = ReadSignUp(*context);
  if (!request.ok()) return context->Fail(request.status());
  rpc::Client& auth = *context->upstreams().auth;
  context->Call(auth, AuthService::kSignUp, *request,
                [context](const absl::StatusOr<auth::v1::SignUpResponse>& signed_up) {
                  if (!signed_up.ok()) return context->Fail(SignUpProblem(signed_up.status()));
                  JsonWriter json;
                  json.BeginObject().Field("message", "Signup successful").Key("user");
                  WriteUser(signed_up->user(), json);
                  json.EndObject();
                  http::Response response;
                  response.status = 201;
                  response.headers.push_back({"Content-Type", "application/json"});
                  if (!signed_up->token().empty()) {
                    AddCookies(context->parts().options, signed_up->token(), &response);
                  }
                  response.body = json.Take();
                  context->Reply(std::move(response));
                });
}

void LogOut(const Context& context) {
  auth::v1::RevokeTokenRequest request;
  request.set_digest(context->identity()->digest);
  rpc::Client& auth = *context->upstreams().auth;
  context->CallOrFail(auth, AuthService::kRevokeToken, request,
                      [context](const auth::v1::RevokeTokenResponse&) {
                        // At once here; the other gateways hear of it by auth's stream.
                        context->parts().control.Revoke(context->identity()->token_id,
                                                        std::chrono::steady_clock::now());
                        http::Response response;
                        response.headers.push_back({"Content-Type", "application/json"});
                        AddCookies(context->parts().options, "", &response);
                        response.body = R"({"message":"Logout successful"})";
                        context->Reply(std::move(response));
                      });
}

void GetMe(const Context& context) {
  auth::v1::GetUserRequest request;
  request.set_id(context->principal().user_id());
  context->CallOrFail(*context->upstreams().auth, AuthService::kGetUser, request,
                      [context](const auth::v1::User& user) {
                        JsonWriter json;
                        WriteUser(user, json);
                        context->ReplyJson(200, json.Take());
                      });
}

}  // namespace

void AddAuthRoutes(RouteTable& table) {
  table.Add({.method = "POST",
             .path = "/api/auth/token/",
             .audience = Audience::kPublic,
             .limit = Limit::kAddress,
             .timeout = Timeout::kSlow,
             .handler = IssueToken});
  table.Add({.method = "POST",
             .path = "/api/auth/signup/",
             .audience = Audience::kPublic,
             .limit = Limit::kAddress,
             .timeout = Timeout::kSlow,
             .handler = SignUp});
  table.Add({.method = "POST",
             .path = "/api/auth/logout/",
             .audience = Audience::kUser,
             .handler = LogOut});
  table.Add({.method = "GET", .path = "/api/me/", .audience = Audience::kUser, .handler = GetMe});
}

}  // namespace gatehouse::gateway
