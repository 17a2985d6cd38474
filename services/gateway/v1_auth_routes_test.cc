// /api/v1/auth: login, register, refresh, validate, logout, me and own tokens.
#include "libs/rpc/timestamp.h"
#include "libs/token/api_token.h"
#include "services/gateway/gateway_fixture.h"
#include "services/gateway/sample_user.h"

namespace gatehouse::gateway {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using enum absl::StatusCode;

constexpr char kTokenId[] = "0190c0de-0000-7000-8000-00000000000a";
constexpr char kLogIn[] = R"({"username":"ada","password":"long enough"})";

constexpr char kLoginUser[] =
    R"({"id":"0190c0de-0000-7000-8000-000000000001","username":"ada",)"
    R"("email":"ada@example.com","is_active":true,"is_admin":false,"rate_limit_per_second":10,)"
    R"("rate_limit_burst":20,"created_at":"2027-01-15T08:00:00.000000Z","updated_at":null,)"
    R"("first_name":"","last_name":"","client_id":"ada-co","role":"user","tier":"free",)"
    R"("email_verified":false,"permissions":["view_logs"]})";

std::string IssuedJson() {
  return R"({"access_token":"a.b.c","refresh_token":"ghr_x","token_type":"bearer",)"
         R"("expires_in":900,"user":)" +
         std::string(kLoginUser) + "}";
}

class V1AuthRoutesTest : public GatewayTest {
 protected:
  static auth::v1::IssuedCredential Issued() {
    auth::v1::IssuedCredential issued;
    issued.set_credential_id(kTokenId);
    issued.set_token("a.b.c");
    issued.set_refresh_token("ghr_x");
    *issued.mutable_user() = SampleUser();
    return issued;
  }

  static std::string MessageIs(const std::string& text) { return R"("message":")" + text + '"'; }
};

TEST_F(V1AuthRoutesTest, ALoginIsAnAccessTokenAndARefreshToken) {
  services_.log_in.Return(Issued());
  const Answer answer = Post("/api/v1/auth/login", "", kLogIn, {{"User-Agent", "curl/7"}});
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, IssuedJson());
  EXPECT_TRUE(answer.All("Set-Cookie").empty());
  const auth::v1::LogInRequest request = services_.log_in.last();
  EXPECT_EQ(request.username(), "ada");
  EXPECT_EQ(request.password(), "long enough");
  EXPECT_EQ(request.kind(), auth::v1::CREDENTIAL_KIND_ACCESS);
  EXPECT_EQ(request.origin().client_address(), "127.0.0.1");
  EXPECT_EQ(request.origin().user_agent(), "curl/7");
}

TEST_F(V1AuthRoutesTest, ALoginNamesTheUserOrTheAddress) {
  const std::string by_email = R"({"email":"ada@example.com","password":"long enough"})";
  EXPECT_EQ(Post("/api/v1/auth/login", "", by_email).status, 200);
  EXPECT_EQ(services_.log_in.last().username(), "ada@example.com");
}

TEST_F(V1AuthRoutesTest, LoginInputIsCheckedWith422) {
  for (const char* body :
       {"{}", R"({"password":"long enough"})", R"({"username":"ada"})",
        R"({"username":"","password":"long enough"})", R"({"email":"","password":"long enough"})",
        R"({"username":"ad","password":"long enough"})",
        R"({"username":"ada","email":"ada@example.com","password":"long enough"})",
        R"({"username":"ada","password":"2short7"})", R"({"username":"ada","password":12345678})",
        R"({"username":"ada","password":"long enough","client_id":"acme"})"}) {
    const Answer answer = Post("/api/v1/auth/login", "", body);
    EXPECT_EQ(answer.status, 422) << body;
    EXPECT_EQ(Code(answer), "VALIDATION_FAILED") << body;
    EXPECT_THAT(answer.body, HasSubstr(R"("details":[{"field":)"));
    EXPECT_THAT(answer.body, HasSubstr(R"("detail":")"));
  }
  const std::string long_name(51, 'a');
  EXPECT_EQ(Post("/api/v1/auth/login", "",
                 R"({"username":")" + long_name + R"(","password":"long enough"})")
                .status,
            422);
  EXPECT_EQ(Post("/api/v1/auth/login", "", "{").status, 422);
  EXPECT_EQ(Post("/api/v1/auth/login", "", kLogIn, {{"Content-Type", "text/plain"}}).status, 415);
  EXPECT_EQ(services_.log_in.calls(), 0u);
}

TEST_F(V1AuthRoutesTest, PasswordsAreMeasuredInCharactersNotBytes) {
  EXPECT_EQ(Post("/api/v1/auth/login", "", R"({"username":"ada","password":"äöüäöüä"})").status,
            422)
      << "14 bytes, but 7 characters";
  EXPECT_EQ(Post("/api/v1/auth/login", "", R"({"username":"ada","password":"äöüäöüäö"})").status,
            200);
}

TEST_F(V1AuthRoutesTest, ARefusedLoginIs401WithOneText) {
  services_.log_in.Fail(Error(kUnauthenticated, "CREDENTIALS_INVALID", "user is disabled"));
  const Answer answer = Post("/api/v1/auth/login", "", kLogIn);
  EXPECT_EQ(answer.status, 401);
  EXPECT_EQ(Code(answer), "CREDENTIALS_INVALID");
  EXPECT_THAT(answer.body, HasSubstr(MessageIs("Invalid username or password")));
  EXPECT_THAT(answer.body, Not(HasSubstr("disabled")));
  EXPECT_EQ(answer.All("WWW-Authenticate").size(), 2u);
}

TEST_F(V1AuthRoutesTest, ALoginThatMustWaitIs429) {
  services_.log_in.Fail(
      WithRetryDelay(Error(kResourceExhausted, "LOGIN_DELAYED", "too many failures"), 2500));
  const Answer answer = Post("/api/v1/auth/login", "", kLogIn);
  EXPECT_EQ(answer.status, 429);
  EXPECT_EQ(Code(answer), "LOGIN_DELAYED");
  EXPECT_EQ(answer.Get("Retry-After"), "3");
}

TEST_F(V1AuthRoutesTest, RegistrationAnswersAsALoginDoes) {
  services_.register_user.Return(Issued());
  const Answer answer =
      Post("/api/v1/auth/register", "",
           R"({"email":"ada@example.com","password":"long enough","username":"ada",)"
           R"("first_name":"Ada","last_name":"Lovelace","company":"Engines"})");
  EXPECT_EQ(answer.status, 201);
  EXPECT_EQ(answer.body, IssuedJson());
  const auth::v1::RegisterRequest request = services_.register_user.last();
  EXPECT_EQ(request.username(), "ada");
  EXPECT_EQ(request.email(), "ada@example.com");
  EXPECT_EQ(request.password(), "long enough");
  EXPECT_EQ(request.first_name(), "Ada");
  EXPECT_EQ(request.last_name(), "Lovelace");
  EXPECT_EQ(request.company(), "Engines");
  EXPECT_EQ(request.origin().client_address(), "127.0.0.1");
  const std::string least = R"({"email":"bob@example.com","password":"long enough"})";
  EXPECT_EQ(Post("/api/v1/auth/register", "", least).status, 201);
  EXPECT_EQ(services_.register_user.last().username(), "");
}

TEST_F(V1AuthRoutesTest, NobodyRegistersIntoANamedTenant) {
  const Answer answer =
      Post("/api/v1/auth/register", "",
           R"({"email":"ada@example.com","password":"long enough","client_id":"victims-tenant"})");
  EXPECT_EQ(answer.status, 422);
  EXPECT_THAT(answer.body, HasSubstr(R"({"field":"client_id","message":"cannot be chosen)"));
  EXPECT_EQ(services_.register_user.calls(), 0u);
}

TEST_F(V1AuthRoutesTest, RegistrationErrors) {
  struct Row {
    absl::StatusCode code;
    const char* reason;
    int status;
    const char* message;
  };
  for (const Row& row :
       std::vector<Row>{{kPermissionDenied, "REGISTRATION_CLOSED", 404, "inner text"},
                        {kAlreadyExists, "USERNAME_TAKEN", 409, "Username already exists"},
                        {kAlreadyExists, "EMAIL_TAKEN", 409, "Email already exists"},
                        {kInvalidArgument, "EMAIL_INVALID", 422, "inner text"},
                        {kInvalidArgument, "PASSWORD_TOO_WEAK", 422, "inner text"},
                        {kResourceExhausted, "OVERLOADED", 503, "auth is not available"}}) {
    services_.register_user.Fail(Error(row.code, row.reason, "inner text"));
    const Answer answer = Post("/api/v1/auth/register", "",
                               R"({"email":"ada@example.com","password":"long enough"})");
    EXPECT_EQ(answer.status, row.status) << row.reason;
    EXPECT_EQ(Code(answer), row.reason);
    EXPECT_THAT(answer.body, HasSubstr(MessageIs(row.message)));
  }
  EXPECT_EQ(Post("/api/v1/auth/register", "", R"({"password":"long enough"})").status, 422);
  EXPECT_EQ(Post("/api/v1/auth/register", "", R"({"email":"a@b.c","password":"2short7"})").status,
            422);
}

TEST_F(V1AuthRoutesTest, ARefreshTokenIsExchanged) {
  services_.refresh.Return(Issued());
  const Answer answer = Post("/api/v1/auth/refresh", "", R"({"refresh_token":"ghr_old"})");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, IssuedJson());
  EXPECT_EQ(services_.refresh.last().refresh_token(), "ghr_old");
  EXPECT_EQ(services_.refresh.last().origin().client_address(), "127.0.0.1");
}

TEST_F(V1AuthRoutesTest, ARefreshTokenThatIsNotGoodIs401) {
  for (const char* reason : {"REFRESH_TOKEN_INVALID", "REFRESH_TOKEN_REUSED"}) {
    services_.refresh.Fail(Error(kUnauthenticated, reason, "log in again"));
    const Answer answer = Post("/api/v1/auth/refresh", "", R"({"refresh_token":"ghr_old"})");
    EXPECT_EQ(answer.status, 401);
    EXPECT_EQ(Code(answer), reason);
    EXPECT_THAT(answer.body, HasSubstr(MessageIs("log in again")));
  }
  EXPECT_EQ(Post("/api/v1/auth/refresh", "", "{}").status, 422);
}

auth::v1::ValidateTokenResponse Valid() {
  auth::v1::ValidateTokenResponse valid;
  type::v1::Principal& principal = *valid.mutable_principal();
  principal.set_user_id("0190c0de-0000-7000-8000-000000000001");
  principal.set_email("ada@example.com");
  principal.set_role("moderator");
  principal.set_tier("free");
  principal.set_client_id("ada-co");
  principal.add_permissions("manage_users");
  principal.add_permissions("view_logs");
  return valid;
}

TEST_F(V1AuthRoutesTest, ACredentialIsJudgedByHeaderOrBody) {
  services_.validate_token.Return(Valid());
  const Answer answer = Post("/api/v1/auth/validate", "gh_presented", "");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body,
            R"({"valid":true,"user":{"id":"0190c0de-0000-7000-8000-000000000001",)"
            R"("email":"ada@example.com","role":"moderator","tier":"free","client_id":"ada-co",)"
            R"("permissions":["manage_users","view_logs"]}})");
  EXPECT_EQ(services_.validate_token.last().token(), "gh_presented");
  EXPECT_EQ(services_.validate_token.last().path(), "");
  EXPECT_EQ(Post("/api/v1/auth/validate", "", R"({"token":"ora_named"})").status, 200);
  EXPECT_EQ(services_.validate_token.last().token(), "ora_named");
  EXPECT_EQ(Post("/api/v1/auth/validate", "gh_presented", R"({"token":"ora_named"})").status, 200);
  EXPECT_EQ(services_.validate_token.last().token(), "ora_named");
}

TEST_F(V1AuthRoutesTest, ANarrowedCredentialIsSaidToAllowItsScopesOnly) {
  auth::v1::ValidateTokenResponse valid = Valid();
  valid.mutable_principal()->set_is_narrowed(true);
  valid.mutable_principal()->add_scopes("view_logs");
  services_.validate_token.Return(valid);
  EXPECT_THAT(Post("/api/v1/auth/validate", "x", "").body,
              HasSubstr(R"("permissions":["view_logs"])"));
  valid.mutable_principal()->add_scopes("admin");
  services_.validate_token.Return(valid);
  EXPECT_THAT(Post("/api/v1/auth/validate", "x", "").body,
              HasSubstr(R"("permissions":["manage_users","view_logs"])"));
}

TEST_F(V1AuthRoutesTest, ACredentialThatIsNotGoodIs401) {
  services_.validate_token.Fail(Error(kUnauthenticated, "CREDENTIALS_INVALID", "it is not valid"));
  const Answer answer = Post("/api/v1/auth/validate", "gh_dead", "");
  EXPECT_EQ(answer.status, 401);
  EXPECT_EQ(Code(answer), "CREDENTIALS_INVALID");
  const std::size_t calls = services_.validate_token.calls();
  EXPECT_EQ(Post("/api/v1/auth/validate", "", "").status, 401);
  const Answer by_cookie =
      Post("/api/v1/auth/validate", "", "", {{"Cookie", "access_token_cookie=" + user_}});
  EXPECT_EQ(by_cookie.status, 401) << "a browser does not ask about itself";
  EXPECT_EQ(services_.validate_token.calls(), calls);
}

TEST_F(V1AuthRoutesTest, LogoutRevokesThePresentedCredentialAtOnce) {
  services_.get_user.Return(SampleUser());
  ASSERT_EQ(Get("/api/v1/auth/me", user_).status, 200);
  const Answer answer = Post("/api/v1/auth/logout", user_, "");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, R"({"message":"Successfully logged out"})");
  EXPECT_EQ(answer.All("Set-Cookie").size(), 2u);
  EXPECT_EQ(services_.log_out.last().credential_id(), services_.TokenId(user_));
  EXPECT_EQ(Get("/api/v1/auth/me", user_).status, 401) << "though the fake auth still knows it";
}

TEST_F(V1AuthRoutesTest, MeHasTheDocumentedMembers) {
  services_.get_user.Return(SampleUser());
  const Answer answer = Get("/api/v1/auth/me", user_);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, R"({"id":"0190c0de-0000-7000-8000-000000000001","username":"ada",)"
                         R"("email":"ada@example.com","is_active":true,"is_admin":false,)"
                         R"("rate_limit_per_second":10,"rate_limit_burst":20,)"
                         R"("created_at":"2027-01-15T08:00:00.000000Z"})");
  EXPECT_EQ(services_.get_user.last().id(), services_.UserId(user_));
  EXPECT_EQ(Get("/api/v1/auth/me", "").status, 401);
}

auth::v1::Token SampleToken() {
  auth::v1::Token token;
  token.set_id(kTokenId);
  token.set_name("ci");
  token.mutable_create_time()->set_seconds(1'800'000'000);
  token.mutable_expire_time()->set_seconds(1'900'000'000);
  token.set_is_revoked(true);
  return token;
}

TEST_F(V1AuthRoutesTest, ATokenIsShownWhenItIsMade) {
  auth::v1::CreateTokenResponse created;
  *created.mutable_token() = SampleToken();
  created.set_text("ora_secret");
  services_.create_token.Return(created);
  const Answer answer =
      Post("/api/v1/auth/tokens", user_,
           R"({"name":"ci","expires_at":"2030-03-17T17:46:40","scopes":["llm.chat"]})");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, std::string(R"({"id":")") + kTokenId +
                             R"(","name":"ci","token":"ora_secret",)"
                             R"("expires_at":"2030-03-17T17:46:40.000000Z",)"
                             R"("created_at":"2027-01-15T08:00:00.000000Z"})");
  const auth::v1::CreateTokenRequest request = services_.create_token.last();
  EXPECT_EQ(request.user(), services_.UserId(user_));
  EXPECT_EQ(request.kind(), auth::v1::CREDENTIAL_KIND_API);
  EXPECT_EQ(request.name(), "ci");
  EXPECT_EQ(request.expire_time().seconds(), 1'900'000'000) << "a time without a zone is UTC";
  ASSERT_EQ(request.scopes_size(), 1);
  EXPECT_EQ(request.scopes(0), "llm.chat");
}

TEST_F(V1AuthRoutesTest, ATokenNeedsNoEndAndNoScopes) {
  EXPECT_EQ(Post("/api/v1/auth/tokens", user_, R"({"name":"ci","expires_at":null})").status, 200);
  EXPECT_FALSE(services_.create_token.last().has_expire_time());
  EXPECT_EQ(services_.create_token.last().scopes_size(), 0);
}

TEST_F(V1AuthRoutesTest, TokenInputIsChecked) {
  const std::string long_name = R"({"name":")" + std::string(101, 'a') + R"("})";
  for (const std::string& body :
       {std::string("{}"), std::string(R"({"name":""})"), long_name,
        std::string(R"({"name":"ci","expires_at":"soon"})"),
        std::string(R"({"name":"ci","scopes":[7]})"), std::string(R"({"name":"ci","scopes":[]})"),
        std::string(R"({"name":"ci","user":"bob"})")}) {
    EXPECT_EQ(Post("/api/v1/auth/tokens", user_, body).status, 422) << body;
  }
  EXPECT_EQ(Post("/api/v1/auth/tokens", "", R"({"name":"ci"})").status, 401);
  EXPECT_EQ(services_.create_token.calls(), 0u);
}

TEST_F(V1AuthRoutesTest, TokenErrors) {
  struct Row {
    absl::StatusCode code;
    const char* reason;
    int status;
  };
  for (const Row& row : std::vector<Row>{{kInvalidArgument, "SCOPE_INVALID", 422},
                                         {kInvalidArgument, "EXPIRE_TIME_INVALID", 422},
                                         {kPermissionDenied, "SCOPE_NOT_HELD", 403},
                                         {kResourceExhausted, "TOKENS_TOO_MANY", 409}}) {
    services_.create_token.Fail(Error(row.code, row.reason, "inner text"));
    const Answer answer = Post("/api/v1/auth/tokens", user_, R"({"name":"ci"})");
    EXPECT_EQ(answer.status, row.status) << row.reason;
    EXPECT_EQ(Code(answer), row.reason);
  }
}

TEST_F(V1AuthRoutesTest, OwnTokensAreListedWithoutTheirTexts) {
  auth::v1::ListTokensResponse page;
  *page.add_tokens() = SampleToken();
  page.set_total(3);
  page.set_next_page_token("next");
  services_.list_tokens.Return(page);
  const Answer answer = Get("/api/v1/auth/tokens?limit=1&cursor=this", user_);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, std::string(R"({"tokens":[{"id":")") + kTokenId +
                             R"(","name":"ci","expires_at":"2030-03-17T17:46:40.000000Z",)"
                             R"("is_revoked":true,"last_used_at":null,)"
                             R"("created_at":"2027-01-15T08:00:00.000000Z"}],"total":3})");
  EXPECT_EQ(answer.Get("X-Next-Cursor"), "next");
  const auth::v1::ListTokensRequest request = services_.list_tokens.last();
  EXPECT_EQ(request.user_id(), services_.UserId(user_));
  EXPECT_EQ(request.kind(), auth::v1::CREDENTIAL_KIND_API);
  EXPECT_EQ(request.page_size(), 1);
  EXPECT_EQ(request.page_token(), "this");
  EXPECT_EQ(Get("/api/v1/auth/tokens?limit=ten", user_).status, 422);
}

TEST_F(V1AuthRoutesTest, AnOwnTokenIsRevokedAtOnce) {
  const std::string program = services_.AddToken("user", {});
  ASSERT_EQ(Get("/api/v1/auth/me", program).status, 200);
  const std::string path = "/api/v1/auth/tokens/" + services_.TokenId(program);
  const Answer answer = Send("DELETE", path, user_);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, R"({"status":"success","message":"Token revoked"})");
  EXPECT_EQ(services_.revoke_token.last().id(), services_.TokenId(program));
  EXPECT_EQ(services_.revoke_token.last().user_id(), services_.UserId(user_));
  EXPECT_EQ(Get("/api/v1/auth/me", program).status, 401);
}

TEST_F(V1AuthRoutesTest, ATokenOfSomebodyElseIsNotFound) {
  services_.revoke_token.Fail(Error(kNotFound, "TOKEN_NOT_FOUND", "no such token"));
  const Answer answer = Send("DELETE", std::string("/api/v1/auth/tokens/") + kTokenId, user_);
  EXPECT_EQ(answer.status, 404);
  EXPECT_EQ(Code(answer), "TOKEN_NOT_FOUND");
  EXPECT_THAT(answer.body, HasSubstr(MessageIs("Token not found")));
  const Answer malformed = Send("DELETE", "/api/v1/auth/tokens/7", user_);
  EXPECT_EQ(malformed.status, 422);
  EXPECT_EQ(Code(malformed), "ID_INVALID");
}

}  // namespace
}  // namespace gatehouse::gateway
