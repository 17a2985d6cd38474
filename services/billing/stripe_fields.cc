#include "services/billing/stripe_fields.h"

#include <charconv>

#include "services/billing/money.h"

namespace gatehouse::billing {
namespace {

std::string Full(const std::string& path) { return "data.object." + path; }

}  // namespace

absl::Status EventMalformed(const std::string& why) {
  return Error(absl::StatusCode::kInvalidArgument, "EVENT_MALFORMED", why);
}

absl::StatusOr<std::int64_t> AmountAt(const StripeEvent& event, const std::string& path) {
  const std::optional<std::int64_t> cents = event.document.Int(Full(path));
  if (!cents || *cents < 0 || *cents > kAmountMaxNanos / kNanosPerCent) {
    return EventMalformed(path + " must be whole cents of at most a million dollars");
  }
  return *cents * kNanosPerCent;
}

absl::StatusOr<std::string> IdAt(const StripeEvent& event, const std::string& path) {
  std::string id = event.document.Id(Full(path)).value_or("");
  if (!IsStripeId(id)) return EventMalformed(path + " must be an id");
  return id;
}

std::string IdOrEmpty(const StripeEvent& event, const std::string& path) {
  return IdAt(event, path).value_or("");
}

std::string TextAt(const StripeEvent& event, const std::string& path) {
  return event.document.Text(Full(path)).value_or("");
}

bool IsInOurCurrency(const StripeEvent& event) { return TextAt(event, "currency") == "usd"; }

std::string PurposeOf(const StripeEvent& event) { return TextAt(event, "metadata.purpose"); }

std::optional<std::int64_t> TenantOf(const StripeEvent& event) {
  const std::string text = TextAt(event, "metadata.tenant_id");
  std::int64_t tenant_id = 0;
  const char* const end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, tenant_id);
  if (error != std::errc() || at != end || tenant_id <= 0) return std::nullopt;
  return tenant_id;
}

}  // namespace gatehouse::billing
