#include "services/gateway/policy_text.h"

#include "services/gateway/text.h"

namespace gatehouse::gateway {

using billing::v1::Account;

const char* PolicyText(Account::Policy policy) {
  switch (policy) {
    case Account::POLICY_BLOCK:
      return "block";
    case Account::POLICY_LIMITED:
      return "limited";
    default:
      return "warn";
  }
}

Account::Policy ParsePolicy(const std::string& text) {
  const std::string lower = AsciiLower(text);
  if (lower == "block") return Account::POLICY_BLOCK;
  if (lower == "warn") return Account::POLICY_WARN;
  if (lower == "limited") return Account::POLICY_LIMITED;
  return Account::POLICY_UNSPECIFIED;
}

}  // namespace gatehouse::gateway
