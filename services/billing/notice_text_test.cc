#include "services/billing/notice_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gatehouse::billing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(NoticeTextTest, ALowBalanceNamesTheAmounts) {
  const NoticeText text = ComposeNotice(
      {.kind = "low_balance", .balance_cents = "-150", .threshold_cents = "500"}, "Acme");
  EXPECT_EQ(text.subject, "Low balance (Acme)");
  EXPECT_THAT(text.text, HasSubstr("for your organization (Acme): the prepaid balance"));
  EXPECT_THAT(text.text, HasSubstr("Balance: -1.50 USD\nThreshold: 5.00 USD\n"));
}

TEST(NoticeTextTest, AFailedChargeNamesAmountAndReason) {
  const NoticeText topup = ComposeNotice(
      {.kind = "auto_topup_failed", .amount_cents = "5000", .reason = "Your card was declined."},
      "");
  EXPECT_EQ(topup.subject, "Automatic top-up failed");
  EXPECT_THAT(topup.text, HasSubstr("Amount: 50.00 USD\n"));
  EXPECT_THAT(topup.text, HasSubstr("The reason given: Your card was declined.\n"));
  const NoticeText payment = ComposeNotice({.kind = "payment_failed"}, "Acme");
  EXPECT_EQ(payment.subject, "Payment failed (Acme)");
  EXPECT_THAT(payment.text, Not(HasSubstr("Amount")));
}

TEST(NoticeTextTest, NamesCannotBreakOutOfTheirLine) {
  const NoticeText text = ComposeNotice({.kind = "payment_failed", .reason = "a\r\nBcc: x"},
                                        "Acme\r\nBcc: everybody@example.com");
  EXPECT_EQ(text.subject, "Payment failed (Acme  Bcc: everybody@example.com)");
  EXPECT_THAT(text.text, HasSubstr("a  Bcc: x\n"));
}

TEST(NoticeTextTest, AmountsThatAreNoneAreLeftOut) {
  for (const char* cents : {"", "x", "1e3", "9223372036854775807"}) {
    EXPECT_THAT(ComposeNotice({.kind = "payment_failed", .amount_cents = cents}, "").text,
                Not(HasSubstr("Amount")))
        << cents;
  }
}

TEST(NoticeTextTest, LongNamesAreCutBetweenCharacters) {
  std::string name;
  for (int i = 0; i < 200; ++i) name += "ä";
  name = "x" + name;
  const std::string subject = ComposeNotice({.kind = "low_balance"}, name).subject;
  EXPECT_LT(subject.size(), 330u);
  EXPECT_THAT(subject, ::testing::EndsWith("ä)"));
}

}  // namespace
}  // namespace gatehouse::billing
