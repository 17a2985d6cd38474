#include "libs/mail/compose.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "libs/base/time_text.h"

namespace gatehouse::mail {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

const Mailbox kFrom{.name = "", .address = "post@example.com"};

std::string Composed(const Mailbox& from, const Message& message) {
  const auto text = Compose(from, message, *ParseTime("2026-02-03T04:05:06Z"));
  EXPECT_TRUE(text.ok()) << text.status();
  return text.value_or("");
}

std::string Body(const std::string& text) {
  const std::string mail = Composed(kFrom, {.to = "ada@example.com", .subject = "s", .text = text});
  return mail.substr(mail.find("\r\n\r\n") + 4);
}

std::string Subject(const std::string& subject) {
  const std::string mail =
      Composed(kFrom, {.to = "ada@example.com", .subject = subject, .text = ""});
  const std::size_t begin = mail.find("Subject: ") + 9;
  return mail.substr(begin, mail.find("\r\nDate:") - begin);
}

std::string From(const std::string& mailbox) {
  const std::optional<Mailbox> from = ParseMailbox(mailbox);
  if (!from) return "malformed";
  const std::string mail = Composed(*from, {.to = "ada@example.com", .subject = "s", .text = ""});
  return mail.substr(6, mail.find("\r\n") - 6);
}

TEST(ComposeTest, WritesEveryHeaderOnce) {
  const std::string mail =
      Composed(kFrom, {.to = "ada@example.com", .subject = "Hello", .text = "one\ntwo\n"});
  EXPECT_THAT(mail, HasSubstr("From: post@example.com\r\nTo: ada@example.com\r\n"
                              "Subject: Hello\r\nDate: Tue, 03 Feb 2026 04:05:06 +0000\r\n"));
  EXPECT_THAT(mail, ContainsRegex("Message-ID: <[0-9a-f-]{36}@example\\.com>\r\n"));
  EXPECT_THAT(mail, HasSubstr("MIME-Version: 1.0\r\nContent-Type: text/plain; charset=UTF-8\r\n"
                              "Content-Transfer-Encoding: quoted-printable\r\n"));
  EXPECT_EQ(mail.substr(mail.find("\r\n\r\n")), "\r\n\r\none\r\ntwo\r\n");
}

TEST(ComposeTest, EveryMailHasAnIdOfItsOwn) {
  const Message message{.to = "ada@example.com", .subject = "s", .text = "t"};
  EXPECT_NE(Composed(kFrom, message), Composed(kFrom, message));
}

TEST(ComposeTest, BodyIsQuotedPrintableOfShortLines) {
  EXPECT_EQ(Body("a = b\n"), "a =3D b\r\n");
  EXPECT_EQ(Body("grüße\n"), "gr=C3=BC=C3=9Fe\r\n");
  EXPECT_EQ(Body("blank \ntab\t\n"), "blank=20\r\ntab=09\r\n");
  EXPECT_EQ(Body("\r\n.\r\nlast"), "\r\n.\r\nlast\r\n");
  EXPECT_EQ(Body(std::string("a\0b", 3)), "a=00b\r\n");
  EXPECT_EQ(Body("\xff\n"), "=EF=BF=BD\r\n") << "made valid";
  EXPECT_EQ(Body(std::string(80, 'x')),
            std::string(75, 'x') + "=\r\n" + std::string(5, 'x') + "\r\n");
  const std::string body = Body(std::string(5000, '='));
  for (std::size_t at = 0, end; (end = body.find("\r\n", at)) != std::string::npos; at = end + 2) {
    EXPECT_LE(end - at, 76u);
  }
}

TEST(ComposeTest, SubjectBeyondAsciiIsEncoded) {
  EXPECT_EQ(Subject("Reset your password"), "Reset your password");
  EXPECT_EQ(Subject("Grüße"), "=?UTF-8?Q?Gr=C3=BC=C3=9Fe?=");
  EXPECT_EQ(Subject("=?UTF-8?Q?x?="), "=?UTF-8?Q?=3D=3FUTF=2D8=3FQ=3Fx=3F=3D?=");
  std::string many;
  for (int i = 0; i < 20; ++i) many += "ü";
  const std::string words = Subject(many);
  EXPECT_THAT(words, HasSubstr("?=\r\n =?UTF-8?Q?=C3=BC"));
  EXPECT_THAT(words, Not(HasSubstr("=C3?="))) << "a character was cut";
}

TEST(ComposeTest, SenderMayHaveAName) {
  EXPECT_EQ(From("post@example.com"), "post@example.com");
  EXPECT_EQ(From("Gatehouse <post@example.com>"), "\"Gatehouse\" <post@example.com>");
  EXPECT_EQ(From("\"A, B\" <post@example.com>"), "\"A, B\" <post@example.com>");
  EXPECT_EQ(From("Tür <post@example.com>"), "=?UTF-8?Q?T=C3=BCr?= <post@example.com>");
  for (const std::string mailbox :
       {"", "post", "@example.com", "post@", "<post@example.com", "post@example.com>",
        "a b@example.com", "A <a@b> <c@d>>", "pöst@example.com", "A\r\nBcc: x@y.com <a@b.com>"}) {
    EXPECT_EQ(From(mailbox), "malformed") << mailbox;
  }
}

TEST(ComposeTest, RefusesWhatCouldStartAnotherHeader) {
  const std::vector<Message> messages = {
      {.to = "ada@example.com\r\nBcc: eve@example.com", .subject = "s", .text = ""},
      {.to = "ada@example.com\nBcc: eve@example.com", .subject = "s", .text = ""},
      {.to = "ada@example.com,eve@example.com", .subject = "s", .text = ""},
      {.to = "ada@example.com> <eve@example.com", .subject = "s", .text = ""},
      {.to = "ada @example.com", .subject = "s", .text = ""},
      {.to = "", .subject = "s", .text = ""},
      {.to = std::string(250, 'a') + "@example.com", .subject = "s", .text = ""},
      {.to = "ada@example.com", .subject = "s\r\nBcc: eve@example.com", .text = ""},
      {.to = "ada@example.com", .subject = "s\rx", .text = ""},
      {.to = "ada@example.com", .subject = std::string("s\0x", 3), .text = ""},
  };
  for (const Message& message : messages) {
    EXPECT_EQ(Reason(Compose(kFrom, message, Time()).status()), "MAIL_REJECTED") << message.to;
  }
}

}  // namespace
}  // namespace gatehouse::mail
