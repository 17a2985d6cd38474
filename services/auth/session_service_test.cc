#include "services/auth/session_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/base/uuid.h"
#include "services/auth/session_fixture.h"

namespace gatehouse::auth {
namespace {

using testing::As;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::kPassword;
using ::testing::SizeIs;

class SessionServiceTest : public testing::SessionFixture {
 protected:
  absl::StatusOr<v1::IssuedCredential> SignUp(const std::string& username,
                                              const std::string& password = kPassword) {
    v1::SignUpRequest request;
    request.set_username(username);
    request.set_email(username + "@example.com");
    request.set_password(password);
    request.set_passkey("p1");
    return server_.gateway().Call(Api::kSignUp, request);
  }

  absl::StatusOr<v1::IssuedCredential> Register(const std::string& username,
                                                const std::string& password = kPassword) {
    v1::RegisterRequest request;
    request.set_username(username);
    request.set_email(username + "@example.com");
    request.set_password(password);
    return server_.gateway().Call(Api::kRegister, request);
  }

  absl::StatusOr<v1::ListSessionsResponse> List(const std::string& user_id) {
    v1::ListSessionsRequest request;
    request.set_user_id(user_id);
    return server_.gateway().Call(Api::kListSessions, request);
  }

  absl::Status End(const std::string& user_id, const std::string& id) {
    v1::EndSessionRequest request;
    request.set_user_id(user_id);
    request.set_id(id);
    return server_.gateway().Call(Api::kEndSession, request, As(user_id, "ada")).status();
  }

  absl::StatusOr<v1::IssuedCredential> Extend(const std::string& user_id,
                                              const std::string& credential_id) {
    v1::ExtendSessionRequest request;
    request.set_credential_id(credential_id);
    return server_.gateway().Call(Api::kExtendSession, request, As(user_id));
  }

  absl::StatusOr<v1::ChangePasswordResponse> Change(const std::string& user_id,
                                                    const std::string& credential_id,
                                                    const std::string& new_password) {
    v1::ChangePasswordRequest request;
    request.set_user_id(user_id);
    request.set_credential_id(credential_id);
    request.set_old_password(kPassword);
    request.set_new_password(new_password);
    return server_.gateway().Call(Api::kChangePassword, request, As(user_id));
  }
};

TEST_F(SessionServiceTest, LogsInToEveryKindOfSession) {
  const std::string id = database_.AddUser("ada");
  for (const auto kind :
       {v1::CREDENTIAL_KIND_TOKEN, v1::CREDENTIAL_KIND_SESSION, v1::CREDENTIAL_KIND_LOGIN,
        v1::CREDENTIAL_KIND_ACCESS, v1::CREDENTIAL_KIND_PLATFORM}) {
    const auto issued = LogIn("ada", kind);
    ASSERT_TRUE(issued.ok()) << issued.status();
    EXPECT_EQ(issued->user().id(), id);
    EXPECT_EQ(issued->user().rate_limit_burst(), 20) << "the role's is in force";
    EXPECT_EQ(issued->has_expire_time(), kind != v1::CREDENTIAL_KIND_TOKEN);
    EXPECT_EQ(issued->refresh_token().empty(),
              kind != v1::CREDENTIAL_KIND_ACCESS && kind != v1::CREDENTIAL_KIND_PLATFORM);
    EXPECT_EQ(issued->scopes().empty(), kind != v1::CREDENTIAL_KIND_LOGIN);
    const auto found = server_.Lookup(issued->token());
    ASSERT_TRUE(found.ok()) << found.status();
    EXPECT_EQ(found->kind(), kind);
    EXPECT_EQ(found->token_id(), issued->credential_id());
    EXPECT_EQ(found->principal().user_id(), id);
    EXPECT_FALSE(found->principal().is_narrowed());
  }
}

TEST_F(SessionServiceTest, NobodyLogsInToATokenOrKey) {
  database_.AddUser("ada");
  for (const auto kind :
       {v1::CREDENTIAL_KIND_UNSPECIFIED, v1::CREDENTIAL_KIND_API, v1::CREDENTIAL_KIND_KEY}) {
    EXPECT_EQ(Reason(LogIn("ada", kind).status()), "KIND_INVALID");
  }
  EXPECT_EQ(database_.Count("auth.credentials"), 0);
}

TEST_F(SessionServiceTest, OnlyPersistentSessionsAreSaidToBeExtended) {
  const std::string id = database_.AddUser("ada");
  for (const bool is_persistent : {false, true}) {
    v1::LogInRequest request = LogInAs("ada");
    request.set_kind(v1::CREDENTIAL_KIND_SESSION);
    request.set_is_persistent(is_persistent);
    const auto issued = LogIn(request);
    ASSERT_TRUE(issued.ok()) << issued.status();
    EXPECT_EQ(server_.Lookup(issued->token())->was_extended(), is_persistent);
    EXPECT_FALSE(server_.Lookup(issued->token())->was_extended()) << "at most once a minute";
  }
}

TEST_F(SessionServiceTest, SignUpLogsTheNewcomerInAgainAndAgain) {
  server_.redeemer().Invite("p1");
  const auto first = SignUp("ada");
  ASSERT_TRUE(first.ok()) << first.status();
  const auto found = server_.Lookup(first->token());
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->principal().user_id(), first->user().id());
  EXPECT_EQ(found->kind(), v1::CREDENTIAL_KIND_SESSION);
  const auto again = SignUp("ada");
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->user().id(), first->user().id());
  EXPECT_EQ(server_.Live({first->token(), again->token()}), 2);
  EXPECT_EQ(Audited("login_success", "reason = 'signup'"), 2);
  EXPECT_TRUE(LogIn("ada", v1::CREDENTIAL_KIND_TOKEN).ok());
}

TEST_F(SessionServiceTest, EveryRefusedSignupIsAuditedOnce) {
  server_.redeemer().Invite("p1", 9);
  database_.AddUser("bob");
  EXPECT_EQ(Reason(SignUp("ada", "password1").status()), "PASSWORD_TOO_WEAK");
  EXPECT_EQ(Reason(SignUp("a").status()), "USERNAME_INVALID");
  EXPECT_EQ(Reason(SignUp("bob").status()), "USERNAME_TAKEN");
  server_.redeemer().FailChecks(
      {Error(absl::StatusCode::kFailedPrecondition, "INVITATION_EXPIRED", "expired")});
  EXPECT_EQ(Reason(SignUp("ada").status()), "INVITATION_EXPIRED");
  for (const char* reason :
       {"PASSWORD_TOO_WEAK", "USERNAME_INVALID", "USERNAME_TAKEN", "INVITATION_EXPIRED"}) {
    EXPECT_EQ(Audited("signup_failure", "reason = '" + std::string(reason) + "'"), 1) << reason;
  }
}

TEST_F(SessionServiceTest, RegisteringGivesAnAccessToken) {
  const auto issued = Register("ada");
  ASSERT_TRUE(issued.ok()) << issued.status();
  EXPECT_NE(issued->refresh_token(), "");
  const auto found = server_.Lookup(issued->token());
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->kind(), v1::CREDENTIAL_KIND_ACCESS);
  EXPECT_EQ(found->principal().username(), "ada");
  EXPECT_EQ(Reason(Register("bob", "password1").status()), "PASSWORD_TOO_WEAK");
  EXPECT_EQ(Audited("signup_failure", "actor_username = 'bob'"), 1);
}

TEST_F(SessionServiceTest, LoggingOutEndsThePresentedCredentialOnly) {
  const std::string ada = database_.AddUser("ada");
  const IssuedCredential ended = server_.Issue(ada, CredentialKind::kAccess);
  const IssuedCredential other = server_.Issue(ada);
  EXPECT_TRUE(LogOut(ada, ended.credential_id).ok());
  EXPECT_EQ(server_.Live({ended.token}), 0);
  EXPECT_EQ(server_.Live({other.token}), 1);
  EXPECT_EQ(Reason(Refresh(ended.refresh_token).status()), "REFRESH_TOKEN_INVALID");
  EXPECT_TRUE(LogOut(ada, ended.credential_id).ok()) << "again succeeds";
  EXPECT_EQ(Audited("logout"), 1);
  EXPECT_EQ(Audited("logout", "actor_user_id = '" + ada + "' AND success AND target = 'user/" +
                                  ada + "' AND client_address = '192.0.2.9'"),
            1);
  EXPECT_EQ(database_.Count("auth.control_log WHERE kind = 'revocation'"), 1);
}

TEST_F(SessionServiceTest, NobodyLogsOutAnother) {
  const IssuedCredential bobs = server_.Issue(database_.AddUser("bob"));
  EXPECT_TRUE(LogOut(database_.AddUser("ada"), bobs.credential_id).ok());
  EXPECT_EQ(Reason(LogOut("", bobs.credential_id)), "PRINCIPAL_MISSING");
  EXPECT_EQ(server_.Live({bobs.token}), 1);
  EXPECT_EQ(Audited("logout"), 0);
}

TEST_F(SessionServiceTest, ListsAndEndsSessions) {
  const std::string ada = database_.AddUser("ada");
  const auto first = LogIn("ada", v1::CREDENTIAL_KIND_SESSION);
  const auto second = LogIn("ada", v1::CREDENTIAL_KIND_PLATFORM);
  ASSERT_TRUE(first.ok() && second.ok());
  auto listed = List(ada);
  ASSERT_TRUE(listed.ok()) << listed.status();
  ASSERT_THAT(listed->sessions(), SizeIs(2));
  EXPECT_EQ(listed->sessions(0).id(), second->credential_id());
  EXPECT_EQ(listed->sessions(0).kind(), v1::CREDENTIAL_KIND_PLATFORM);
  EXPECT_EQ(listed->sessions(0).client_address(), "192.0.2.1");
  EXPECT_EQ(listed->sessions(0).user_agent(), "test agent");
  EXPECT_TRUE(listed->sessions(0).has_expire_time());
  EXPECT_FALSE(listed->sessions(0).has_last_used_time());

  EXPECT_TRUE(End(ada, first->credential_id()).ok());
  EXPECT_TRUE(End(ada, first->credential_id()).ok()) << "again succeeds";
  EXPECT_EQ(server_.Live({first->token()}), 0);
  listed = List(ada);
  ASSERT_THAT(listed->sessions(), SizeIs(1));
  EXPECT_EQ(listed->sessions(0).id(), second->credential_id());
  EXPECT_EQ(Audited("session_ended"), 1);
}

TEST_F(SessionServiceTest, EndsNoSessionOfAnotherAndNoToken) {
  const std::string ada = database_.AddUser("ada");
  const std::string bob = database_.AddUser("bob");
  const IssuedCredential bobs = server_.Issue(bob);
  for (const std::string& id : {bobs.credential_id, UuidV7(), std::string("no UUID")}) {
    EXPECT_EQ(Reason(End(ada, id)), "SESSION_NOT_FOUND") << id;
  }
  EXPECT_EQ(Reason(End("", bobs.credential_id)), "SESSION_NOT_FOUND");
  database_.Execute("UPDATE auth.credentials SET kind = 'api'");
  EXPECT_EQ(Reason(End(bob, bobs.credential_id)), "SESSION_NOT_FOUND");
  EXPECT_EQ(server_.Live({bobs.token}), 1);
  EXPECT_THAT(List(bob)->sessions(), IsEmpty());
}

TEST_F(SessionServiceTest, ExtendingASessionUsesItsRefreshTokenUp) {
  const std::string ada = database_.AddUser("ada");
  const IssuedCredential issued = server_.Issue(ada, CredentialKind::kPlatform);
  const auto extended = Extend(ada, issued.credential_id);
  ASSERT_TRUE(extended.ok()) << extended.status();
  EXPECT_EQ(extended->credential_id(), issued.credential_id);
  EXPECT_EQ(server_.Live({extended->token()}), 1);
  EXPECT_NE(extended->refresh_token(), issued.refresh_token);
  const auto refreshed = Refresh(issued.refresh_token);
  ASSERT_TRUE(refreshed.ok()) << "it was in flight: " << refreshed.status();
  EXPECT_EQ(refreshed->refresh_token(), extended->refresh_token());
  EXPECT_TRUE(Refresh(extended->refresh_token()).ok());
}

TEST_F(SessionServiceTest, OnlyLiveSignedSessionsOfOnesOwnAreExtended) {
  const std::string ada = database_.AddUser("ada");
  const IssuedCredential issued = server_.Issue(ada, CredentialKind::kAccess);
  for (const auto& [user_id, id] :
       {std::pair{database_.AddUser("bob"), issued.credential_id}, std::pair{ada, UuidV7()},
        std::pair{ada, std::string("no UUID")}, std::pair{std::string(), issued.credential_id},
        std::pair{ada, server_.Issue(ada, CredentialKind::kSession).credential_id}}) {
    EXPECT_EQ(Reason(Extend(user_id, id).status()), "SESSION_NOT_FOUND");
  }
  ASSERT_TRUE(LogOut(ada, issued.credential_id).ok());
  EXPECT_EQ(Reason(Extend(ada, issued.credential_id).status()), "SESSION_NOT_FOUND");
}

TEST_F(SessionServiceTest, AChangedPasswordKeepsThePresentedSessionOnly) {
  const std::string ada = database_.AddUser("ada");
  const IssuedCredential presented = server_.Issue(ada, CredentialKind::kAccess);
  const IssuedCredential other = server_.Issue(ada);
  const auto changed = Change(ada, presented.credential_id, "heron-quince-47");
  ASSERT_TRUE(changed.ok()) << changed.status();
  EXPECT_EQ(server_.Live({changed->credential().token()}), 1);
  EXPECT_EQ(server_.Live({presented.token, other.token}), 0);
  EXPECT_TRUE(Refresh(presented.refresh_token).ok()) << "the session lives on";
  EXPECT_TRUE(LogIn(LogInAs("ada", "heron-quince-47")).ok());
  EXPECT_EQ(Reason(LogIn(LogInAs("ada")).status()), "CREDENTIALS_INVALID");
}

TEST_F(SessionServiceTest, APasswordIsResetByAMailedCode) {
  const std::string ada = database_.AddUser("ada");
  const IssuedCredential issued = server_.Issue(ada);
  v1::RequestPasswordResetRequest request;
  request.set_email("ada@example.com");
  ASSERT_TRUE(server_.gateway().Call(Api::kRequestPasswordReset, request).ok());
  EXPECT_EQ(server_.mailer().Await().to, "ada@example.com");
  request.set_email("no address");
  EXPECT_EQ(Reason(server_.gateway().Call(Api::kRequestPasswordReset, request).status()),
            "EMAIL_INVALID");
  v1::ConfirmPasswordResetRequest confirm;
  confirm.set_token("unknown");
  confirm.set_new_password("heron-quince-47");
  EXPECT_EQ(Reason(server_.gateway().Call(Api::kConfirmPasswordReset, confirm).status()),
            "RESET_TOKEN_INVALID");
  EXPECT_EQ(server_.Live({issued.token}), 1);
}

TEST_F(SessionServiceTest, OnlyTheGatewayMayCall) {
  for (const char* caller : {"jobs", "billing", "invitations"}) {
    rpc::Client& client = server_.client(caller);
    EXPECT_EQ(client.Call(Api::kLogIn, LogInAs("ada")).status().code(),
              absl::StatusCode::kPermissionDenied);
    EXPECT_EQ(client.Call(Api::kRefresh, v1::RefreshRequest()).status().code(),
              absl::StatusCode::kPermissionDenied);
    EXPECT_EQ(client.Call(Api::kListSessions, v1::ListSessionsRequest()).status().code(),
              absl::StatusCode::kPermissionDenied);
  }
}

}  // namespace
}  // namespace gatehouse::auth
