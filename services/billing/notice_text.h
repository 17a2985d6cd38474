// The words of mail to tenants about their money. Pure: no I/O.
#pragma once

#include <string>

namespace gatehouse::billing {

// What a notice tells, as stored; amounts are whole cents in text, empty when absent.
struct NoticeFacts {
  std::string kind;  // low_balance, payment_failed or auto_topup_failed.
  std::string balance_cents = {};
  std::string threshold_cents = {};
  std::string amount_cents = {};
  std::string reason = {};  // For people.
};

struct NoticeText {
  std::string subject;
  std::string text;
};

// In English, for people of `tenant_name`. Control characters of names and reasons do not
// get through; amounts that are no numbers are left out.
NoticeText ComposeNotice(const NoticeFacts& facts, const std::string& tenant_name);

}  // namespace gatehouse::billing
