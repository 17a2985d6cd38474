#include "services/auth/login.h"

#include <gtest/gtest.h>
#include <sodium.h>

#include <fstream>
#include <thread>
#include <vector>

#include "services/auth/revocation.h"
#include "services/auth/session_fixture.h"

namespace gatehouse::auth {
namespace {

using testing::kPassword;
using testing::kSecretKey;

// Counts what sessions of the service that begin from now on send, by the log of the
// database server.
class StatementCount {
 public:
  explicit StatementCount(testing::AuthDatabase& database)
      : database_(database),
        role_("ALTER ROLE gatehouse_auth IN DATABASE " + database.name()),
        path_(pg::testing::Cluster::Get().directory() + "/server.log") {
    database_.Execute(role_ + " SET log_statement = 'all'");
    database_.Execute(role_ + " SET log_min_messages = 'log'");
  }
  ~StatementCount() {
    database_.Execute(role_ + " RESET log_statement");
    database_.Execute(role_ + " RESET log_min_messages");
  }

  int Get() const {
    std::ifstream log(path_);
    int count = 0;
    for (std::string line; std::getline(log, line);) {
      if (line.find("LOG:  statement: ") != std::string::npos ||
          line.find("LOG:  execute ") != std::string::npos) {
        ++count;
      }
    }
    return count;
  }

 private:
  testing::AuthDatabase& database_;
  const std::string role_;
  const std::string path_;
};

class LoginTest : public testing::SessionFixture {
 protected:
  absl::StatusOr<v1::IssuedCredential> LogInFrom(const std::string& address,
                                                 const std::string& password = kPassword) {
    v1::LogInRequest request = LogInAs("ada", password);
    request.mutable_origin()->set_client_address(address);
    return LogIn(request);
  }

  std::string LastCause() {
    return database_.Select(
        "SELECT reason FROM auth.audit_events WHERE type = 'login_failure'"
        " ORDER BY position DESC LIMIT 1");
  }
};

TEST_F(LoginTest, EveryFailureIsOneAnswerAndOneHash) {
  database_.AddUser("ada");
  database_.AddUser("bob");
  database_.Execute("UPDATE auth.users SET is_active = false WHERE username = 'bob'");
  struct Case {
    std::string username, password, cause;
  };
  const std::vector<Case> cases = {{"ada", "wrong-password", "wrong_password"},
                                   {"ADA@example.com", "wrong-password", "wrong_password"},
                                   {"nobody", kPassword, "unknown_user"},
                                   {"bob", kPassword, "disabled"},
                                   {"bob", "wrong-password", "wrong_password"},
                                   {"", "", "unknown_user"},
                                   {std::string("ada\0x", 5), kPassword, "unknown_user"},
                                   {std::string(5000, 'a'), kPassword, "unknown_user"},
                                   {"ada", std::string(2000, 'p'), "wrong_password"}};
  std::string message;
  for (const Case& one : cases) {
    const std::int64_t before = testing::TheHasher().hash_count();
    const auto response = LogIn(LogInAs(one.username, one.password));
    EXPECT_EQ(testing::TheHasher().hash_count() - before, 1) << one.cause;
    EXPECT_EQ(response.status().code(), absl::StatusCode::kUnauthenticated) << one.cause;
    EXPECT_EQ(Reason(response.status()), "CREDENTIALS_INVALID");
    if (message.empty()) message = std::string(response.status().message());
    EXPECT_EQ(std::string(response.status().message()), message);
    EXPECT_EQ(LastCause(), one.cause);
  }
  EXPECT_EQ(database_.Count("auth.credentials"), 0);
}

TEST_F(LoginTest, KnownAndUnknownNamesCostTheSameStatements) {
  database_.AddUser("ada");
  database_.AddUser("bob");
  database_.Execute("UPDATE auth.users SET is_active = false WHERE username = 'bob'");
  const StatementCount statements(database_);
  pg::Options options = database_.db().options();
  options.connections_max = 1;
  pg::Database db(options);
  LoginThrottle throttle(db, kSecretKey);
  Login login(db, testing::TheHasher(), throttle, server_.issuer(), "admin");
  const auto attempt = [&](const std::string& username, const std::string& password) {
    const int before = statements.Get();
    EXPECT_FALSE(login
                     .WithPassword({.username = username,
                                    .password = password,
                                    .origin = {.client_address = "192.0.2.1"}})
                     .ok());
    return statements.Get() - before;
  };
  attempt("warm-up", kPassword);
  const int known = attempt("ada", "wrong-password");
  EXPECT_GE(known, 4) << "at least find, begin, count and audit are in the log";
  EXPECT_EQ(attempt("nobody", kPassword), known);
  EXPECT_EQ(attempt("bob", kPassword), known);
  database_.Execute("UPDATE auth.login_attempts SET success_time = now() WHERE network <> ''");
  EXPECT_EQ(attempt("ada", "wrong-password"), known) << "from a known network";
  database_.Execute("UPDATE auth.login_attempts SET blocked_until = now() + interval '1 hour'");
  EXPECT_EQ(attempt("ada", "wrong-password"), attempt("nobody", kPassword)) << "delayed";
}

TEST_F(LoginTest, GuessesAreDelayedPerNetworkAndAudited) {
  const std::string ada = database_.AddUser("ada");
  ASSERT_TRUE(LogInFrom("192.0.2.1").ok());
  ASSERT_FALSE(LogInFrom("198.51.100.1", "wrong-password").ok());
  database_.Execute(
      "UPDATE auth.login_attempts SET failures = 20, blocked_until = now() + interval '1 hour'"
      " WHERE success_time IS NULL");
  const std::int64_t before = testing::TheHasher().hash_count();
  const auto delayed = LogInFrom("198.51.100.1");
  EXPECT_EQ(Reason(delayed.status()), "LOGIN_DELAYED") << "also with the right password";
  EXPECT_GT(RetryDelayMillis(delayed.status()), 0);
  EXPECT_EQ(testing::TheHasher().hash_count(), before);
  EXPECT_EQ(LastCause(), "delayed");
  EXPECT_EQ(Audited("login_failure", "reason = 'delayed' AND actor_user_id = '" + ada + "'"), 1);
  EXPECT_EQ(Reason(LogInFrom("203.0.113.1").status()), "LOGIN_DELAYED") << "unknown, too";
  EXPECT_TRUE(LogInFrom("192.0.2.99").ok()) << "the owner's network";
}

TEST_F(LoginTest, ASuccessForgivesTheFailuresBefore) {
  database_.AddUser("ada");
  EXPECT_FALSE(LogInFrom("192.0.2.1", "wrong-password").ok());
  EXPECT_TRUE(LogInFrom("192.0.2.1").ok());
  EXPECT_EQ(database_.Count("auth.login_attempts WHERE failures = 0 AND success_time IS NOT NULL"),
            1);
}

TEST_F(LoginTest, ASuccessIsAudited) {
  const std::string ada = database_.AddUser("ada");
  ASSERT_TRUE(LogIn(LogInAs("ADA@example.com")).ok());
  EXPECT_EQ(Audited("login_success",
                    "success AND actor_username = 'ADA@example.com'"
                    " AND actor_user_id = '" +
                        ada + "' AND target = 'user/" + ada +
                        "' AND client_address = '192.0.2.1'"
                        " AND user_agent = 'test agent'"),
            1);
  EXPECT_EQ(Audited("login_failure"), 0);
}

TEST_F(LoginTest, WithoutANameTheFirstAdministratorLogsIn) {
  const std::string admin = database_.AddUser("admin", "admin");
  const auto issued = LogIn(LogInAs(""));
  ASSERT_TRUE(issued.ok()) << issued.status();
  EXPECT_EQ(issued->user().id(), admin);
}

TEST_F(LoginTest, LettersBeyondAsciiAreNoSecondNameOfAnAccount) {
  database_.AddUser("kirk");
  // KELVIN SIGN and LATIN CAPITAL LETTER I WITH DOT ABOVE fold to "k" and "i".
  for (const char* name : {"\xE2\x84\xAAirk", "k\xC4\xB0rk", " kirk", "kirk\n"}) {
    EXPECT_EQ(Reason(LogIn(LogInAs(name)).status()), "CREDENTIALS_INVALID");
    EXPECT_EQ(LastCause(), "unknown_user") << name;
  }
}

TEST_F(LoginTest, AWeakHashIsReplacedAndTheNextLoginUsesTheNewOne) {
  database_.AddUser("ada");
  std::string weak(crypto_pwhash_STRBYTES, '\0');
  ASSERT_EQ(crypto_pwhash_str_alg(weak.data(), kPassword, std::string(kPassword).size(), 1,
                                  8 * 1024 * 1024, crypto_pwhash_ALG_ARGON2ID13),
            0);
  weak.resize(weak.find('\0'));
  database_.Execute("UPDATE auth.users SET password_change_required = true, password_hash = '" +
                    weak + "'");
  ASSERT_TRUE(LogIn(LogInAs("ada")).ok());
  const std::string fresh = database_.Select("SELECT password_hash FROM auth.users");
  EXPECT_NE(fresh, weak);
  EXPECT_EQ(testing::TheHasher().Verify(kPassword, fresh).value_or(Fit::kNo), Fit::kYes);
  EXPECT_EQ(database_.Count("auth.users WHERE password_change_required"), 1)
      << "the same password is no new one";
  ASSERT_TRUE(LogIn(LogInAs("ada")).ok());
  EXPECT_EQ(database_.Select("SELECT password_hash FROM auth.users"), fresh);
}

TEST_F(LoginTest, AWrongPasswordReplacesNoHash) {
  database_.AddUser("ada");
  const std::string before = database_.Select("SELECT password_hash FROM auth.users");
  EXPECT_FALSE(LogIn(LogInAs("ada", "wrong-password")).ok());
  EXPECT_EQ(database_.Select("SELECT password_hash FROM auth.users"), before);
}

TEST_F(LoginTest, WhatChangedWhileThePasswordWasCheckedIsSeen) {
  for (const char* change : {"password_hash = 'another'", "is_active = false"}) {
    const std::string name = "ada" + std::to_string(database_.Count("auth.users"));
    database_.AddUser(name);
    absl::Status status;
    std::thread login;
    ASSERT_TRUE(database_.db()
                    .InTransaction([&](pg::Tx& tx) -> absl::Status {
                      tx.exec("UPDATE auth.users SET " + std::string(change));
                      login = std::thread([&] { status = LogIn(LogInAs(name)).status(); });
                      EXPECT_TRUE(database_.EventuallySomebodyWaits());
                      return absl::OkStatus();
                    })
                    .ok());
    login.join();
    EXPECT_EQ(Reason(status), "CREDENTIALS_INVALID");
    EXPECT_EQ(LastCause(), "outdated");
  }
  EXPECT_EQ(database_.Count("auth.credentials"), 0);
  EXPECT_EQ(Audited("login_success"), 0);
}

TEST_F(LoginTest, ALoginDuringARevocationOutlivesIt) {
  const std::string ada = database_.AddUser("ada");
  absl::StatusOr<v1::IssuedCredential> issued;
  std::thread login;
  ASSERT_TRUE(database_.db()
                  .InTransaction([&](pg::Tx& tx) -> absl::Status {
                    RaiseUserEpoch(tx, ada);
                    login = std::thread([&] { issued = LogIn(LogInAs("ada")); });
                    EXPECT_TRUE(database_.EventuallySomebodyWaits());
                    return absl::OkStatus();
                  })
                  .ok());
  login.join();
  ASSERT_TRUE(issued.ok()) << issued.status();
  EXPECT_EQ(server_.Live({issued->token()}), 1);
}

}  // namespace
}  // namespace gatehouse::auth
