// The reset of a password by mail, from the request to the new password.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "gatehouse/auth/v1/user.methods.h"
#include "libs/base/secret.h"
#include "services/auth/auth_testing.h"
#include "services/auth/password_reset_store.h"

namespace gatehouse::auth {
namespace {

using testing::Eventually;
using ::testing::HasSubstr;
using testing::kPassword;

constexpr char kNewPassword[] = "heron-quince-47";
const Origin kOrigin{.client_address = "192.0.2.7"};

class PasswordResetTest : public ::testing::Test {
 protected:
  PasswordRecovery& recovery() { return server_.recovery(); }

  void Request(const std::string& email = "ada@example.com") {
    const absl::Status requested = recovery().RequestReset(email, kOrigin);
    ASSERT_TRUE(requested.ok()) << requested;
    recovery().DeliverNow();
  }

  // Whether every request has led to a mail or to none.
  bool Settles() {
    return Eventually([&] { return database_.Count("auth.outbox") == 0; });
  }

  // The code of the newest of `count` mails.
  std::string Code(std::size_t count = 1) {
    const std::string text = server_.mailer().Await(count).text;
    const std::size_t begin = text.find("ghp_");
    return begin == std::string::npos ? "" : text.substr(begin, text.find('\n', begin) - begin);
  }
  std::string RequestCode() {
    Request();
    return Code();
  }

  absl::Status Confirm(const std::string& code, const std::string& password = kNewPassword) {
    return recovery().ConfirmReset(code, password, kOrigin);
  }
  std::string ReasonOf(const std::string& code, const std::string& password = kNewPassword) {
    return Reason(Confirm(code, password));
  }

  bool Fits(const std::string& password) {
    const std::string hash =
        database_.Select("SELECT password_hash FROM auth.users WHERE username = 'ada'");
    return testing::TheHasher().Verify(password, hash).value_or(Fit::kNo) == Fit::kYes;
  }
  int Audited(const std::string& what) {
    return database_.Count("auth.audit_events WHERE " + what);
  }

  testing::AuthDatabase database_;
  testing::AuthServer server_{database_};
  const std::string ada_ = database_.AddUser("ada");
};

TEST_F(PasswordResetTest, MailsACodeToTheAddressOfTheAccount) {
  Request("ADA@example.COM");
  const mail::Message mail = server_.mailer().Await();
  EXPECT_EQ(mail.to, "ada@example.com");
  EXPECT_EQ(mail.subject, "Reset your password");
  EXPECT_THAT(mail.text, HasSubstr("\n\n" + Code() + "\n\n"));
  EXPECT_THAT(mail.text, HasSubstr("30 minutes"));
  EXPECT_THAT(mail.text, HasSubstr("POST /api/auth/password/reset/confirm/"));
  EXPECT_THAT(mail.text, HasSubstr("If you did not ask, ignore this mail"));
  EXPECT_TRUE(Settles());
  EXPECT_EQ(
      Audited("type = 'password_reset_request' AND success AND actor_user_id = '" + ada_ + "'"), 1);
  EXPECT_EQ(database_.Count("auth.password_resets WHERE expire_time = create_time + interval"
                            " '30 minutes'"),
            1);
}

TEST_F(PasswordResetTest, AnUnknownAddressLooksTheSame) {
  Request("nobody@example.com");
  database_.Execute("UPDATE auth.users SET is_active = false");
  Request();
  EXPECT_TRUE(Settles());
  EXPECT_EQ(server_.mailer().attempts(), 0);
  EXPECT_EQ(database_.Count("auth.password_resets WHERE user_id IS NULL"), 2);
  EXPECT_EQ(Audited("type = 'password_reset_request' AND NOT success AND reason = 'unknown_user'"
                    " AND actor_username = 'nobody@example.com'"),
            1);
  EXPECT_EQ(Audited("type = 'password_reset_request' AND NOT success AND reason = 'disabled'"), 1);
}

TEST_F(PasswordResetTest, RefusesWhatIsNoAddress) {
  for (const std::string email : {"", "ada", "a\r\nBcc: e@x.com", "ada@example.com\n"}) {
    EXPECT_EQ(Reason(recovery().RequestReset(email, kOrigin)), "EMAIL_INVALID");
  }
  EXPECT_EQ(database_.Count("auth.password_resets"), 0);
}

TEST_F(PasswordResetTest, KeepsNoCodeAnywhere) {
  server_.mailer().Fail({Error(absl::StatusCode::kUnavailable, "MAIL_UNAVAILABLE", "not now")});
  Request();
  const std::string kept =
      database_.Select("SELECT string_agg(r::text, ' ') FROM auth.password_resets r") +
      database_.Select(
          "SELECT string_agg(convert_from(payload, 'UTF8') || o::text, ' ')"
          " FROM auth.outbox o") +
      database_.Select("SELECT string_agg(e::text, ' ') FROM auth.audit_events e");
  const std::string code = Code();
  ASSERT_EQ(code.size(), 47u);
  EXPECT_EQ(kept.find(code.substr(4)), std::string::npos);
  EXPECT_EQ(kept.find(HexEncode(*Base64UrlDecode(code.substr(4)))), std::string::npos);
  EXPECT_NE(kept.find(HexEncode(Sha256(code))), std::string::npos) << "its digest alone";
}

TEST_F(PasswordResetTest, MailsThreeOpenOnesAnHourAtMost) {
  for (int i = 0; i < 6; ++i) Request();
  EXPECT_TRUE(Settles());
  EXPECT_EQ(server_.mailer().attempts(), kOpenResetsMax);
  EXPECT_EQ(database_.Count("auth.password_resets WHERE used_time IS NULL"), kOpenResetsMax);
  // The ones that led to no mail do not count: who floods cannot keep the owner out.
  database_.Execute(
      "UPDATE auth.password_resets SET create_time = create_time - interval '61 minutes'"
      " WHERE used_time IS NULL");
  Request();
  EXPECT_TRUE(Settles());
  EXPECT_EQ(server_.mailer().attempts(), kOpenResetsMax + 1);
}

TEST_F(PasswordResetTest, MailsLaterWhenTheServerIsDown) {
  const absl::Status down = Error(absl::StatusCode::kUnavailable, "MAIL_UNAVAILABLE", "not now");
  server_.mailer().Fail({down, down});
  const std::string code = RequestCode();
  EXPECT_EQ(server_.mailer().attempts(), 3);
  EXPECT_TRUE(Settles());
  EXPECT_TRUE(Confirm(code).ok());
}

TEST_F(PasswordResetTest, GivesUpAMailThatIsRefusedForGood) {
  server_.mailer().Fail({Error(absl::StatusCode::kInvalidArgument, "MAIL_REJECTED", "no")});
  Request();
  EXPECT_TRUE(Settles());
  EXPECT_EQ(server_.mailer().attempts(), 1);
}

TEST_F(PasswordResetTest, MailsNothingThatIsOver) {
  const absl::Status down = Error(absl::StatusCode::kUnavailable, "MAIL_UNAVAILABLE", "not now");
  server_.mailer().Fail(std::vector<absl::Status>(100, down));
  Request();
  ASSERT_TRUE(Eventually([&] { return server_.mailer().attempts() >= 2; }));
  EXPECT_EQ(database_.Count("auth.outbox"), 1);
  database_.Execute("UPDATE auth.password_resets SET expire_time = now()");
  EXPECT_TRUE(Settles());
  EXPECT_TRUE(server_.mailer().messages().empty());
}

TEST_F(PasswordResetTest, SetsThePasswordOnceAndKillsEveryCredential) {
  database_.Execute("UPDATE auth.users SET password_change_required = true");
  const std::vector<std::string> tokens = {server_.Issue(ada_).token,
                                           server_.Issue(ada_, CredentialKind::kAccess).token};
  const std::string first = RequestCode();
  Request();
  const std::string second = Code(2);
  ASSERT_TRUE(Confirm(first).ok());
  EXPECT_TRUE(Fits(kNewPassword));
  EXPECT_EQ(server_.Live(tokens), 0);
  EXPECT_EQ(server_.Live({server_.Issue(ada_).token}), 1) << "a later login works at once";
  EXPECT_EQ(database_.Count("auth.users WHERE password_change_required"), 0);
  EXPECT_EQ(ReasonOf(first, "magpie-teal-83"), "RESET_TOKEN_INVALID");
  EXPECT_EQ(ReasonOf(second, "magpie-teal-83"), "RESET_TOKEN_INVALID") << "used up with the first";
  EXPECT_TRUE(Fits(kNewPassword));
  EXPECT_EQ(Audited("type = 'password_reset_complete' AND success"), 1);
  EXPECT_EQ(Audited("type = 'password_reset_complete' AND reason = 'token_invalid'"), 2);
}

TEST_F(PasswordResetTest, AChangeOfThePasswordUsesUpTheCodes) {
  const std::string code = RequestCode();
  ASSERT_TRUE(recovery()
                  .Change({.user_id = ada_,
                           .credential_id = server_.Issue(ada_).credential_id,
                           .old_password = kPassword,
                           .new_password = kNewPassword,
                           .origin = kOrigin})
                  .ok());
  EXPECT_EQ(ReasonOf(code, "magpie-teal-83"), "RESET_TOKEN_INVALID");
}

TEST_F(PasswordResetTest, AnAdministratorsChangeUsesUpTheCodes) {
  const std::string first = RequestCode();
  v1::UpdateUserRequest move;
  move.set_id(ada_);
  move.set_email("ada@example.org");
  ASSERT_TRUE(server_.gateway().Call(v1::UserService::kUpdateUser, move).ok());
  EXPECT_EQ(ReasonOf(first), "RESET_TOKEN_INVALID") << "mailed to the old address";
  Request("ada@example.org");
  const std::string second = Code(2);
  v1::ResetPasswordRequest reset;
  reset.set_id(ada_);
  reset.set_new_password("magpie-teal-83");
  ASSERT_TRUE(server_.gateway().Call(v1::UserService::kResetPassword, reset).ok());
  EXPECT_EQ(ReasonOf(second), "RESET_TOKEN_INVALID");
  EXPECT_TRUE(Fits("magpie-teal-83"));
}

TEST_F(PasswordResetTest, RefusesEveryOtherCodeAlikeAndWithTheSameWork) {
  const std::string code = RequestCode();
  std::string changed = code;
  changed[10] = changed[10] == 'A' ? 'B' : 'A';
  const std::vector<std::string> codes = {"",
                                          "ghp_",
                                          "ghp_AAAA",
                                          code + "A",
                                          "ght" + code.substr(3),
                                          changed,
                                          code + '\0',
                                          ada_,
                                          std::string(9999, 'A')};
  const absl::Status first = Confirm(codes[0]);
  for (const std::string& one : codes) {
    const std::int64_t before = testing::TheHasher().hash_count();
    EXPECT_EQ(Confirm(one), first) << one;
    EXPECT_EQ(testing::TheHasher().hash_count() - before, 1) << one;
  }
  EXPECT_EQ(Reason(first), "RESET_TOKEN_INVALID");
  EXPECT_EQ(FieldViolations(first).count("token"), 1u);
  EXPECT_TRUE(Confirm(code).ok()) << "still good";
}

TEST_F(PasswordResetTest, RefusesACodeThatIsOverOrOfADisabledUser) {
  const std::string code = RequestCode();
  database_.Execute("UPDATE auth.password_resets SET expire_time = now()");
  EXPECT_EQ(ReasonOf(code), "RESET_TOKEN_INVALID");
  database_.Execute("UPDATE auth.password_resets SET expire_time = now() + interval '1 minute'");
  database_.Execute("UPDATE auth.users SET is_active = false");
  EXPECT_EQ(ReasonOf(code), "RESET_TOKEN_INVALID");
  EXPECT_TRUE(Fits(kPassword));
}

TEST_F(PasswordResetTest, RefusesAWeakPasswordAndKeepsTheCode) {
  const std::string code = RequestCode();
  const absl::Status weak = Confirm(code, "ada@example.com");
  EXPECT_EQ(Reason(weak), "PASSWORD_TOO_WEAK");
  EXPECT_EQ(FieldViolations(weak).count("new_password"), 1u);
  EXPECT_TRUE(Confirm(code).ok());
}

TEST_F(PasswordResetTest, OfParallelConfirmationsOneWins) {
  const std::string code = RequestCode();
  std::atomic<int> confirmed = 0;
  std::atomic<int> refused = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      const absl::Status one = Confirm(code, kNewPassword + std::to_string(i));
      if (one.ok()) ++confirmed;
      if (Reason(one) == "RESET_TOKEN_INVALID") ++refused;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(confirmed, 1);
  EXPECT_EQ(refused, 7);
  EXPECT_EQ(database_.Count("auth.control_log WHERE subject = 'user/" + ada_ + "'"), 1);
}

}  // namespace
}  // namespace gatehouse::auth
