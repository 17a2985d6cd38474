#include "libs/mail/mail.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdlib.h>

#include <atomic>
#include <map>

#include "libs/mail/fake_smtp.h"

namespace gatehouse::mail {
namespace {

using ::testing::Contains;
using testing::FakeSmtp;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

const Message kMessage{
    .to = "ada@example.com", .subject = "Grüße", .text = "one\n.\n.two\nlast = ü\n"};

// NUL "post" NUL "pa55" in base64, as AUTH PLAIN wants it.
constexpr char kProof[] = "AHBvc3QAcGE1NQ==";

SmtpOptions OptionsFor(const FakeSmtp& server) {
  return {.host = "127.0.0.1",
          .port = server.port(),
          .use_tls = false,
          .user = "",
          .password = "",
          .from = "Gatehouse <post@example.com>",
          .ca_file = server.ca_file(),
          .timeout = std::chrono::seconds(20)};
}

// What comes of a mail to a server that answers `verb` with `reply`.
std::string ReasonAfter(const std::string& verb, const std::string& reply) {
  FakeSmtp server({.replies = {{verb, reply}}});
  const absl::Status sent = NewSmtpMailer(OptionsFor(server))->Send(kMessage);
  EXPECT_EQ(server.mails().size(), sent.ok() ? 1u : 0u);
  return Reason(sent);
}

TEST(SmtpMailerTest, DeliversTheMessage) {
  FakeSmtp server({});
  const auto mailer = NewSmtpMailer(OptionsFor(server));
  for (int i = 0; i < 2; ++i) {
    const absl::Status sent = mailer->Send(kMessage);
    ASSERT_TRUE(sent.ok()) << sent;
  }
  ASSERT_EQ(server.mails().size(), 2u);
  const FakeSmtp::Mail mail = server.mails()[0];
  EXPECT_EQ(mail.from, "post@example.com");
  EXPECT_EQ(mail.to, "ada@example.com");
  EXPECT_FALSE(mail.is_encrypted);
  EXPECT_THAT(mail.text, StartsWith("From: \"Gatehouse\" <post@example.com>\r\n"
                                    "To: ada@example.com\r\n"));
  EXPECT_THAT(mail.text, HasSubstr("\r\n\r\none\r\n.\r\n.two\r\nlast =3D =C3=BC\r\n"));
}

TEST(SmtpMailerTest, LogsInWhenThereIsAUser) {
  FakeSmtp server({});
  SmtpOptions options = OptionsFor(server);
  options.user = "post";
  options.password = "pa55";
  ASSERT_TRUE(NewSmtpMailer(options)->Send(kMessage).ok());
  EXPECT_THAT(server.commands(), Contains(kProof));
}

TEST(SmtpMailerTest, AuthenticatesAndSendsUnderStartTls) {
  FakeSmtp server({.offers_starttls = true});
  SmtpOptions options = OptionsFor(server);
  options.use_tls = true;
  options.user = "post";
  options.password = "pa55";
  const absl::Status sent = NewSmtpMailer(options)->Send(kMessage);
  ASSERT_TRUE(sent.ok()) << sent;
  ASSERT_EQ(server.mails().size(), 1u);
  EXPECT_TRUE(server.mails()[0].is_encrypted);
  const std::vector<std::string> commands = server.commands();
  ASSERT_GE(commands.size(), 4u);
  EXPECT_THAT(commands[0], StartsWith("EHLO"));
  EXPECT_EQ(commands[1], "STARTTLS");
  EXPECT_EQ(commands[2], "tls");
  EXPECT_THAT(commands, Contains(kProof));
}

TEST(SmtpMailerTest, SendsNothingWithoutStartTlsWhenItIsRequired) {
  for (const std::string reply : {"", "454 not now"}) {
    FakeSmtp server(reply.empty() ? FakeSmtp::Options{}
                                  : FakeSmtp::Options{.offers_starttls = true,
                                                      .replies = {{"STARTTLS", reply}}});
    SmtpOptions options = OptionsFor(server);
    options.use_tls = true;
    options.user = "post";
    options.password = "pa55";
    EXPECT_EQ(Reason(NewSmtpMailer(options)->Send(kMessage)), "MAIL_UNAVAILABLE");
    for (const std::string& command : server.commands()) {
      EXPECT_THAT(command, Not(StartsWith("AUTH")));
      EXPECT_THAT(command, Not(StartsWith("MAIL")));
    }
  }
}

TEST(SmtpMailerTest, TrustsNoStranger) {
  FakeSmtp server({.offers_starttls = true});
  const FakeSmtp other({});
  SmtpOptions options = OptionsFor(server);
  options.use_tls = true;
  options.ca_file = other.ca_file();
  EXPECT_EQ(Reason(NewSmtpMailer(options)->Send(kMessage)), "MAIL_UNAVAILABLE");
  options.ca_file = "";
  EXPECT_EQ(Reason(NewSmtpMailer(options)->Send(kMessage)), "MAIL_UNAVAILABLE");
  EXPECT_TRUE(server.mails().empty());
}

TEST(SmtpMailerTest, ARefusalOfTheMailIsForGood) {
  for (const std::string verb : {"RCPT", "DATA", "TEXT"}) {
    EXPECT_EQ(ReasonAfter(verb, "550 no"), "MAIL_REJECTED") << verb;
    EXPECT_EQ(ReasonAfter(verb, "554 5.7.1 never"), "MAIL_REJECTED") << verb;
    EXPECT_EQ(ReasonAfter(verb, "450 not now"), "MAIL_UNAVAILABLE") << verb;
    EXPECT_EQ(ReasonAfter(verb, FakeSmtp::kDrop), "MAIL_UNAVAILABLE") << verb;
  }
}

TEST(SmtpMailerTest, ARefusalOfThisSenderIsNot) {
  for (const std::string verb : {"GREETING", "EHLO", "MAIL"}) {
    for (const std::string reply : {"550 no", "421 not now", FakeSmtp::kDrop}) {
      EXPECT_EQ(ReasonAfter(verb, reply), "MAIL_UNAVAILABLE") << verb << ' ' << reply;
    }
  }
  FakeSmtp server({.replies = {{"AUTH", "535 wrong"}}});
  SmtpOptions options = OptionsFor(server);
  options.user = "post";
  options.password = "pa55";
  const absl::Status sent = NewSmtpMailer(options)->Send(kMessage);
  EXPECT_EQ(Reason(sent), "MAIL_UNAVAILABLE");
  EXPECT_THAT(std::string(sent.message()), Not(HasSubstr("pa55")));
}

TEST(SmtpMailerTest, ASilentServerEndsInATimeout) {
  for (const std::string verb : {"GREETING", "RCPT", "TEXT"}) {
    FakeSmtp server({.replies = {{verb, FakeSmtp::kHang}}});
    SmtpOptions options = OptionsFor(server);
    options.timeout = std::chrono::milliseconds(200);
    EXPECT_EQ(Reason(NewSmtpMailer(options)->Send(kMessage)), "MAIL_UNAVAILABLE") << verb;
  }
}

TEST(SmtpMailerTest, NobodyThereIsNotForGood) {
  SmtpOptions options;
  {
    const FakeSmtp gone({});
    options = OptionsFor(gone);
  }
  EXPECT_EQ(Reason(NewSmtpMailer(options)->Send(kMessage)), "MAIL_UNAVAILABLE");
}

TEST(SmtpMailerTest, RefusesAnotherHeaderBeforeItConnects) {
  FakeSmtp server({});
  Message message = kMessage;
  message.to = "ada@example.com>\r\nRCPT TO:<eve@example.com";
  EXPECT_EQ(Reason(NewSmtpMailer(OptionsFor(server))->Send(message)), "MAIL_REJECTED");
  SmtpOptions options = OptionsFor(server);
  options.from = "post@example.com\r\nBcc: eve@example.com";
  EXPECT_EQ(Reason(NewSmtpMailer(options)->Send(kMessage)), "MAIL_REJECTED");
  EXPECT_TRUE(server.commands().empty());
}

TEST(SmtpMailerTest, ManyThreadsMaySend) {
  FakeSmtp server({});
  const auto mailer = NewSmtpMailer(OptionsFor(server));
  std::atomic<int> sent = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] { sent += mailer->Send(kMessage).ok() ? 1 : 0; });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(sent, 8);
  EXPECT_EQ(server.mails().size(), 8u);
}

std::string LogOf(bool is_production) {
  ::testing::internal::CaptureStderr();
  EXPECT_TRUE(NewLogMailer(is_production)->Send(kMessage).ok());
  return ::testing::internal::GetCapturedStderr();
}

TEST(LogMailerTest, WritesTheMailInDevelopmentOnly) {
  EXPECT_THAT(LogOf(false), HasSubstr("last = ü"));
  EXPECT_THAT(LogOf(false), HasSubstr("ada@example.com"));
  EXPECT_THAT(LogOf(true), HasSubstr("a mail was not sent"));
  EXPECT_THAT(LogOf(true), Not(HasSubstr("last")));
  EXPECT_THAT(LogOf(true), Not(HasSubstr("ada@example.com")));
}

// The mailer of an environment with these beside ENV; null when they are refused.
std::unique_ptr<Mailer> MailerOf(const std::map<std::string, std::string>& environment) {
  std::vector<config::Setting> declared = MailSettings();
  declared.push_back({.name = "ENV", .help = "", .fallback = "development"});
  for (const config::Setting& setting : declared) ::unsetenv(setting.name.c_str());
  for (const auto& [name, value] : environment) ::setenv(name.c_str(), value.c_str(), 1);
  const auto settings = config::Settings::Load(declared);
  return settings.ok() ? MakeMailer(*settings) : nullptr;
}

TEST(MakeMailerTest, SendsToTheHostOfTheSettings) {
  FakeSmtp server({});
  const auto mailer = MailerOf({{"EMAIL_HOST", "127.0.0.1"},
                                {"EMAIL_PORT", std::to_string(server.port())},
                                {"EMAIL_USE_TLS", "false"},
                                {"EMAIL_HOST_USER", "post"},
                                {"EMAIL_HOST_PASSWORD", "pa55"},
                                {"DEFAULT_FROM_EMAIL", "Doors <doors@example.com>"}});
  ASSERT_NE(mailer, nullptr);
  ASSERT_TRUE(mailer->Send(kMessage).ok());
  ASSERT_EQ(server.mails().size(), 1u);
  EXPECT_EQ(server.mails()[0].from, "doors@example.com");
  EXPECT_THAT(server.commands(), Contains(kProof));
}

TEST(MakeMailerTest, WantsTlsUnlessToldOtherwise) {
  FakeSmtp server({});
  const auto mailer =
      MailerOf({{"EMAIL_HOST", "127.0.0.1"}, {"EMAIL_PORT", std::to_string(server.port())}});
  ASSERT_NE(mailer, nullptr);
  EXPECT_EQ(Reason(mailer->Send(kMessage)), "MAIL_UNAVAILABLE");
}

TEST(MakeMailerTest, WithoutAHostMailGoesIntoTheLog) {
  ::testing::internal::CaptureStderr();
  EXPECT_TRUE(MailerOf({})->Send(kMessage).ok());
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("last"));
  ::testing::internal::CaptureStderr();
  EXPECT_TRUE(MailerOf({{"ENV", "production"}})->Send(kMessage).ok());
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), Not(HasSubstr("last")));
}

TEST(MakeMailerTest, RefusesSettingsThatCannotWork) {
  EXPECT_EQ(MailerOf({{"DEFAULT_FROM_EMAIL", "nobody"}}), nullptr);
  EXPECT_EQ(MailerOf({{"EMAIL_PORT", "0"}}), nullptr);
}

}  // namespace
}  // namespace gatehouse::mail
