// /auth, /admin/keys and /.well-known/jwks.json.
#include "libs/base/uuid.h"
#include "services/gateway/gateway_fixture.h"
#include "services/gateway/sample_user.h"

namespace gatehouse::gateway {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kKeyId[] = "0190c0de-0000-7000-8000-00000000000b";
constexpr char kNewKey[] = R"({"user":"Ada","scopes":["llm.chat","llm.embed"],"name":"bot"})";

auth::v1::Token SampleKey() {
  auth::v1::Token key;
  key.set_id(kKeyId);
  key.set_username("ada");
  key.set_kind(auth::v1::CREDENTIAL_KIND_KEY);
  key.set_name("bot");
  key.add_scopes("llm.chat");
  key.add_scopes("llm.embed");
  key.set_hint("wxyz");
  key.mutable_create_time()->set_seconds(1'800'000'000);
  key.mutable_last_used_time()->set_seconds(1'800'000'060);
  key.mutable_last_used_time()->set_nanos(5'000'000);
  return key;
}

absl::Status Refused(absl::StatusCode code, const char* reason) {
  return Error(code, reason, "inner text");
}

class KeyRoutesTest : public GatewayTest {
 protected:
  KeyRoutesTest() {
    services_.get_user.Return(SampleUser());
    auth::v1::CreateTokenResponse created;
    *created.mutable_token() = SampleKey();
    created.set_text("gh_the-text");
    services_.create_token.Return(created);
  }
  auth::v1::AuditEvent LastEvent() { return services_.append_audit.last().event(); }
};

TEST_F(KeyRoutesTest, ALoginNeedsOnlyAPassword) {
  auth::v1::IssuedCredential issued;
  issued.set_token("ghl_abc");
  *issued.mutable_user() = SampleUser();
  issued.add_scopes("admin");
  issued.add_scopes("llm.chat");
  issued.mutable_expire_time()->set_seconds(1'800'000'000);
  issued.mutable_expire_time()->set_nanos(123'456'000);
  services_.log_in.Return(issued);
  const Answer answer =
      Post("/auth/login", "", R"({"password":"a-secret-word"})", {{"User-Agent", "curl/7"}});
  EXPECT_EQ(answer.status, 201);
  EXPECT_EQ(answer.body, R"({"token":"ghl_abc","user":"ada","scopes":["admin","llm.chat"],)"
                         R"("expires_at":1800000000123})");
  EXPECT_TRUE(answer.All("Set-Cookie").empty());
  const auth::v1::LogInRequest request = services_.log_in.last();
  EXPECT_EQ(request.kind(), auth::v1::CREDENTIAL_KIND_LOGIN);
  EXPECT_EQ(request.username(), "");
  EXPECT_EQ(request.password(), "a-secret-word");
  EXPECT_EQ(request.origin().user_agent(), "curl/7");
  Post("/auth/login", "", R"({"username":"bob","password":"x"})");
  EXPECT_EQ(services_.log_in.last().username(), "bob");
}

TEST_F(KeyRoutesTest, ARefusedLoginHasOneText) {
  services_.log_in.Fail(Refused(absl::StatusCode::kUnauthenticated, "CREDENTIALS_INVALID"));
  const Answer answer = Post("/auth/login", "", R"({"password":"x"})");
  EXPECT_EQ(answer.status, 401);
  EXPECT_EQ(Code(answer), "CREDENTIALS_INVALID");
  EXPECT_THAT(answer.body, HasSubstr(R"("message":"Invalid credentials")"));
  services_.log_in.Fail(absl::UnavailableError("down"));
  EXPECT_EQ(Post("/auth/login", "", R"({"password":"x"})").status, 503);
  services_.log_in.Fail(Refused(absl::StatusCode::kResourceExhausted, "LOGIN_DELAYED"));
  EXPECT_EQ(Post("/auth/login", "", R"({"password":"x"})").status, 429);
  for (const char* body : {"", "{}", R"({"username":"a"})", R"({"password":7})",
                           R"({"password":"x","remember_me":true})"}) {
    const Answer invalid = Post("/auth/login", "", body);
    EXPECT_EQ(invalid.status, 400) << body;
    EXPECT_THAT(invalid.body, HasSubstr("\"details\":[{"));
  }
}

TEST_F(KeyRoutesTest, LogoutEndsThePresentedLogin) {
  ASSERT_EQ(Get("/api/me/", user_).status, 200);
  const Answer answer = Post("/auth/logout", user_, "");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, R"({"message":"Logout successful"})");
  EXPECT_EQ(services_.log_out.last().credential_id(), services_.TokenId(user_));
  EXPECT_EQ(Get("/api/me/", user_).status, 401);
  EXPECT_EQ(Post("/auth/logout", "", "").status, 401);
}

TEST_F(KeyRoutesTest, ACredentialIsValidatedForARequest) {
  auth::v1::ValidateTokenResponse valid;
  valid.mutable_principal()->set_username("ada");
  valid.mutable_principal()->set_user_id("u1");
  valid.mutable_principal()->set_role("user");
  valid.add_scopes("llm.chat");
  services_.validate_token.Return(valid);
  const Answer answer = Post("/auth/validate", "",
                             R"({"token":"gh_x","method":"POST","path":"/v1/chat/completions"})");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body,
            R"({"valid":true,"user":"ada","user_id":"u1","role":"user","scopes":["llm.chat"],)"
            R"("expires_at":null})");
  EXPECT_EQ(services_.validate_token.last().token(), "gh_x");
  EXPECT_EQ(services_.validate_token.last().method(), "POST");
  EXPECT_EQ(services_.validate_token.last().path(), "/v1/chat/completions");
  valid.mutable_expire_time()->set_seconds(1'800'000'000);
  services_.validate_token.Return(valid);
  EXPECT_THAT(Post("/auth/validate", "gh_header", "").body,
              HasSubstr(R"("expires_at":1800000000000)"));
  EXPECT_EQ(services_.validate_token.last().token(), "gh_header");
  EXPECT_EQ(services_.look_up.calls(), 0u) << "the question is not who asks";
  Post("/auth/validate", "gh_header", R"({"token":"gh_body"})");
  EXPECT_EQ(services_.validate_token.last().token(), "gh_body") << "the body goes first";
}

TEST_F(KeyRoutesTest, AnInvalidOrInsufficientCredentialIsToldApart) {
  services_.validate_token.Fail(Refused(absl::StatusCode::kUnauthenticated, "CREDENTIALS_INVALID"));
  const Answer invalid = Post("/auth/validate", "", R"({"token":"gh_x"})");
  EXPECT_EQ(invalid.status, 401);
  EXPECT_EQ(Code(invalid), "CREDENTIALS_INVALID");
  for (const char* reason : {"SCOPE_INSUFFICIENT", "PASSWORD_CHANGE_REQUIRED"}) {
    services_.validate_token.Fail(Refused(absl::StatusCode::kPermissionDenied, reason));
    const Answer refused = Post("/auth/validate", "", R"({"token":"gh_x","path":"/admin/keys"})");
    EXPECT_EQ(refused.status, 403);
    EXPECT_EQ(Code(refused), reason);
  }
  const std::size_t calls = services_.validate_token.calls();
  for (const char* body : {"", "{}", R"({"token":""})", R"({"token":7})",
                           R"({"token":"x","method":7})", R"({"token":"x","scope":"admin"})"}) {
    EXPECT_EQ(Code(Post("/auth/validate", "", body)), "VALIDATION_FAILED") << body;
  }
  EXPECT_EQ(Post("/auth/validate", "", "", {{"Cookie", "access_token_cookie=ghs_x"}}).status, 400)
      << "a cookie is no question";
  EXPECT_EQ(services_.validate_token.calls(), calls);
}

TEST_F(KeyRoutesTest, KeysAreListedWithoutTheirTexts) {
  auth::v1::ListTokensResponse page;
  *page.add_tokens() = SampleKey();
  *page.add_tokens() = SampleKey();
  page.mutable_tokens(1)->clear_last_used_time();
  page.mutable_tokens(1)->mutable_expire_time()->set_seconds(1'900'000'000);
  page.mutable_tokens(1)->set_is_revoked(true);
  page.set_total(9);
  page.set_next_page_token("next");
  services_.list_tokens.Return(page);
  const Answer answer = Get("/admin/keys?limit=2&cursor=abc", admin_);
  EXPECT_EQ(answer.status, 200);
  const std::string begin = std::string(R"({"id":")") + kKeyId +
                            R"(","user":"ada","name":"bot","scopes":["llm.chat","llm.embed"],)"
                            R"("created_at":1800000000000,)";
  EXPECT_EQ(answer.body, "[" + begin +
                             R"("expires_at":null,"last_used_at":1800000060005,"preview":"…wxyz",)"
                             R"("is_revoked":false},)" +
                             begin +
                             R"("expires_at":1900000000000,"last_used_at":null,"preview":"…wxyz",)"
                             R"("is_revoked":true}])");
  EXPECT_EQ(answer.Get("X-Total-Count"), "9");
  EXPECT_EQ(answer.Get("X-Next-Cursor"), "next");
  EXPECT_EQ(services_.list_tokens.last().page_size(), 2);
  EXPECT_EQ(services_.list_tokens.last().page_token(), "abc");
  EXPECT_EQ(services_.list_tokens.last().kind(), auth::v1::CREDENTIAL_KIND_KEY);
  EXPECT_EQ(services_.list_tokens.last().user_id(), "");
  EXPECT_EQ(Get("/admin/keys?limit=ten", admin_).status, 400);
}

TEST_F(KeyRoutesTest, AKeyIsCreatedAfterThatWasAudited) {
  const auto created = [&] {
    auth::v1::CreateTokenResponse response;
    *response.mutable_token() = SampleKey();
    response.set_text("gh_the-text");
    return response;
  }();
  services_.create_token.Do([&, created](const auth::v1::CreateTokenRequest&) {
    EXPECT_EQ(services_.append_audit.calls(), 1u) << "audited first";
    return created;
  });
  const Answer answer = Post("/admin/keys", admin_, kNewKey);
  EXPECT_EQ(answer.status, 201);
  EXPECT_EQ(answer.body,
            std::string(R"({"token":"gh_the-text","user":"ada","scopes":["llm.chat","llm.embed"],)"
                        R"("id":")") +
                kKeyId + R"("})");
  EXPECT_EQ(services_.get_user.last().username(), "Ada");
  const auth::v1::CreateTokenRequest request = services_.create_token.last();
  EXPECT_EQ(request.user(), SampleUser().id());
  EXPECT_EQ(request.kind(), auth::v1::CREDENTIAL_KIND_KEY);
  EXPECT_EQ(request.name(), "bot");
  EXPECT_THAT(request.scopes(), ElementsAre("llm.chat", "llm.embed"));
  EXPECT_FALSE(request.has_expire_time());
  EXPECT_EQ(LastEvent().type(), "admin_action");
  EXPECT_EQ(LastEvent().target(), "user/" + SampleUser().id());
  EXPECT_EQ(LastEvent().details_json(), R"({"action":"key_created","username":"ada","name":"bot",)"
                                        R"("scopes":["llm.chat","llm.embed"]})");
}

TEST_F(KeyRoutesTest, ScopesAndExpiryAreTakenInEitherSpelling) {
  for (const char* end : {"1900000000000", R"("2030-03-17T17:46:40Z")"}) {
    const std::string body =
        std::string(R"({"user":"ada","scopes":"llm.chat, repo.patch","expires_at":)") + end + "}";
    EXPECT_EQ(Post("/admin/keys", admin_, body).status, 201) << end;
    EXPECT_THAT(services_.create_token.last().scopes(), ElementsAre("llm.chat", "repo.patch"));
    EXPECT_EQ(services_.create_token.last().expire_time().seconds(), 1'900'000'000);
  }
}

TEST_F(KeyRoutesTest, KeyInputIsChecked) {
  const std::string long_name(101, 'x');
  for (const std::string& body : std::vector<std::string>{
           "", R"({"user":"ada"})", R"({"scopes":["a"]})", R"({"user":"ada","scopes":[]})",
           R"({"user":"ada","scopes":[1]})", R"({"user":"ada","scopes":", ,"})",
           R"({"user":"ada","scopes":["a"],"expires_at":"soon"})",
           R"({"user":"ada","scopes":["a"],"expires_at":-1})",
           R"({"user":"ada","scopes":["a"],"name":")" + long_name + R"("})",
           R"({"user":"ada","scopes":["a"],"kind":"api"})"}) {
    const Answer answer = Post("/admin/keys", admin_, body);
    EXPECT_EQ(answer.status, 400) << body;
    EXPECT_EQ(Code(answer), "VALIDATION_FAILED") << body;
  }
  EXPECT_EQ(services_.append_audit.calls(), 0u);
}

TEST_F(KeyRoutesTest, AnUnknownOwnerIs404AndAScopeThatIsNotHeld403) {
  services_.create_token.Fail(Refused(absl::StatusCode::kPermissionDenied, "SCOPE_NOT_HELD"));
  const Answer not_held = Post("/admin/keys", admin_, kNewKey);
  EXPECT_EQ(not_held.status, 403);
  EXPECT_EQ(Code(not_held), "SCOPE_NOT_HELD");
  EXPECT_TRUE(Eventually([&] { return services_.append_audit.calls() == 2; }));
  EXPECT_FALSE(LastEvent().success());
  EXPECT_EQ(LastEvent().reason(), "SCOPE_NOT_HELD");
  services_.create_token.Fail(Refused(absl::StatusCode::kInvalidArgument, "SCOPE_INVALID"));
  EXPECT_EQ(Code(Post("/admin/keys", admin_, kNewKey)), "SCOPE_INVALID");
  services_.get_user.Fail(Refused(absl::StatusCode::kNotFound, "USER_NOT_FOUND"));
  const std::size_t calls = services_.create_token.calls();
  const Answer unknown = Post("/admin/keys", admin_, kNewKey);
  EXPECT_EQ(unknown.status, 404);
  EXPECT_EQ(Code(unknown), "USER_NOT_FOUND");
  EXPECT_EQ(services_.create_token.calls(), calls);
}

TEST_F(KeyRoutesTest, ARevokedKeyIsDeadAtOnce) {
  services_.revoke_token.Do([&](const auth::v1::RevokeTokenRequest&) {
    EXPECT_EQ(services_.append_audit.calls(), 1u) << "audited first";
    return auth::v1::RevokeTokenResponse();
  });
  ASSERT_EQ(Get("/api/me/", user_).status, 200);
  const std::string id = services_.TokenId(user_);
  const Answer answer = Send("DELETE", "/admin/keys/" + id, admin_);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, R"({"revoked":")" + id + R"("})");
  EXPECT_EQ(services_.revoke_token.last().id(), id);
  EXPECT_EQ(services_.revoke_token.last().user_id(), "");
  EXPECT_EQ(LastEvent().target(), "token/" + id);
  EXPECT_EQ(LastEvent().details_json(), R"({"action":"key_revoked"})");
  EXPECT_EQ(Get("/api/me/", user_).status, 401) << "even though the fake auth still knows it";
}

TEST_F(KeyRoutesTest, AnUnknownKeyIs404) {
  services_.revoke_token.Fail(Refused(absl::StatusCode::kNotFound, "TOKEN_NOT_FOUND"));
  const Answer answer = Send("DELETE", std::string("/admin/keys/") + kKeyId, admin_);
  EXPECT_EQ(answer.status, 404);
  EXPECT_EQ(Code(answer), "TOKEN_NOT_FOUND");
  EXPECT_EQ(Code(Send("DELETE", "/admin/keys/7", admin_)), "ID_INVALID");
}

TEST_F(KeyRoutesTest, WithoutAnAuditNothingIsDone) {
  services_.append_audit.Fail(absl::InternalError("disk full"));
  for (const Answer& answer : {Post("/admin/keys", admin_, kNewKey),
                               Send("DELETE", std::string("/admin/keys/") + kKeyId, admin_)}) {
    EXPECT_EQ(answer.status, 503);
    EXPECT_EQ(Code(answer), "AUDIT_UNAVAILABLE");
  }
  EXPECT_EQ(services_.create_token.calls(), 0u);
  EXPECT_EQ(services_.revoke_token.calls(), 0u);
}

TEST_F(KeyRoutesTest, KeysAreForAdministratorsAndTheScopeAdmin) {
  const auto statuses = [&](const std::string& token) {
    return std::vector<int>{Get("/admin/keys", token).status,
                            Post("/admin/keys", token, kNewKey).status,
                            Send("DELETE", std::string("/admin/keys/") + kKeyId, token).status};
  };
  EXPECT_THAT(statuses(""), ElementsAre(401, 401, 401));
  EXPECT_THAT(statuses(user_), ElementsAre(403, 403, 403));
  const auto narrow_to = [](const char* scope) {
    return [scope](auth::v1::LookupTokenResponse& answer) {
      answer.mutable_principal()->set_is_narrowed(true);
      answer.mutable_principal()->add_scopes(scope);
    };
  };
  const std::string chat = services_.AddToken("admin", {"manage_users"});
  services_.EditToken(chat, narrow_to("llm.chat"));
  EXPECT_THAT(statuses(chat), ElementsAre(403, 403, 403));
  const std::string admin = services_.AddToken("admin", {"manage_users"});
  services_.EditToken(admin, narrow_to("admin"));
  EXPECT_THAT(statuses(admin), ElementsAre(200, 201, 200));
}

TEST_F(KeyRoutesTest, TheKeySetIsPublicAndMayBeCached) {
  const Answer answer = Get("/.well-known/jwks.json", "");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.Get("Content-Type"), "application/jwk-set+json");
  EXPECT_THAT(answer.All("Cache-Control"), ElementsAre("public, max-age=300"));
  EXPECT_EQ(answer.body, services_.AccessKeys().ToJson());
  EXPECT_THAT(answer.body, HasSubstr("\"kid\":\"access\""));
  EXPECT_THAT(answer.body, Not(HasSubstr("\"d\":"))) << "no private part";
}

TEST(KeySetRouteTest, TheKeySetIsUnknownBeforeAuthHasSpoken) {
  FakeServices services;
  services.control.Mute(true);
  SystemClock clock;
  Options options;
  options.http_address = "127.0.0.1:0";
  Gateway gateway(options, HotConfig(), services.Clients(), clock);
  ASSERT_TRUE(gateway.Start().ok());
  const Answer answer = Fetch(gateway.address(), "GET", "/.well-known/jwks.json");
  EXPECT_EQ(answer.status, 503);
  EXPECT_THAT(answer.body, HasSubstr(R"("error":"KEYS_UNKNOWN")"));
  EXPECT_THAT(answer.body, HasSubstr(R"("service":"auth")"));
  EXPECT_THAT(answer.All("Cache-Control"), ElementsAre("no-store"));
}

TEST_F(KeyRoutesTest, SecretsAreNeitherLoggedNorAudited) {
  SetHot([](HotConfig& hot) { hot.access_log = true; });
  ::testing::internal::CaptureStderr();
  Post("/auth/login", "", R"({"password":"a-secret-word"})");
  Post("/auth/validate", "", R"({"token":"gh_asked-about","path":"/x"})");
  Post("/admin/keys", admin_, kNewKey);
  gateway_.Drain(std::chrono::seconds(5));  // Lines are written when a batch ends.
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(log, HasSubstr("/admin/keys")) << "the log was captured";
  for (const std::string& secret :
       std::vector<std::string>{"a-secret-word", "gh_asked-about", "gh_the-text", admin_}) {
    EXPECT_THAT(log, Not(HasSubstr(secret)));
  }
  for (const auto& request : services_.append_audit.requests()) {
    EXPECT_THAT(request.event().details_json(), Not(HasSubstr("gh_the-text")));
  }
}

}  // namespace
}  // namespace gatehouse::gateway
