// /api/auth and /api/me: token, login, signup, logout, passwords, sessions.
#include "services/gateway/gateway_fixture.h"
#include "services/gateway/sample_user.h"

namespace gatehouse::gateway {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;

auth::v1::IssuedCredential Issued(const std::string& token) {
  auth::v1::IssuedCredential issued;
  issued.set_credential_id("0190c0de-0000-7000-8000-0000000000aa");
  issued.set_token(token);
  *issued.mutable_user() = SampleUser();
  return issued;
}

void EndsIn(auth::v1::IssuedCredential& issued, std::chrono::seconds life) {
  const auto end = (std::chrono::system_clock::now() + life).time_since_epoch();
  issued.mutable_expire_time()->set_seconds(
      std::chrono::duration_cast<std::chrono::seconds>(end).count());
}

absl::Status WrongPassword() {
  return Error(absl::StatusCode::kUnauthenticated, "CREDENTIALS_INVALID", "user is disabled");
}

constexpr char kLogin[] = R"({"username":"ada","password":"a-secret-word"})";

class AuthRoutesTest : public GatewayTest {
 protected:
  static constexpr char kSignUp[] =
      R"({"username":"ada","email":"ada@example.com","password":"long enough","passkey":"p"})";
  static constexpr char kChange[] = R"({"old_password":"old word","new_password":"new word"})";
};

TEST_F(AuthRoutesTest, MeIsTheUserObjectWithoutNotes) {
  services_.get_user.Return(SampleUser());
  const Answer answer = Get("/api/me/", user_);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, kSampleUserJson);
  EXPECT_EQ(answer.Get("Content-Type"), "application/json");
  EXPECT_EQ(answer.Get("Cache-Control"), "no-store");
  EXPECT_EQ(services_.get_user.last().id(), services_.UserId(user_));
}

TEST_F(AuthRoutesTest, ATokenIsIssuedForAPassword) {
  services_.log_in.Return(Issued("ght_abc"));
  const Answer answer = Post("/api/auth/token/", "", kLogin, {{"User-Agent", "curl/7"}});
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, R"({"token":"ght_abc","user":)" + std::string(kSampleUserJson) + "}");
  EXPECT_TRUE(answer.All("Set-Cookie").empty());
  const auth::v1::LogInRequest request = services_.log_in.last();
  EXPECT_EQ(request.username(), "ada");
  EXPECT_EQ(request.password(), "a-secret-word");
  EXPECT_EQ(request.kind(), auth::v1::CREDENTIAL_KIND_TOKEN);
  EXPECT_EQ(request.origin().client_address(), "127.0.0.1");
  EXPECT_EQ(request.origin().user_agent(), "curl/7");
}

TEST_F(AuthRoutesTest, AWrongPasswordIs401WithOneText) {
  services_.log_in.Fail(WrongPassword());
  const Answer token = Post("/api/auth/token/", "", kLogin);
  EXPECT_EQ(token.status, 401);
  EXPECT_EQ(Code(token), "CREDENTIALS_INVALID");
  EXPECT_THAT(token.body, HasSubstr(R"("message":"Invalid credentials")"));
  EXPECT_EQ(token.All("WWW-Authenticate").size(), 2u);
  const Answer login = Post("/api/auth/login/", "", kLogin);
  EXPECT_EQ(login.status, 401);
  EXPECT_EQ(Code(login), "CREDENTIALS_INVALID");
  EXPECT_THAT(login.body, HasSubstr(R"("message":"Invalid username or password")"));
  EXPECT_TRUE(login.All("Set-Cookie").empty());
}

TEST_F(AuthRoutesTest, ADelayedLoginSaysWhenToComeAgain) {
  services_.log_in.Fail(WithRetryDelay(
      Error(absl::StatusCode::kResourceExhausted, "LOGIN_DELAYED", "too many failures"), 7500));
  for (const char* path : {"/api/auth/token/", "/api/auth/login/"}) {
    const Answer answer = Post(path, "", kLogin);
    EXPECT_EQ(answer.status, 429) << path;
    EXPECT_EQ(Code(answer), "LOGIN_DELAYED");
    EXPECT_EQ(answer.Get("Retry-After"), "8");
  }
  services_.log_in.Fail(Error(absl::StatusCode::kResourceExhausted, "OVERLOADED", "full"));
  EXPECT_EQ(Post("/api/auth/login/", "", kLogin).status, 503);
}

TEST_F(AuthRoutesTest, LoginInputIsChecked) {
  for (const char* path : {"/api/auth/token/", "/api/auth/login/"}) {
    for (const char* body :
         {"{}", "", R"({"username":"ada"})", R"({"username":"","password":"x"})",
          R"({"username":"ada","password":7})", R"({"username":"ada","password":"x","extra":1})"}) {
      const Answer answer = Post(path, "", body);
      EXPECT_EQ(answer.status, 400) << body;
      EXPECT_EQ(Code(answer), "VALIDATION_FAILED") << body;
      EXPECT_THAT(answer.body, HasSubstr("\"message\":\"Username and password are required\""));
      EXPECT_THAT(answer.body, HasSubstr("\"details\":[{\"field\":"));
    }
    EXPECT_EQ(Code(Post(path, "", "{")), "JSON_MALFORMED");
    EXPECT_EQ(Code(Post(path, "", "[]")), "JSON_NOT_OBJECT");
    EXPECT_EQ(Code(Post(path, "", "{\"username\":\"\xff\"}")), "JSON_MALFORMED");
    EXPECT_EQ(Code(Post(path, "", R"({"username":"a","username":"b"})")), "JSON_DUPLICATE_KEY");
  }
  EXPECT_EQ(
      Post("/api/auth/token/", "", R"({"username":"a","password":"b","remember_me":true})").status,
      400);
  EXPECT_EQ(
      Post("/api/auth/login/", "", R"({"username":"a","password":"b","remember_me":1})").status,
      400);
  EXPECT_EQ(services_.log_in.calls(), 0u);
}

TEST_F(AuthRoutesTest, ABodyMustBeJsonByItsType) {
  for (const char* type : {"text/plain", "application/x-www-form-urlencoded",
                           "application/json; charset=latin1", "application/jsonx"}) {
    const Answer answer = Post("/api/auth/token/", "", kLogin, {{"Content-Type", type}});
    EXPECT_EQ(answer.status, 415) << type;
    EXPECT_EQ(Code(answer), "UNSUPPORTED_MEDIA_TYPE");
  }
  for (const char* type : {"application/json; charset=UTF-8", "Application/JSON"}) {
    EXPECT_EQ(Post("/api/auth/token/", "", kLogin, {{"Content-Type", type}}).status, 200) << type;
  }
}

TEST_F(AuthRoutesTest, LoginSetsASessionCookieThatEndsWithTheBrowser) {
  auth::v1::IssuedCredential issued = Issued("ghs_abc");
  EndsIn(issued, std::chrono::hours(336));
  services_.log_in.Return(issued);
  const Answer answer = Post("/api/auth/login/", "", kLogin);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body,
            R"({"message":"Login successful","user":)" + std::string(kSampleUserJson) + "}");
  const auto cookies = answer.All("Set-Cookie");
  ASSERT_EQ(cookies.size(), 2u);
  EXPECT_THAT(cookies[0], MatchesRegex("csrf_token=[^;]+; Path=/; SameSite=Lax"));
  EXPECT_EQ(cookies[1], "access_token_cookie=ghs_abc; Path=/; HttpOnly; SameSite=Lax");
  EXPECT_EQ(services_.log_in.last().kind(), auth::v1::CREDENTIAL_KIND_SESSION);
  EXPECT_FALSE(services_.log_in.last().is_persistent());
}

TEST_F(AuthRoutesTest, ARememberedLoginLivesAsLongAsItsSession) {
  auth::v1::IssuedCredential issued = Issued("ghs_abc");
  EndsIn(issued, std::chrono::seconds(1'000'000));
  services_.log_in.Return(issued);
  const Answer answer =
      Post("/api/auth/login/", "", R"({"username":"ada","password":"pw","remember_me":true})");
  EXPECT_EQ(answer.status, 200);
  EXPECT_TRUE(services_.log_in.last().is_persistent());
  const auto cookies = answer.All("Set-Cookie");
  ASSERT_EQ(cookies.size(), 2u);
  for (const std::string& cookie : cookies) {
    EXPECT_THAT(cookie, MatchesRegex(".*; Max-Age=(1000000|9999[0-9][0-9])(;.*)?"));
  }
}

TEST_F(AuthRoutesTest, SignupLogsTheNewcomerIn) {
  services_.sign_up.Return(Issued("ghs_new"));
  const Answer answer = Post("/api/auth/signup/", "", kSignUp, {{"User-Agent", "curl/7"}});
  EXPECT_EQ(answer.status, 201);
  EXPECT_EQ(answer.body,
            R"({"message":"Signup successful","user":)" + std::string(kSampleUserJson) + "}");
  const auto cookies = answer.All("Set-Cookie");
  ASSERT_EQ(cookies.size(), 2u);
  EXPECT_EQ(cookies[1], "access_token_cookie=ghs_new; Path=/; HttpOnly; SameSite=Lax");
  EXPECT_THAT(answer.body, Not(HasSubstr("ghs_new")));
  const auth::v1::SignUpRequest request = services_.sign_up.last();
  EXPECT_EQ(request.email(), "ada@example.com");
  EXPECT_EQ(request.passkey(), "p");
  EXPECT_EQ(request.origin().user_agent(), "curl/7");
  EXPECT_EQ(Post("/api/auth/signup/", "", kLogin).status, 400);
}

TEST_F(AuthRoutesTest, SignupSpeaksOfPasskeys) {
  struct Row {
    absl::StatusCode code;
    const char* reason;
    int status;
    const char* outward;
    const char* message;
  };
  using enum absl::StatusCode;
  for (const Row& row : std::vector<Row>{
           {kNotFound, "INVITATION_NOT_FOUND", 400, "PASSKEY_INVALID", "Invalid passkey"},
           {kFailedPrecondition, "INVITATION_REVOKED", 400, "PASSKEY_INVALID", "Invalid passkey"},
           {kInvalidArgument, "PASSKEY_INVALID", 400, "PASSKEY_INVALID", "Invalid passkey"},
           {kFailedPrecondition, "INVITATION_EXPIRED", 400, "PASSKEY_EXPIRED",
            "Passkey has expired"},
           {kFailedPrecondition, "INVITATION_ALREADY_REDEEMED", 400, "PASSKEY_USED",
            "Passkey has already been used"},
           {kFailedPrecondition, "INVITATION_TENANT_NOT_FOUND", 400, "PASSKEY_INVALID",
            "Invalid passkey"},
           {kFailedPrecondition, "INVITATION_EMAIL_MISMATCH", 400, "PASSKEY_INVALID",
            "Passkey is for another address"},
           {kAlreadyExists, "USERNAME_TAKEN", 409, "USERNAME_TAKEN", "Username already exists"},
           {kAlreadyExists, "EMAIL_TAKEN", 409, "EMAIL_TAKEN", "Email already exists"},
           {kInvalidArgument, "PASSWORD_TOO_WEAK", 400, "PASSWORD_TOO_WEAK", "inner text"},
           {kUnavailable, "SIGNUP_IN_DOUBT", 503, "SIGNUP_IN_DOUBT", "auth is not available"}}) {
    services_.sign_up.Fail(Error(row.code, row.reason, "inner text"));
    const Answer answer = Post("/api/auth/signup/", "", kSignUp);
    EXPECT_EQ(answer.status, row.status) << row.reason;
    EXPECT_EQ(Code(answer), row.outward);
    EXPECT_THAT(answer.body, HasSubstr("\"message\":\"" + std::string(row.message) + "\""));
    EXPECT_TRUE(answer.All("Set-Cookie").empty());
  }
}

TEST_F(AuthRoutesTest, LogoutRevokesThePresentedTokenAtOnce) {
  ASSERT_EQ(Get("/api/me/", user_).status, 200);
  const Answer answer = Post("/api/auth/logout/", user_, "", {{"User-Agent", "curl/7"}});
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, R"({"message":"Logout successful"})");
  const auto cookies = answer.All("Set-Cookie");
  ASSERT_EQ(cookies.size(), 2u);
  EXPECT_THAT(cookies[0], HasSubstr("csrf_token=; Path=/; Max-Age=0"));
  EXPECT_THAT(cookies[1], HasSubstr("access_token_cookie=; Path=/; Max-Age=0"));
  EXPECT_EQ(services_.log_out.last().credential_id(), services_.TokenId(user_));
  EXPECT_EQ(services_.log_out.last().origin().user_agent(), "curl/7");
  EXPECT_EQ(Get("/api/me/", user_).status, 401) << "even though the fake auth still knows it";
}

TEST_F(AuthRoutesTest, LogoutFailsWhenAuthDidNotRevoke) {
  services_.log_out.Fail(absl::UnavailableError("down"));
  const Answer answer = Post("/api/auth/logout/", user_, "");
  EXPECT_EQ(answer.status, 503);
  EXPECT_TRUE(answer.All("Set-Cookie").empty());
  EXPECT_EQ(Get("/api/me/", user_).status, 200);
}

TEST_F(AuthRoutesTest, AnOpaqueCredentialOutlivesTheChangeOfThePassword) {
  const Answer answer = Post("/api/auth/password/change/", user_, kChange);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, R"({"message":"Password changed successfully"})");
  EXPECT_TRUE(answer.All("Set-Cookie").empty());
  const auth::v1::ChangePasswordRequest request = services_.change_password.last();
  EXPECT_EQ(request.user_id(), services_.UserId(user_));
  EXPECT_EQ(request.credential_id(), services_.TokenId(user_));
  EXPECT_EQ(request.old_password(), "old word");
  EXPECT_EQ(request.new_password(), "new word");
  EXPECT_EQ(request.origin().client_address(), "127.0.0.1");
}

TEST_F(AuthRoutesTest, ASignedTokenIsReplacedWhenThePasswordChanges) {
  const std::string presented = services_.AddSignedToken("user", {});
  auth::v1::ChangePasswordResponse changed;
  *changed.mutable_credential() = Issued("new.signed.token");
  EndsIn(*changed.mutable_credential(), std::chrono::seconds(900));
  services_.change_password.Return(changed);
  const Answer by_header = Post("/api/auth/password/change/", presented, kChange);
  EXPECT_EQ(by_header.status, 200);
  EXPECT_EQ(by_header.body,
            R"({"message":"Password changed successfully","access_token":"new.signed.token"})");
  EXPECT_TRUE(by_header.All("Set-Cookie").empty());
  const Answer by_cookie = Post("/api/auth/password/change/", "", kChange,
                                {{"Cookie", "access_token_cookie=" + presented}});
  EXPECT_EQ(by_cookie.status, 200);
  const auto cookies = by_cookie.All("Set-Cookie");
  ASSERT_EQ(cookies.size(), 2u);
  EXPECT_THAT(cookies[1], MatchesRegex("access_token_cookie=new\\.signed\\.token; Path=/; "
                                       "Max-Age=(900|8[0-9][0-9]); HttpOnly; SameSite=Lax"));
}

TEST_F(AuthRoutesTest, ThePasswordIsChangedByTheOldOne) {
  services_.change_password.Fail(WrongPassword());
  const Answer wrong = Post("/api/auth/password/change/", user_, kChange);
  EXPECT_EQ(wrong.status, 400) << "401 would ask the client to log in again";
  EXPECT_EQ(Code(wrong), "CREDENTIALS_INVALID");
  EXPECT_THAT(wrong.body, HasSubstr(R"("message":"Old password is incorrect")"));
  for (const char* reason : {"PASSWORD_TOO_WEAK", "PASSWORD_UNCHANGED"}) {
    services_.change_password.Fail(
        WithFieldViolation(Error(absl::StatusCode::kInvalidArgument, reason, "choose another"),
                           "new_password", "is too common"));
    const Answer answer = Post("/api/auth/password/change/", user_, kChange);
    EXPECT_EQ(answer.status, 400);
    EXPECT_EQ(Code(answer), reason);
    EXPECT_THAT(answer.body, HasSubstr(R"({"field":"new_password","message":"is too common"})"));
  }
  EXPECT_EQ(Code(Post("/api/auth/password/change/", user_, R"({"old_password":"x"})")),
            "VALIDATION_FAILED");
  EXPECT_EQ(Post("/api/auth/password/change/", "", kChange).status, 401);
  EXPECT_EQ(services_.change_password.calls(), 3u);
}

TEST_F(AuthRoutesTest, AUserWhoMustChangeThePasswordCanDoOnlyThat) {
  services_.EditToken(user_, [](auth::v1::LookupTokenResponse& answer) {
    answer.set_password_change_required(true);
  });
  const Answer refused = Get("/api/me/", user_);
  EXPECT_EQ(refused.status, 403);
  EXPECT_EQ(Code(refused), "PASSWORD_CHANGE_REQUIRED");
  EXPECT_EQ(Get("/api/auth/sessions/", user_).status, 403);
  EXPECT_EQ(Post("/api/auth/password/change/", user_, kChange).status, 200);
}

TEST_F(AuthRoutesTest, AResetIsPromisedToWhoeverAsks) {
  const Answer answer = Post("/api/auth/password/reset/", "", R"({"email":"nobody@example.com"})");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body,
            R"({"message":"If an account with that address exists, a mail with a code is on )"
            R"(its way"})");
  EXPECT_EQ(services_.request_password_reset.last().email(), "nobody@example.com");
  EXPECT_EQ(services_.request_password_reset.last().origin().client_address(), "127.0.0.1");
  const Answer empty = Post("/api/auth/password/reset/", "", "");
  EXPECT_EQ(empty.status, 400);
  EXPECT_THAT(empty.body, HasSubstr(R"("message":"Email is required")"));
  services_.request_password_reset.Fail(
      Error(absl::StatusCode::kInvalidArgument, "EMAIL_INVALID", "not an address"));
  EXPECT_EQ(Code(Post("/api/auth/password/reset/", "", R"({"email":"x"})")), "EMAIL_INVALID");
}

TEST_F(AuthRoutesTest, AResetIsConfirmedByItsCode) {
  const std::string body = R"({"token":"the-code","new_password":"new word"})";
  const Answer answer = Post("/api/auth/password/reset/confirm/", "", body);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, R"({"message":"Password reset successfully"})");
  EXPECT_TRUE(answer.All("Set-Cookie").empty()) << "logs nobody in";
  EXPECT_EQ(services_.confirm_password_reset.last().token(), "the-code");
  EXPECT_EQ(services_.confirm_password_reset.last().new_password(), "new word");
  for (const char* reason : {"RESET_TOKEN_INVALID", "PASSWORD_TOO_WEAK"}) {
    services_.confirm_password_reset.Fail(
        Error(absl::StatusCode::kInvalidArgument, reason, "no good"));
    const Answer refused = Post("/api/auth/password/reset/confirm/", "", body);
    EXPECT_EQ(refused.status, 400);
    EXPECT_EQ(Code(refused), reason);
  }
  EXPECT_EQ(Post("/api/auth/password/reset/confirm/", "", R"({"token":"x"})").status, 400);
  EXPECT_EQ(services_.confirm_password_reset.calls(), 3u);
}

TEST_F(AuthRoutesTest, SessionsAreListedWithThePresentOneMarked) {
  auth::v1::ListSessionsResponse list;
  auth::v1::Session& current = *list.add_sessions();
  current.set_id(services_.TokenId(user_));
  current.set_kind(auth::v1::CREDENTIAL_KIND_TOKEN);
  current.set_client_address("192.0.2.7");
  current.set_user_agent("curl/7");
  current.mutable_create_time()->set_seconds(1'800'000'000);
  current.mutable_last_used_time()->set_seconds(1'800'000'060);
  auth::v1::Session& other = *list.add_sessions();
  other.set_id("0190c0de-0000-7000-8000-000000000002");
  other.set_kind(auth::v1::CREDENTIAL_KIND_PLATFORM);
  other.mutable_expire_time()->set_seconds(1'800'000'000);
  services_.list_sessions.Return(list);
  const Answer answer = Get("/api/auth/sessions/", user_);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, R"({"count":2,"sessions":[{"id":")" + services_.TokenId(user_) +
                             R"(","kind":"token","ip_address":"192.0.2.7","user_agent":"curl/7",)"
                             R"("created_at":"2027-01-15T08:00:00.000000Z","expires_at":null,)"
                             R"("last_used_at":"2027-01-15T08:01:00.000000Z","is_current":true},)"
                             R"({"id":"0190c0de-0000-7000-8000-000000000002","kind":"platform",)"
                             R"("ip_address":null,"user_agent":null,"created_at":null,)"
                             R"("expires_at":"2027-01-15T08:00:00.000000Z","last_used_at":null,)"
                             R"("is_current":false}]})");
  EXPECT_EQ(services_.list_sessions.last().user_id(), services_.UserId(user_));
}

TEST_F(AuthRoutesTest, AnEndedSessionIsDeadAtOnce) {
  const std::string other = services_.AddToken("user", {});
  ASSERT_EQ(Get("/api/me/", other).status, 200);
  const std::string path = "/api/auth/sessions/" + services_.TokenId(other) + "/";
  const Answer answer = Send("DELETE", path, user_);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, R"({"message":"Session ended"})");
  EXPECT_EQ(services_.end_session.last().id(), services_.TokenId(other));
  EXPECT_EQ(services_.end_session.last().user_id(), services_.UserId(user_));
  EXPECT_EQ(Get("/api/me/", other).status, 401) << "even though the fake auth still knows it";
}

TEST_F(AuthRoutesTest, AForeignSessionIsNotFoundAndLivesOn) {
  services_.end_session.Fail(
      Error(absl::StatusCode::kNotFound, "SESSION_NOT_FOUND", "no such session"));
  const std::string other = services_.AddToken("user", {});
  const Answer answer =
      Send("DELETE", "/api/auth/sessions/" + services_.TokenId(other) + "/", user_);
  EXPECT_EQ(answer.status, 404);
  EXPECT_EQ(Code(answer), "SESSION_NOT_FOUND");
  EXPECT_EQ(Get("/api/me/", other).status, 200);
  EXPECT_EQ(Code(Send("DELETE", "/api/auth/sessions/7/", user_)), "ID_INVALID");
}

TEST_F(AuthRoutesTest, WithoutACredentialNothingOfOnesOwnIsShown) {
  for (const char* path : {"/api/me/", "/api/auth/sessions/"}) {
    EXPECT_EQ(Get(path, "").status, 401) << path;
  }
  EXPECT_EQ(Post("/api/auth/logout/", "", "").status, 401);
}

class LimitedAuthRoutesTest : public GatewayTest {
 protected:
  LimitedAuthRoutesTest() : GatewayTest(Limited()) {}
  static Options Limited() {
    Options options = TestOptions();
    options.auth_rate_limit = 1;
    options.auth_rate_window = std::chrono::seconds(86400);
    return options;
  }
};

TEST_F(LimitedAuthRoutesTest, WhatTakesAPasswordOrCodeIsCountedPerAddress) {
  EXPECT_EQ(Post("/api/auth/token/", "", kLogin).status, 200);
  for (const char* path :
       {"/api/auth/token/", "/api/auth/login/", "/api/auth/signup/", "/api/auth/password/reset/",
        "/api/auth/password/reset/confirm/", "/platform/authorization", "/auth/login"}) {
    const Answer answer = Post(path, "", "");
    EXPECT_EQ(answer.status, 429) << path;
    EXPECT_EQ(Code(answer), "IP_RATE_LIMIT");
    EXPECT_NE(answer.Get("Retry-After"), "");
  }
  for (const char* path : {"/platform/authorization/refresh", "/auth/validate",
                           "/api/auth/password/change/", "/auth/logout"}) {
    EXPECT_NE(Post(path, "", "").status, 429) << path;
  }
}

TEST_F(AuthRoutesTest, SecretsAreNotLogged) {
  SetHot([](HotConfig& hot) { hot.access_log = true; });
  ::testing::internal::CaptureStderr();
  services_.log_in.Return(Issued("ghs_issued"));
  Post("/api/auth/login/", "", kLogin);
  services_.log_in.Fail(absl::InternalError("boom"));
  Post("/api/auth/login/", "", kLogin);
  Post("/api/auth/password/change/", user_, kChange);
  Post("/api/auth/password/reset/confirm/", "", R"({"token":"the-code","new_password":"n-w"})");
  Post("/api/auth/logout/", user_, "");
  gateway_.Drain(std::chrono::seconds(5));  // Lines are written when a batch ends.
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(log, HasSubstr("/api/auth/logout/")) << "the log was captured";
  for (const std::string& secret : std::vector<std::string>{
           "ghs_issued", "a-secret-word", "old word", "new word", "the-code", "n-w", user_}) {
    EXPECT_THAT(log, Not(HasSubstr(secret)));
  }
}

}  // namespace
}  // namespace gatehouse::gateway
