// /platform/authorization and /platform/user.
#include "services/gateway/gateway_fixture.h"
#include "services/gateway/sample_user.h"

namespace gatehouse::gateway {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;

constexpr char kAdaId[] = "0190c0de-0000-7000-8000-000000000001";
constexpr char kLogin[] = R"({"email":"ada@example.com","password":"a-secret-word"})";
constexpr char kNewUser[] =
    R"({"username":"bob","email":"bob@example.com","password":"a-secret-word"})";

auth::v1::IssuedCredential Issued() {
  auth::v1::IssuedCredential issued;
  issued.set_token("signed.access.token");
  issued.set_refresh_token("ghr_next");
  *issued.mutable_user() = SampleUser();
  return issued;
}

absl::Status Refused(absl::StatusCode code, const char* reason) {
  return Error(code, reason, "inner text");
}

class PlatformRoutesTest : public GatewayTest {
 protected:
  PlatformRoutesTest() { services_.get_user.Return(SampleUser()); }

  Answer Admin(const std::string& action, const std::string& username = "ada") {
    const std::string method = action == "status" ? "GET" : "POST";
    return Send(method, "/platform/authorization/admin/" + action + "/" + username, auth_admin_);
  }
  auth::v1::AuditEvent LastEvent() { return services_.append_audit.last().event(); }

  const std::string auth_admin_ = services_.AddToken("admin", {"manage_auth", "manage_users"});
};

void ExpectPlatformCookies(const Answer& answer) {
  const auto cookies = answer.All("Set-Cookie");
  ASSERT_EQ(cookies.size(), 2u);
  EXPECT_THAT(cookies[0], MatchesRegex("csrf_token=[^;]+; Path=/; Max-Age=1800; SameSite=Lax"));
  EXPECT_EQ(cookies[1],
            "access_token_cookie=signed.access.token; Path=/; Max-Age=1800; HttpOnly; "
            "SameSite=Lax");
}

TEST_F(PlatformRoutesTest, ALoginGetsASignedTokenInBodyAndCookie) {
  services_.log_in.Return(Issued());
  const Answer answer = Post("/platform/authorization", "", kLogin, {{"User-Agent", "curl/7"}});
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, R"({"access_token":"signed.access.token"})");
  ExpectPlatformCookies(answer);
  const auth::v1::LogInRequest request = services_.log_in.last();
  EXPECT_EQ(request.kind(), auth::v1::CREDENTIAL_KIND_PLATFORM);
  EXPECT_EQ(request.username(), "ada@example.com");
  EXPECT_EQ(request.password(), "a-secret-word");
  EXPECT_EQ(request.origin().client_address(), "127.0.0.1");
  EXPECT_EQ(request.origin().user_agent(), "curl/7");
  Post("/platform/authorization", "", R"({"username":"ada","password":"x"})");
  EXPECT_EQ(services_.log_in.last().username(), "ada");
}

TEST_F(PlatformRoutesTest, ABodyThatCannotBeReadIsAUTH004) {
  for (const char* body :
       {"{", "[]", "7", R"({"email":"a","email":"b"})", "{\"email\":\"\xff\"}"}) {
    for (const char* path : {"/platform/authorization", "/platform/authorization/refresh"}) {
      const Answer answer = Post(path, "", body);
      EXPECT_EQ(answer.status, 400) << body;
      EXPECT_EQ(Code(answer), "AUTH004") << body;
      EXPECT_THAT(answer.body, HasSubstr(R"("error_code":"AUTH004")"));
      EXPECT_THAT(answer.body, HasSubstr(R"("error_message":"Invalid JSON payload")"));
    }
  }
  EXPECT_EQ(Post("/platform/authorization", "", "a=b", {{"Content-Type", "text/plain"}}).status,
            415);
}

TEST_F(PlatformRoutesTest, ALoginNeedsANameAndAPassword) {
  for (const char* body : {"{}", "", R"({"email":"a"})", R"({"password":"b"})",
                           R"({"email":"","password":"b"})", R"({"email":"a","password":""})",
                           R"({"email":"a","password":7})", R"({"email":null,"password":"b"})"}) {
    const Answer answer = Post("/platform/authorization", "", body);
    EXPECT_EQ(answer.status, 400) << body;
    EXPECT_EQ(Code(answer), "AUTH001") << body;
    EXPECT_THAT(answer.body, HasSubstr(R"("error_message":"Missing email or password")"));
  }
  for (const char* body : {R"({"email":"a","password":"b","extra":1})",
                           R"({"email":"a","username":"a","password":"b"})"}) {
    EXPECT_EQ(Code(Post("/platform/authorization", "", body)), "VALIDATION_FAILED") << body;
  }
  EXPECT_EQ(services_.log_in.calls(), 0u);
}

TEST_F(PlatformRoutesTest, AWrongPasswordIsAUTH003) {
  services_.log_in.Fail(Refused(absl::StatusCode::kUnauthenticated, "CREDENTIALS_INVALID"));
  const Answer answer = Post("/platform/authorization", "", kLogin);
  EXPECT_EQ(answer.status, 401);
  EXPECT_EQ(Code(answer), "AUTH003");
  EXPECT_THAT(answer.body, HasSubstr(R"("error_code":"AUTH003")"));
  EXPECT_THAT(answer.body, HasSubstr(R"("error_message":"Unable to validate credentials")"));
  EXPECT_EQ(answer.All("WWW-Authenticate").size(), 2u);
  EXPECT_TRUE(answer.All("Set-Cookie").empty());
  services_.log_in.Fail(Refused(absl::StatusCode::kResourceExhausted, "LOGIN_DELAYED"));
  EXPECT_EQ(Post("/platform/authorization", "", kLogin).status, 429);
  services_.log_in.Fail(absl::UnavailableError("down"));
  EXPECT_EQ(Post("/platform/authorization", "", kLogin).status, 503);
}

TEST_F(PlatformRoutesTest, TheStatusOfATokenIsItsValidity) {
  const Answer valid = Get("/platform/authorization/status", user_);
  EXPECT_EQ(valid.status, 200);
  EXPECT_EQ(valid.body, R"({"message":"Token is valid"})");
  for (const std::string& token : {std::string(), std::string("ght_nonsense")}) {
    const Answer answer = Get("/platform/authorization/status", token);
    EXPECT_EQ(answer.status, 401);
    EXPECT_EQ(Code(answer), "AUTH005");
    EXPECT_THAT(answer.body, HasSubstr(R"("error_code":"AUTH005")"));
  }
}

TEST_F(PlatformRoutesTest, ARefreshTokenNeedsNoOtherCredential) {
  services_.refresh.Return(Issued());
  const Answer answer =
      Post("/platform/authorization/refresh", "", R"({"refresh_token":"ghr_old"})");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, R"({"access_token":"signed.access.token","refresh_token":"ghr_next"})");
  ExpectPlatformCookies(answer);
  EXPECT_EQ(services_.refresh.last().refresh_token(), "ghr_old");
  EXPECT_EQ(services_.refresh.last().origin().client_address(), "127.0.0.1");
  EXPECT_EQ(
      Post("/platform/authorization/refresh", "ght_dead", R"({"refresh_token":"ghr_old"})").status,
      200)
      << "the access token that comes along may have ended";
  EXPECT_EQ(services_.extend_session.calls(), 0u);
}

TEST_F(PlatformRoutesTest, ABadRefreshTokenIsAUTH003) {
  for (const char* reason : {"REFRESH_TOKEN_INVALID", "REFRESH_TOKEN_REUSED"}) {
    services_.refresh.Fail(Refused(absl::StatusCode::kUnauthenticated, reason));
    const Answer answer =
        Post("/platform/authorization/refresh", "", R"({"refresh_token":"ghr_old"})");
    EXPECT_EQ(answer.status, 401) << reason;
    EXPECT_EQ(Code(answer), "AUTH003");
    EXPECT_TRUE(answer.All("Set-Cookie").empty());
  }
  EXPECT_EQ(Post("/platform/authorization/refresh", "", R"({"refresh_token":7})").status, 400);
}

TEST_F(PlatformRoutesTest, ASignedTokenExtendsItsSession) {
  services_.extend_session.Return(Issued());
  const std::string presented = services_.AddSignedToken("user", {});
  const Answer by_header = Post("/platform/authorization/refresh", presented, "");
  EXPECT_EQ(by_header.status, 200);
  EXPECT_EQ(by_header.body, R"({"access_token":"signed.access.token","refresh_token":"ghr_next"})");
  const Answer by_cookie = Post("/platform/authorization/refresh", "", "",
                                {{"Cookie", "access_token_cookie=" + presented}});
  EXPECT_EQ(by_cookie.status, 200);
  ExpectPlatformCookies(by_cookie);
  EXPECT_EQ(services_.extend_session.last().credential_id(), services_.TokenId(presented));
  EXPECT_EQ(services_.extend_session.last().origin().client_address(), "127.0.0.1");
  services_.extend_session.Fail(Refused(absl::StatusCode::kNotFound, "SESSION_NOT_FOUND"));
  EXPECT_EQ(Code(Post("/platform/authorization/refresh", presented, "")), "AUTH003");
}

TEST_F(PlatformRoutesTest, NothingElseCanBeRefreshed) {
  for (const std::string& token : {user_, std::string("ght_nonsense"), std::string()}) {
    const Answer answer = Post("/platform/authorization/refresh", token, "");
    EXPECT_EQ(answer.status, 401);
    EXPECT_EQ(Code(answer), "AUTH003");
  }
  EXPECT_EQ(services_.extend_session.calls(), 0u);
}

TEST_F(PlatformRoutesTest, ARefreshDoesNotBlameTheTokenWhenAuthIsDown) {
  services_.look_up.Fail(absl::UnavailableError("down"));
  const Answer answer =
      Post("/platform/authorization/refresh", services_.AddSignedToken("user", {}), "");
  EXPECT_EQ(answer.status, 503);
}

TEST_F(PlatformRoutesTest, InvalidateEndsThePresentedLogin) {
  ASSERT_EQ(Get("/platform/authorization/status", user_).status, 200);
  const Answer answer = Post("/platform/authorization/invalidate", user_, "");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, R"({"message":"Your token has been invalidated"})");
  const auto cookies = answer.All("Set-Cookie");
  ASSERT_EQ(cookies.size(), 2u);
  EXPECT_THAT(cookies[1], HasSubstr("access_token_cookie=; Path=/; Max-Age=0"));
  EXPECT_EQ(services_.log_out.last().credential_id(), services_.TokenId(user_));
  EXPECT_EQ(Get("/platform/authorization/status", user_).status, 401);
  EXPECT_EQ(Code(Post("/platform/authorization/invalidate", "", "")), "AUTH003");
}

TEST_F(PlatformRoutesTest, AllTokensOfAUserAreRevokedAfterThatWasAudited) {
  services_.revoke_credentials.Do([&](const auth::v1::RevokeCredentialsRequest&) {
    EXPECT_EQ(services_.append_audit.calls(), 1u) << "audited first";
    return auth::v1::RevokeCredentialsResponse();
  });
  const Answer answer = Admin("revoke", "ADA");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, R"({"message":"All tokens revoked for ada"})");
  EXPECT_EQ(services_.get_user.last().username(), "ADA");
  EXPECT_EQ(services_.get_user.last().id(), "");
  EXPECT_EQ(services_.revoke_credentials.last().user(), kAdaId);
  const auth::v1::AuditEvent event = LastEvent();
  EXPECT_EQ(event.type(), "admin_action");
  EXPECT_EQ(event.target(), std::string("user/") + kAdaId);
  EXPECT_EQ(event.details_json(), R"({"action":"credentials_revoked","username":"ada"})");
  EXPECT_EQ(event.actor_user_id(), services_.UserId(auth_admin_));
  EXPECT_TRUE(event.success());
}

TEST_F(PlatformRoutesTest, WhatWasRevokedIsAskedAboutAtOnce) {
  ASSERT_EQ(Get("/platform/authorization/status", user_).status, 200);
  auth::v1::User user = SampleUser();
  user.set_id(services_.UserId(user_));
  services_.get_user.Return(user);
  services_.revoke_credentials.Do([&](const auth::v1::RevokeCredentialsRequest&) {
    services_.RemoveToken(user_);
    auth::v1::RevokeCredentialsResponse revoked;
    revoked.set_epoch(services_.control.sequence() + 1);
    return revoked;
  });
  ASSERT_EQ(Admin("revoke").status, 200);
  EXPECT_EQ(Get("/platform/authorization/status", user_).status, 401)
      << "before the control stream has said a word";
}

TEST_F(PlatformRoutesTest, TheMarkOfARevocationIsClearedAfterThatWasAudited) {
  services_.clear_revocation.Do([&](const auth::v1::ClearRevocationRequest&) {
    EXPECT_EQ(services_.append_audit.calls(), 1u) << "audited first";
    return SampleUser();
  });
  const Answer answer = Admin("unrevoke");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, R"({"message":"Token revocation cleared for ada"})");
  EXPECT_EQ(services_.clear_revocation.last().user(), kAdaId);
  EXPECT_THAT(LastEvent().details_json(), HasSubstr(R"("action":"revocation_cleared")"));
}

TEST_F(PlatformRoutesTest, TheStatusOfAUserSaysActiveAndRevoked) {
  EXPECT_EQ(Admin("status").body, R"({"active":true,"revoked":false})");
  auth::v1::User user = SampleUser();
  user.set_is_active(false);
  user.set_is_revoked(true);
  services_.get_user.Return(user);
  const Answer answer = Admin("status");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, R"({"active":false,"revoked":true})");
  EXPECT_EQ(services_.append_audit.calls(), 0u) << "a look is no act";
}

TEST_F(PlatformRoutesTest, AUserIsDisabledAndEnabledAgain) {
  services_.update_user.Do([&](const auth::v1::UpdateUserRequest&) {
    EXPECT_EQ(services_.append_audit.calls(), services_.update_user.calls()) << "audited first";
    return SampleUser();
  });
  const Answer disabled = Admin("disable");
  EXPECT_EQ(disabled.status, 200);
  EXPECT_EQ(disabled.body, R"({"message":"User ada disabled and tokens revoked"})");
  EXPECT_EQ(services_.update_user.last().id(), kAdaId);
  EXPECT_TRUE(services_.update_user.last().has_is_active());
  EXPECT_FALSE(services_.update_user.last().is_active());
  EXPECT_EQ(LastEvent().type(), "admin_action");
  EXPECT_THAT(LastEvent().details_json(), HasSubstr(R"("is_active":false)"));
  auth::v1::User blocked = SampleUser();
  blocked.set_is_active(false);
  services_.get_user.Return(blocked);
  const Answer enabled = Admin("enable");
  EXPECT_EQ(enabled.status, 200);
  EXPECT_EQ(enabled.body, R"({"message":"User ada enabled"})");
  EXPECT_TRUE(services_.update_user.last().is_active());
  EXPECT_THAT(LastEvent().details_json(), HasSubstr(R"("is_active":true)"));
}

TEST_F(PlatformRoutesTest, TheLastAdministratorStays) {
  services_.update_user.Fail(Refused(absl::StatusCode::kFailedPrecondition, "LAST_ADMIN"));
  for (const Answer& answer :
       {Admin("disable"), Send("DELETE", "/platform/user/ada", auth_admin_)}) {
    EXPECT_EQ(answer.status, 409);
    EXPECT_EQ(Code(answer), "LAST_ADMIN");
  }
  EXPECT_TRUE(Eventually([&] { return services_.append_audit.calls() == 4; }));
  EXPECT_FALSE(LastEvent().success()) << "a failure is audited, too";
  EXPECT_EQ(LastEvent().reason(), "LAST_ADMIN");
}

TEST_F(PlatformRoutesTest, AnUnknownUserIs404AndNotAudited) {
  services_.get_user.Fail(Refused(absl::StatusCode::kNotFound, "USER_NOT_FOUND"));
  for (const char* action : {"revoke", "unrevoke", "status", "disable", "enable"}) {
    const Answer answer = Admin(action, "nobody");
    EXPECT_EQ(answer.status, 404) << action;
    EXPECT_EQ(Code(answer), "USER_NOT_FOUND");
    EXPECT_THAT(answer.body, HasSubstr(R"("error_message":"User not found")"));
  }
  EXPECT_EQ(services_.append_audit.calls(), 0u);
}

TEST_F(PlatformRoutesTest, AdministrationNeedsManageAuth) {
  for (const char* path : {"revoke/ada", "unrevoke/ada", "disable/ada", "enable/ada"}) {
    const std::string whole = std::string("/platform/authorization/admin/") + path;
    const Answer refused = Post(whole, admin_, "");
    EXPECT_EQ(refused.status, 403) << path;
    EXPECT_EQ(Code(refused), "AUTH900");
    const Answer anonymous = Post(whole, "", "");
    EXPECT_EQ(anonymous.status, 401);
    EXPECT_EQ(Code(anonymous), "AUTH003");
  }
  EXPECT_EQ(Code(Get("/platform/authorization/admin/status/ada", user_)), "AUTH900");
  EXPECT_EQ(services_.get_user.calls(), 0u);
}

TEST_F(PlatformRoutesTest, WithoutAnAuditNothingIsDone) {
  services_.append_audit.Fail(absl::InternalError("disk full"));
  const std::string user = "/platform/user/ada";
  for (const Answer& answer :
       {Admin("revoke"), Admin("unrevoke"), Admin("disable"), Send("DELETE", user, auth_admin_),
        Send("PUT", user, auth_admin_, R"({"role":"moderator"})"),
        Post("/platform/user", auth_admin_, kNewUser)}) {
    EXPECT_EQ(answer.status, 503);
    EXPECT_EQ(Code(answer), "AUDIT_UNAVAILABLE");
  }
  EXPECT_EQ(services_.revoke_credentials.calls(), 0u);
  EXPECT_EQ(services_.clear_revocation.calls(), 0u);
  EXPECT_EQ(services_.update_user.calls(), 0u);
  EXPECT_EQ(services_.create_user.calls(), 0u);
}

TEST_F(PlatformRoutesTest, AUserIsCreatedAfterThatWasAudited) {
  services_.create_user.Do([&](const auth::v1::CreateUserRequest&) {
    EXPECT_EQ(services_.append_audit.calls(), 1u) << "audited first";
    return SampleUser();
  });
  const Answer answer = Post("/platform/user", auth_admin_, kNewUser);
  EXPECT_EQ(answer.status, 201);
  EXPECT_EQ(answer.body, R"({"message":"User created successfully"})");
  EXPECT_EQ(services_.create_user.last().username(), "bob");
  EXPECT_EQ(services_.create_user.last().email(), "bob@example.com");
  EXPECT_EQ(services_.create_user.last().password(), "a-secret-word");
  EXPECT_EQ(services_.create_user.last().role(), "");
  EXPECT_EQ(LastEvent().details_json(),
            R"({"action":"user_created","username":"bob","email":"bob@example.com",)"
            R"("role":"user"})");
  EXPECT_EQ(Code(Post("/platform/user", user_, kNewUser)), "USR006");
  EXPECT_EQ(Code(Post("/platform/user", auth_admin_, R"({"username":"bob","groups":[]})")),
            "VALIDATION_FAILED");
}

TEST_F(PlatformRoutesTest, WhatCannotBeCreatedHasTheDocumentsCodes) {
  services_.create_user.Fail(Refused(absl::StatusCode::kAlreadyExists, "USERNAME_TAKEN"));
  const Answer username = Post("/platform/user", auth_admin_, kNewUser);
  EXPECT_EQ(username.status, 409);
  EXPECT_EQ(Code(username), "USR001");
  services_.create_user.Fail(Refused(absl::StatusCode::kAlreadyExists, "EMAIL_TAKEN"));
  EXPECT_EQ(Code(Post("/platform/user", auth_admin_, kNewUser)), "USR001");
  services_.create_user.Fail(
      WithFieldViolation(Refused(absl::StatusCode::kInvalidArgument, "PASSWORD_TOO_WEAK"),
                         "password", "is too common"));
  const Answer weak = Post("/platform/user", auth_admin_, kNewUser);
  EXPECT_EQ(weak.status, 400);
  EXPECT_EQ(Code(weak), "USR005");
  EXPECT_THAT(weak.body, HasSubstr(R"({"field":"password","message":"is too common"})"));
  services_.create_user.Fail(Refused(absl::StatusCode::kInvalidArgument, "ROLE_UNKNOWN"));
  EXPECT_EQ(Code(Post("/platform/user", auth_admin_, kNewUser)), "ROLE_UNKNOWN");
}

TEST_F(PlatformRoutesTest, MeIsTheUserOfThisSurface) {
  const Answer answer = Get("/platform/user/me", user_);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body,
            std::string(R"({"id":")") + kAdaId +
                R"(","username":"ada","email":"ada@example.com","first_name":"","last_name":"",)"
                R"("role":"user","active":true,"revoked":false,"client_id":"ada-co",)"
                R"("rate_limit_per_second":10,"rate_limit_burst":20,"permissions":["view_logs"],)"
                R"("created_at":"2027-01-15T08:00:00.000000Z","updated_at":null})");
  EXPECT_EQ(services_.get_user.last().id(), services_.UserId(user_));
  EXPECT_EQ(Get("/platform/user/me", "").status, 401);
}

TEST_F(PlatformRoutesTest, UsersChangeTheirOwnNamesButNotTheirRights) {
  services_.EditToken(user_, [](auto& answer) { answer.mutable_principal()->set_user_id(kAdaId); });
  const Answer answer = Send("PUT", "/platform/user/ADA", user_,
                             R"({"email":"new@example.com","first_name":"Ada","last_name":"L"})");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, R"({"message":"User updated successfully"})");
  const auth::v1::UpdateUserRequest change = services_.update_user.last();
  EXPECT_EQ(change.id(), kAdaId);
  EXPECT_EQ(change.email(), "new@example.com");
  EXPECT_EQ(change.first_name(), "Ada");
  EXPECT_EQ(change.last_name(), "L");
  EXPECT_FALSE(change.has_role());
  EXPECT_EQ(LastEvent().type(), "user_action");
  const std::string keeper = services_.AddToken("moderator", {"manage_users"});
  for (const char* body : {R"({"role":"admin"})", R"({"active":true})", R"({"is_active":false})",
                           R"({"rate_limit_per_second":9999})", R"({"rate_limit_burst":null})"}) {
    for (const std::string& token : {user_, keeper}) {
      const Answer refused = Send("PUT", "/platform/user/ada", token, body);
      EXPECT_EQ(refused.status, 403) << body;
      EXPECT_EQ(Code(refused), "USR006");
    }
  }
  EXPECT_EQ(services_.update_user.calls(), 1u);
}

TEST_F(PlatformRoutesTest, ANameThatIsNowAnothersOpensNothing) {
  ASSERT_NE(services_.UserId(user_), kAdaId);
  const Answer answer = Send("PUT", "/platform/user/ada", user_, R"({"email":"new@example.com"})");
  EXPECT_EQ(answer.status, 403);
  EXPECT_EQ(Code(answer), "USR006");
  EXPECT_EQ(services_.get_user.calls(), 1u);
  EXPECT_EQ(services_.update_user.calls(), 0u);
}

TEST_F(PlatformRoutesTest, OthersAreChangedByWhoMayManageUsers) {
  auth::v1::User bob = SampleUser();
  bob.set_username("bob");
  services_.get_user.Return(bob);
  const Answer refused = Send("PUT", "/platform/user/bob", user_, R"({"first_name":"B"})");
  EXPECT_EQ(refused.status, 403);
  EXPECT_EQ(services_.get_user.calls(), 0u) << "who may not ask does not learn who exists";
  const Answer answer =
      Send("PUT", "/platform/user/bob", admin_,
           R"({"role":"moderator","active":false,"rate_limit_per_second":5,"email":"b@c.de"})");
  EXPECT_EQ(answer.status, 200);
  const auth::v1::UpdateUserRequest change = services_.update_user.last();
  EXPECT_EQ(change.role(), "moderator");
  EXPECT_FALSE(change.is_active());
  EXPECT_EQ(change.rate_limit_per_second(), 5);
  services_.update_user.Fail(Refused(absl::StatusCode::kAlreadyExists, "EMAIL_TAKEN"));
  EXPECT_EQ(Code(Send("PUT", "/platform/user/bob", admin_, R"({"email":"x@y.z"})")), "USR001");
  services_.update_user.Fail(Refused(absl::StatusCode::kPermissionDenied, "ADMIN_REQUIRED"));
  EXPECT_EQ(Send("PUT", "/platform/user/bob", admin_, R"({"role":"admin"})").status, 403);
  EXPECT_EQ(Send("PUT", "/platform/user/bob", admin_, R"({"active":true,"is_active":true})").status,
            400);
  EXPECT_EQ(Send("PUT", "/platform/user/bob", admin_, R"({"password":"x"})").status, 400);
}

TEST_F(PlatformRoutesTest, ADeletedUserIsBlocked) {
  const Answer answer = Send("DELETE", "/platform/user/ada", auth_admin_);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, R"({"message":"User deleted successfully"})");
  EXPECT_TRUE(services_.update_user.last().has_is_active());
  EXPECT_FALSE(services_.update_user.last().is_active());
  EXPECT_EQ(Send("DELETE", "/platform/user/ada", user_).status, 403);
  services_.get_user.Fail(Refused(absl::StatusCode::kNotFound, "USER_NOT_FOUND"));
  EXPECT_EQ(Send("DELETE", "/platform/user/nobody", auth_admin_).status, 404);
}

TEST_F(PlatformRoutesTest, SecretsAreNeitherLoggedNorAudited) {
  SetHot([](HotConfig& hot) { hot.access_log = true; });
  ::testing::internal::CaptureStderr();
  services_.log_in.Return(Issued());
  Post("/platform/authorization", "", kLogin);
  Post("/platform/authorization/refresh", "", R"({"refresh_token":"ghr_old"})");
  Post("/platform/user", auth_admin_, kNewUser);
  gateway_.Drain(std::chrono::seconds(5));  // Lines are written when a batch ends.
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(log, HasSubstr("/platform/user")) << "the log was captured";
  for (const std::string& secret :
       std::vector<std::string>{"a-secret-word", "signed.access.token", "ghr_old", auth_admin_}) {
    EXPECT_THAT(log, Not(HasSubstr(secret)));
  }
  EXPECT_THAT(LastEvent().details_json(), Not(HasSubstr("a-secret-word")));
}

}  // namespace
}  // namespace gatehouse::gateway
