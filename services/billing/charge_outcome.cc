#include "services/billing/charge_outcome.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "services/billing/money.h"

namespace gatehouse::billing {
namespace {

constexpr std::array<std::string_view, 20> kFinal = {
    "authentication_required",
    "card_not_supported",
    "currency_not_supported",
    "expired_card",
    "fraudulent",
    "incorrect_number",
    "invalid_account",
    "invalid_number",
    "lost_card",
    "merchant_blacklist",
    "new_account_information_available",
    "no_action_taken",
    "payment_intent_authentication_failure",
    "pickup_card",
    "restricted_card",
    "revocation_of_all_authorizations",
    "revocation_of_authorization",
    "security_violation",
    "stolen_card",
    "transaction_not_allowed",
};

// Codes are shown and stored: what does not look like one is none.
std::string CodeOr(const std::string& text, const std::string& fallback) {
  const bool is_code = !text.empty() && text.size() <= 100 &&
                       std::all_of(text.begin(), text.end(), [](unsigned char c) {
                         return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '_';
                       });
  return is_code ? text : fallback;
}

ChargeOutcome Declined(const std::string& payment_intent_id, const std::string& code) {
  return {.state = ChargeState::kDeclined,
          .payment_intent_id = payment_intent_id,
          .failure = code,
          .is_final = IsFinalDecline(code)};
}

ChargeOutcome ReadRefusal(const absl::Status& refusal) {
  std::int64_t http_status = 0;
  if (!absl::SimpleAtoi(ReasonMetadata(refusal, "http_status"), &http_status)) return {};
  const std::string type = ReasonMetadata(refusal, "type");
  const std::string code = ReasonMetadata(refusal, "code");
  // Our key is wrong or may not: nothing that the tenant could do about.
  if (http_status == 401 || http_status == 403) return {};
  // The key was used for another request, as by a program of before: that one counts.
  if (type == "idempotency_error") return {.needs_look_up = true};
  const std::string why = CodeOr(ReasonMetadata(refusal, "decline_code"), CodeOr(code, "declined"));
  ChargeOutcome outcome = Declined(ReasonMetadata(refusal, "payment_intent"), why);
  // The customer or the method is gone.
  if (code == "resource_missing") outcome.is_final = true;
  return outcome;
}

}  // namespace

bool IsFinalDecline(const std::string& code) {
  return std::find(kFinal.begin(), kFinal.end(), code) != kFinal.end();
}

ChargeOutcome ReadIntent(const JsonDocument& document, const std::string& path) {
  const std::string prefix = path.empty() ? "" : path + ".";
  const auto text = [&](const char* name) {
    return document.Text(absl::StrCat(prefix, name)).value_or("");
  };
  ChargeOutcome outcome;
  outcome.payment_intent_id = text("id");
  const std::string status = text("status");
  if (outcome.payment_intent_id.empty() || status.empty()) return {};
  if (status == "succeeded") {
    const std::int64_t cents = document.Int(prefix + "amount_received").value_or(0);
    const bool is_ours =
        text("currency") == "usd" && cents > 0 && cents <= kAmountMaxNanos / kNanosPerCent;
    if (!is_ours) return {};
    outcome.state = ChargeState::kSucceeded;
    outcome.amount_nanos = cents * kNanosPerCent;
    return outcome;
  }
  if (status == "processing" || status == "requires_capture") {
    outcome.state = ChargeState::kProcessing;
    return outcome;
  }
  const std::string code =
      CodeOr(text("last_payment_error.decline_code"), CodeOr(text("last_payment_error.code"), ""));
  if (!code.empty()) return Declined(outcome.payment_intent_id, code);
  // Nobody is there to act.
  if (status == "requires_action") {
    return Declined(outcome.payment_intent_id, "authentication_required");
  }
  return Declined(outcome.payment_intent_id, CodeOr(status, "declined"));
}

ChargeOutcome ReadCharge(const absl::StatusOr<JsonDocument>& answer) {
  if (answer.ok()) return ReadIntent(*answer, "");
  if (Reason(answer.status()) == "STRIPE_REFUSED") return ReadRefusal(answer.status());
  // Stripe repeats a 5xx under the same key, whether or not it had charged.
  const std::string http_status = ReasonMetadata(answer.status(), "http_status");
  return {.needs_look_up = !http_status.empty() && http_status[0] == '5'};
}

}  // namespace gatehouse::billing
