#include "services/auth/auth_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "gatehouse/auth/v1/auth.methods.h"
#include "libs/base/uuid.h"
#include "libs/token/api_token.h"
#include "services/auth/auth_testing.h"
#include "services/auth/commands.h"
#include "services/auth/token_store.h"

namespace gatehouse::auth {
namespace {

using ::testing::Contains;
using ::testing::IsEmpty;
using testing::kPassword;
using Api = v1::AuthService;

class AuthServiceTest : public ::testing::Test {
 protected:
  absl::StatusOr<v1::IssueTokenResponse> Issue(const std::string& username,
                                               const std::string& password = kPassword) {
    v1::IssueTokenRequest request;
    request.set_username(username);
    request.set_password(password);
    request.set_client_address("192.0.2.1");
    request.set_user_agent("test");
    return server_.gateway().Call(Api::kIssueToken, request);
  }

  std::string IssueOk(const std::string& username) {
    const auto response = Issue(username);
    EXPECT_TRUE(response.ok()) << response.status();
    return response.ok() ? response->token() : "";
  }

  absl::StatusOr<v1::LookupTokenResponse> Lookup(const std::string& token) {
    v1::LookupTokenRequest request;
    request.set_digest(token::TokenDigest(token));
    return server_.gateway().Call(Api::kLookupToken, request);
  }

  absl::Status Revoke(const std::string& token) {
    v1::RevokeTokenRequest request;
    request.set_digest(token::TokenDigest(token));
    return server_.gateway().Call(Api::kRevokeToken, request).status();
  }

  absl::StatusOr<v1::SignUpResponse> SignUp(const std::string& username,
                                            const std::string& password) {
    v1::SignUpRequest request;
    request.set_username(username);
    request.set_email(username + "@example.com");
    request.set_password(password);
    request.set_passkey("p1");
    return server_.gateway().Call(Api::kSignUp, request);
  }

  // What as many logins of the user give, one after the other, without the cost
  // of checking their passwords.
  std::vector<std::string> AddTokens(const std::string& user_id, int count) {
    std::vector<std::string> tokens;
    for (int i = 0; i < count; ++i) {
      tokens.push_back("ght_" + std::to_string(i));
      const absl::Status status = database_.db().InTransaction([&](pg::Tx& tx) -> absl::Status {
        InsertToken(tx, user_id, LockIssuer(tx, user_id)->epoch, token::TokenDigest(tokens.back()));
        return absl::OkStatus();
      });
      EXPECT_TRUE(status.ok()) << status;
    }
    return tokens;
  }

  int Live(const std::vector<std::string>& tokens) {
    int live = 0;
    for (const std::string& token : tokens) live += Lookup(token).ok() ? 1 : 0;
    return live;
  }

  testing::AuthDatabase database_;
  testing::AuthServer server_{database_};
};

TEST_F(AuthServiceTest, IssuesATokenThatStandsForItsUser) {
  const std::string id = database_.AddUser("ada");
  const auto issued = Issue("ada");
  ASSERT_TRUE(issued.ok()) << issued.status();
  EXPECT_EQ(issued->token().rfind("ght_", 0), 0u);
  EXPECT_TRUE(token::LooksLikeApiToken(issued->token()));
  EXPECT_EQ(issued->user().id(), id);
  EXPECT_EQ(issued->user().settings_json(), "{}");
  const auto found = Lookup(issued->token());
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->principal().user_id(), id);
  EXPECT_EQ(found->principal().username(), "ada");
  EXPECT_EQ(found->principal().client_id(), "ada");
  EXPECT_EQ(found->principal().tenant_id(), issued->user().tenant().id());
  EXPECT_EQ(found->principal().tier(), "free");
  EXPECT_EQ(found->principal().role(), "user");
  EXPECT_THAT(found->principal().permissions(), IsEmpty());
  EXPECT_EQ(found->rate_limit_per_second(), 10);
  EXPECT_EQ(found->rate_limit_burst(), 20);
  EXPECT_FALSE(found->has_expire_time());
  EXPECT_EQ(database_.Count("auth.tokens k WHERE k::text LIKE '%" + issued->token() + "%'"), 0)
      << "the raw token is at rest";
}

TEST_F(AuthServiceTest, LogsInByNameOrEmailInAnyCase) {
  database_.AddUser("ada");
  for (const char* name : {"ada", "ADA", "ada@example.com", "Ada@EXAMPLE.com"}) {
    EXPECT_TRUE(Issue(name).ok()) << name;
  }
}

TEST_F(AuthServiceTest, PermissionsAndRatesFollowTheRowsAtOnce) {
  database_.AddUser("ada", "admin");
  const std::string token = IssueOk("ada");
  auto found = Lookup(token);
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_THAT(found->principal().permissions(), Contains("manage_gateway"));
  EXPECT_THAT(found->principal().permissions(), Contains("manage_jobs"));
  EXPECT_EQ(found->rate_limit_per_second(), 100);
  EXPECT_EQ(found->rate_limit_burst(), 200);
  database_.Execute("UPDATE auth.users SET role = 'moderator', rate_limit_per_second = 3");
  found = Lookup(token);
  EXPECT_EQ(found->principal().role(), "moderator");
  EXPECT_THAT(found->principal().permissions(), IsEmpty());
  EXPECT_EQ(found->rate_limit_per_second(), 3);
  EXPECT_EQ(found->rate_limit_burst(), 20);
}

TEST_F(AuthServiceTest, EveryFailureIsOneAnswerAndTheSameWork) {
  database_.AddUser("ada");
  database_.AddUser("bob");
  database_.Execute("UPDATE auth.users SET is_active = false WHERE username = 'bob'");
  struct Case {
    std::string username, password, cause;
  };
  const std::vector<Case> cases = {{"ada", "wrong-password", "wrong_password"},
                                   {"nobody", kPassword, "unknown_user"},
                                   {"bob", kPassword, "disabled"},
                                   {"", "", "unknown_user"},
                                   {std::string("ada\0x", 5), kPassword, "unknown_user"},
                                   {std::string(5000, 'a'), kPassword, "unknown_user"},
                                   {"ada", std::string(2000, 'p'), "wrong_password"}};
  std::string message;
  for (const Case& one : cases) {
    const std::int64_t before = testing::TheHasher().hash_count();
    const auto response = Issue(one.username, one.password);
    EXPECT_EQ(testing::TheHasher().hash_count() - before, 1) << one.cause;
    EXPECT_EQ(response.status().code(), absl::StatusCode::kUnauthenticated) << one.cause;
    EXPECT_EQ(Reason(response.status()), "CREDENTIALS_INVALID");
    if (message.empty()) message = std::string(response.status().message());
    EXPECT_EQ(std::string(response.status().message()), message);
    EXPECT_EQ(database_.Select("SELECT reason FROM auth.audit_events WHERE type = 'login_failure'"
                               " ORDER BY position DESC LIMIT 1"),
              one.cause);
  }
  EXPECT_EQ(database_.Count("auth.tokens"), 0);
}

TEST_F(AuthServiceTest, RefusesAPasswordThatChangedWhileItWasChecked) {
  const std::string id = database_.AddUser("ada");
  absl::Status status;
  std::thread login;
  ASSERT_TRUE(database_.db()
                  .InTransaction([&](pg::Tx& tx) -> absl::Status {
                    tx.exec("UPDATE auth.users SET password_hash = 'another'");
                    login = std::thread([&] { status = Issue("ada").status(); });
                    EXPECT_TRUE(database_.EventuallySomebodyWaits());
                    return absl::OkStatus();
                  })
                  .ok());
  login.join();
  EXPECT_EQ(Reason(status), "CREDENTIALS_INVALID");
  EXPECT_EQ(database_.Count("auth.tokens"), 0);
}

TEST_F(AuthServiceTest, RevokesTheTokenAtOnceAndAgain) {
  database_.AddUser("ada");
  const std::string token = IssueOk("ada");
  const std::string other = IssueOk("ada");
  EXPECT_TRUE(Revoke(token).ok());
  EXPECT_EQ(Reason(Lookup(token).status()), "TOKEN_NOT_FOUND");
  EXPECT_TRUE(Lookup(other).ok());
  EXPECT_TRUE(Revoke(token).ok());
  EXPECT_TRUE(Revoke("unknown").ok());
  EXPECT_EQ(database_.Count("auth.control_log WHERE kind = 'revocation'"), 1);
  EXPECT_EQ(database_.Count("auth.audit_events WHERE type = 'logout' AND actor_username = 'ada'"),
            1);
}

TEST_F(AuthServiceTest, LookupTellsTheControlSequenceOfItsSnapshot) {
  database_.AddUser("ada");
  const std::string token = IssueOk("ada");
  EXPECT_EQ(Lookup(token)->control_sequence(), 0);
  ASSERT_TRUE(Revoke(IssueOk("ada")).ok());
  EXPECT_EQ(Lookup(token)->control_sequence(), 1);
}

TEST_F(AuthServiceTest, RevokingAUserKillsAllTokensAndALaterLoginWorks) {
  database_.AddUser("ada");
  const std::vector<std::string> tokens = {IssueOk("ada"), IssueOk("ada")};
  EXPECT_EQ(Live(tokens), 2);
  ASSERT_TRUE(RevokeUser(database_.db(), "ADA").ok());
  EXPECT_EQ(Live(tokens), 0);
  const auto found = Lookup(IssueOk("ada"));
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->epoch(), 1);
  EXPECT_EQ(database_.Select("SELECT epoch FROM auth.control_log WHERE kind = 'epoch'"), "1");
  EXPECT_EQ(Reason(RevokeUser(database_.db(), "nobody")), "USER_NOT_FOUND");
}

TEST_F(AuthServiceTest, DisabledUsersAndExpiredTokensAreNotFound) {
  database_.AddUser("ada");
  const std::string token = IssueOk("ada");
  database_.Execute("UPDATE auth.users SET is_active = false");
  EXPECT_EQ(Reason(Lookup(token).status()), "TOKEN_NOT_FOUND");
  database_.Execute("UPDATE auth.users SET is_active = true");
  EXPECT_TRUE(Lookup(token).ok());
  database_.Execute("UPDATE auth.tokens SET expire_time = now()");
  EXPECT_EQ(Reason(Lookup(token).status()), "TOKEN_NOT_FOUND");
}

TEST_F(AuthServiceTest, TheNewestTwentyTokensLive) {
  std::vector<std::string> tokens = AddTokens(database_.AddUser("ada"), 20);
  EXPECT_EQ(Live(tokens), 20);
  for (int i = 0; i < 2; ++i) tokens.push_back(IssueOk("ada"));
  EXPECT_EQ(Live(tokens), 20);
  EXPECT_EQ(Live({tokens[0], tokens[1]}), 0) << "the oldest go";
  EXPECT_EQ(database_.Count("auth.control_log WHERE kind = 'revocation'"), 2)
      << "gateways must hear of it";
}

TEST_F(AuthServiceTest, ParallelLoginsKeepTwenty) {
  AddTokens(database_.AddUser("ada"), 18);
  std::vector<std::thread> threads;
  std::vector<std::string> tokens(8);
  for (std::string& token : tokens) threads.emplace_back([&] { token = IssueOk("ada"); });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(database_.Count("auth.tokens WHERE revoke_time IS NULL"), 20);
  EXPECT_EQ(Live(tokens), 8);
}

TEST_F(AuthServiceTest, RecordsAUseAtMostOnceAMinute) {
  database_.AddUser("ada");
  const std::string token = IssueOk("ada");
  ASSERT_TRUE(Lookup(token).ok());
  const std::string used = database_.Select("SELECT last_used_time FROM auth.tokens");
  EXPECT_NE(used, "");
  ASSERT_TRUE(Lookup(token).ok());
  EXPECT_EQ(database_.Select("SELECT last_used_time FROM auth.tokens"), used);
  database_.Execute("UPDATE auth.tokens SET last_used_time = now() - interval '61 seconds'");
  ASSERT_TRUE(Lookup(token).ok());
  EXPECT_EQ(database_.Count("auth.tokens WHERE last_used_time > now() - interval '30 seconds'"), 1);
}

TEST_F(AuthServiceTest, SignUpLogsTheNewcomerIn) {
  server_.redeemer().Invite("p1");
  const auto first = SignUp("ada", kPassword);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(Lookup(first->token())->principal().user_id(), first->user().id());
  const auto again = SignUp("ada", kPassword);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->user().id(), first->user().id());
  EXPECT_NE(again->token(), first->token());
  EXPECT_EQ(Live({first->token(), again->token()}), 2);
  EXPECT_TRUE(Issue("ada").ok());
}

TEST_F(AuthServiceTest, SignUpRefusalsCarryReasonFieldAndAudit) {
  const auto weak = SignUp("ada", "password1");
  EXPECT_EQ(weak.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Reason(weak.status()), "PASSWORD_TOO_WEAK");
  EXPECT_EQ(FieldViolations(weak.status()).count("password"), 1u);
  EXPECT_EQ(Reason(SignUp("ada", kPassword).status()), "INVITATION_NOT_FOUND");
  database_.AddUser("bob");
  EXPECT_EQ(Reason(SignUp("bob", kPassword).status()), "USERNAME_TAKEN");
  for (const char* reason : {"PASSWORD_TOO_WEAK", "INVITATION_NOT_FOUND", "USERNAME_TAKEN"}) {
    EXPECT_EQ(database_.Count("auth.audit_events WHERE type = 'signup_failure' AND reason = '" +
                              std::string(reason) + "'"),
              1)
        << reason;
  }
}

TEST_F(AuthServiceTest, GetsUsersByEitherIdAndTenants) {
  const std::string id = database_.AddUser("ada");
  const auto get = [&](const std::string& user) {
    v1::GetUserRequest request;
    request.set_id(user);
    return server_.gateway().Call(Api::kGetUser, request);
  };
  const auto by_id = get(id);
  ASSERT_TRUE(by_id.ok()) << by_id.status();
  EXPECT_GT(by_id->number(), 0);
  EXPECT_GT(by_id->profile_number(), 0);
  EXPECT_EQ(get(std::to_string(by_id->number()))->id(), id);
  for (const std::string& user : {std::string("0"), std::string("ada"), std::string(), UuidV7()}) {
    EXPECT_EQ(Reason(get(user).status()), "USER_NOT_FOUND") << user;
  }
  v1::GetTenantRequest request;
  request.set_id(by_id->tenant().id());
  const auto tenant = server_.gateway().Call(Api::kGetTenant, request);
  ASSERT_TRUE(tenant.ok()) << tenant.status();
  EXPECT_EQ(tenant->SerializeAsString(), by_id->tenant().SerializeAsString());
  request.set_id(999);
  EXPECT_EQ(Reason(server_.gateway().Call(Api::kGetTenant, request).status()), "TENANT_NOT_FOUND");
}

TEST_F(AuthServiceTest, OnlyTheNamedCallersMayCall) {
  v1::LookupTokenRequest lookup;
  lookup.set_digest(token::TokenDigest("unknown"));
  EXPECT_EQ(Reason(server_.client("jobs").Call(Api::kLookupToken, lookup).status()),
            "TOKEN_NOT_FOUND");
  EXPECT_EQ(server_.client("billing").Call(Api::kLookupToken, lookup).status().code(),
            absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(server_.client("jobs").Call(Api::kIssueToken, v1::IssueTokenRequest()).status().code(),
            absl::StatusCode::kPermissionDenied);
  lookup.set_digest("short");
  EXPECT_EQ(Reason(server_.gateway().Call(Api::kLookupToken, lookup).status()), "DIGEST_INVALID");
}

}  // namespace
}  // namespace gatehouse::auth
