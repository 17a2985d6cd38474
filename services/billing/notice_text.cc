#include "services/billing/notice_text.h"

#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "services/billing/money.h"

namespace gatehouse::billing {
namespace {

constexpr std::size_t kTextBytesMax = 300;

// One line, whatever came in; cut between characters, never within one.
std::string OneLine(const std::string& text) {
  std::string line;
  for (const char c : text) line += absl::ascii_iscntrl(static_cast<unsigned char>(c)) ? ' ' : c;
  if (line.size() <= kTextBytesMax) return line;
  std::size_t end = kTextBytesMax;
  while (end > 0 && (static_cast<unsigned char>(line[end]) & 0xC0) == 0x80) --end;
  return line.substr(0, end);
}

std::optional<std::string> Dollars(const std::string& cents_text) {
  std::int64_t cents = 0;
  if (!absl::SimpleAtoi(cents_text, &cents)) return std::nullopt;
  if (cents > INT64_MAX / kNanosPerCent || cents < INT64_MIN / kNanosPerCent) return std::nullopt;
  return FormatDollars(cents * kNanosPerCent);
}

// "<before><amount><after>", or nothing without the amount.
std::string Sentence(const std::string& before, const std::string& cents_text,
                     const std::string& after) {
  const std::optional<std::string> amount = Dollars(cents_text);
  return amount ? absl::StrCat(before, *amount, after) : "";
}

std::string Because(const std::string& reason) {
  return reason.empty() ? "" : absl::StrCat("The reason given: ", OneLine(reason), "\n");
}

std::string LowBalance(const NoticeFacts& facts) {
  return absl::StrCat("the prepaid balance has fallen below its threshold.\n\n",
                      Sentence("Balance: ", facts.balance_cents, "\n"),
                      Sentence("Threshold: ", facts.threshold_cents, "\n"),
                      "\nWork may be refused when the balance is used up. Please top it up.\n");
}

std::string AutoTopupFailed(const NoticeFacts& facts) {
  return absl::StrCat("an automatic top-up could not be charged.\n\n",
                      Sentence("Amount: ", facts.amount_cents, "\n"), Because(facts.reason),
                      "\nPlease check the payment method, or top the balance up by hand.\n");
}

std::string PaymentFailed(const NoticeFacts& facts) {
  return absl::StrCat("a payment for the subscription failed.\n\n",
                      Sentence("Amount: ", facts.amount_cents, "\n"), Because(facts.reason),
                      "\nPlease check the payment method in the billing portal.\n");
}

}  // namespace

NoticeText ComposeNotice(const NoticeFacts& facts, const std::string& tenant_name) {
  const std::string name = OneLine(tenant_name);
  const std::string whose = name.empty() ? "" : absl::StrCat(" (", name, ")");
  const std::string begin = absl::StrCat("Hello,\n\nfor your organization", whose, ": ");
  if (facts.kind == "auto_topup_failed") {
    return {absl::StrCat("Automatic top-up failed", whose), begin + AutoTopupFailed(facts)};
  }
  if (facts.kind == "payment_failed") {
    return {absl::StrCat("Payment failed", whose), begin + PaymentFailed(facts)};
  }
  return {absl::StrCat("Low balance", whose), begin + LowBalance(facts)};
}

}  // namespace gatehouse::billing
