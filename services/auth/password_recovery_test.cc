#include "services/auth/password_recovery.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "services/auth/auth_testing.h"

namespace gatehouse::auth {
namespace {

using testing::Eventually;
using testing::kPassword;

constexpr char kNewPassword[] = "heron-quince-47";

class PasswordChangeTest : public ::testing::Test {
 protected:
  using Changed = absl::StatusOr<std::optional<IssuedCredential>>;

  Changed Change(const std::string& credential_id, const std::string& old_password = kPassword,
                 const std::string& new_password = kNewPassword) {
    return server_.recovery().Change({.user_id = ada_,
                                      .credential_id = credential_id,
                                      .old_password = old_password,
                                      .new_password = new_password,
                                      .origin = {.client_address = "192.0.2.7"}});
  }
  std::string ReasonOf(const std::string& old_password, const std::string& new_password) {
    return Reason(Change(ada_, old_password, new_password).status());
  }

  bool Fits(const std::string& password) {
    const std::string hash = database_.Select("SELECT password_hash FROM auth.users");
    return testing::TheHasher().Verify(password, hash).value_or(Fit::kNo) == Fit::kYes;
  }
  int Audited(const std::string& what) {
    return database_.Count("auth.audit_events WHERE type = 'password_change' AND " + what);
  }

  testing::AuthDatabase database_;
  testing::AuthServer server_{database_};
  const std::string ada_ = database_.AddUser("ada");
};

TEST_F(PasswordChangeTest, KillsEveryCredentialButThePresentedOne) {
  const IssuedCredential presented = server_.Issue(ada_, CredentialKind::kSession);
  const std::vector<std::string> others = {server_.Issue(ada_).token,
                                           server_.Issue(ada_, CredentialKind::kSession).token,
                                           server_.Issue(ada_, CredentialKind::kAccess).token};
  ASSERT_EQ(server_.Live(others), 3);
  const Changed changed = Change(presented.credential_id);
  ASSERT_TRUE(changed.ok()) << changed.status();
  EXPECT_FALSE(changed->has_value()) << "an opaque credential stays as it is";
  EXPECT_EQ(server_.Live({presented.token}), 1);
  EXPECT_EQ(server_.Live(others), 0);
  EXPECT_TRUE(Fits(kNewPassword));
  EXPECT_EQ(server_.Live({server_.Issue(ada_).token}), 1) << "a later login works at once";
  EXPECT_EQ(Audited("success AND actor_user_id = '" + ada_ + "'"), 1);
}

TEST_F(PasswordChangeTest, IssuesASignedOneAnew) {
  const IssuedCredential presented = server_.Issue(ada_, CredentialKind::kPlatform);
  const Changed changed = Change(presented.credential_id);
  ASSERT_TRUE(changed.ok()) << changed.status();
  ASSERT_TRUE(changed->has_value());
  EXPECT_EQ((*changed)->credential_id, presented.credential_id);
  EXPECT_EQ(server_.Live({(*changed)->token}), 1);
  EXPECT_EQ(server_.Live({presented.token}), 0);
}

TEST_F(PasswordChangeTest, EndsTheDutyToChangeIt) {
  database_.Execute("UPDATE auth.users SET password_change_required = true");
  ASSERT_TRUE(Change(server_.Issue(ada_).credential_id).ok());
  EXPECT_EQ(database_.Count("auth.users WHERE password_change_required"), 0);
}

TEST_F(PasswordChangeTest, TakesTheOldPasswordOfAForeignHash) {
  database_.Execute(
      "UPDATE auth.users SET password_hash ="
      " '$2b$04$abcdefghijklmnopqrstuulttEbk3fDooASkLkPubqvuwr.htemE6'");
  ASSERT_TRUE(Change(server_.Issue(ada_).credential_id).ok());
  EXPECT_TRUE(Fits(kNewPassword));
}

TEST_F(PasswordChangeTest, RefusesAWrongOldPasswordAndAuditsIt) {
  const IssuedCredential presented = server_.Issue(ada_);
  const std::vector<std::string> wrong = {"kestrel-plum-92", "", std::string(2000, 'x')};
  for (const std::string& password : wrong) {
    EXPECT_EQ(ReasonOf(password, kNewPassword), "CREDENTIALS_INVALID");
  }
  EXPECT_EQ(Audited("NOT success AND reason = 'wrong_password'"), 3);
  EXPECT_TRUE(Fits(kPassword));
  EXPECT_EQ(server_.Live({presented.token}), 1);
}

TEST_F(PasswordChangeTest, RefusesADisabledAndAnUnknownUser) {
  database_.Execute("UPDATE auth.users SET is_active = false");
  EXPECT_EQ(ReasonOf(kPassword, kNewPassword), "CREDENTIALS_INVALID");
  EXPECT_TRUE(Fits(kPassword));
  const PasswordChange change{.user_id = "0198c0de-0000-7000-8000-000000000001",
                              .credential_id = ada_,
                              .old_password = kPassword,
                              .new_password = kNewPassword,
                              .origin = {}};
  EXPECT_EQ(Reason(server_.recovery().Change(change).status()), "CREDENTIALS_INVALID");
}

TEST_F(PasswordChangeTest, RefusesAWeakOrTheSamePassword) {
  // More often than guesses are free: what is refused here is none.
  for (int i = 0; i <= LoginThrottle::kFreeFailures; ++i) {
    EXPECT_EQ(ReasonOf(kPassword, "ada@example.com"), "PASSWORD_TOO_WEAK");
    EXPECT_EQ(ReasonOf(kPassword, kPassword), "PASSWORD_UNCHANGED");
  }
  const Changed weak = Change(ada_, kPassword, "password1");
  EXPECT_EQ(FieldViolations(weak.status()).count("new_password"), 1u);
  const Changed same = Change(ada_, kPassword, kPassword);
  EXPECT_EQ(FieldViolations(same.status()).count("new_password"), 1u);
  EXPECT_TRUE(Change(server_.Issue(ada_).credential_id).ok());
}

TEST_F(PasswordChangeTest, SlowsDownWhoGuesses) {
  for (int i = 0; i < LoginThrottle::kFreeFailures; ++i) {
    EXPECT_EQ(ReasonOf("kestrel-plum-9" + std::to_string(i + 2), kNewPassword),
              "CREDENTIALS_INVALID");
  }
  // The last free one has already begun a delay, or the next does.
  const absl::Status next = Change(ada_, "kestrel-plum-90").status();
  const absl::Status delayed = Reason(next) == "LOGIN_DELAYED" ? next : Change(ada_).status();
  EXPECT_EQ(Reason(delayed), "LOGIN_DELAYED");
  EXPECT_GT(RetryDelayMillis(delayed), 0);
  EXPECT_TRUE(Fits(kPassword));
}

TEST_F(PasswordChangeTest, OfParallelChangesOneWins) {
  std::atomic<int> changed = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      const Changed one = Change(ada_, kPassword, kNewPassword + std::to_string(i));
      changed += one.ok() ? 1 : 0;
      EXPECT_TRUE(one.ok() || Reason(one.status()) == "CREDENTIALS_INVALID") << one.status();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(changed, 1);
  EXPECT_EQ(Audited("success"), 1);
}

TEST_F(PasswordChangeTest, LosesAgainstAChangeUnderWay) {
  pg::Options options = database_.db().options();
  options.connections_max = 1;
  pg::Database other(options);
  std::thread changing;
  absl::Status lost;
  const absl::Status held = other.InTransaction([&](pg::Tx& tx) -> absl::Status {
    tx.exec("UPDATE auth.users SET password_hash = 'of another change'");
    changing = std::thread([&] { lost = Change(ada_).status(); });
    EXPECT_TRUE(database_.EventuallySomebodyWaits());
    return absl::OkStatus();
  });
  changing.join();
  ASSERT_TRUE(held.ok()) << held;
  EXPECT_EQ(Reason(lost), "CREDENTIALS_INVALID");
  EXPECT_EQ(database_.Select("SELECT password_hash FROM auth.users"), "of another change");
}

}  // namespace
}  // namespace gatehouse::auth
