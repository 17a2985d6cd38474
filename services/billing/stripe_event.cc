#include "services/billing/stripe_event.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "absl/strings/str_cat.h"
#include "libs/base/secret.h"

namespace gatehouse::billing {
namespace {

constexpr std::size_t kIdBytesMax = 255;
constexpr std::size_t kTypeBytesMax = 128;
// What Time can hold, in seconds; about the year 2262.
constexpr std::int64_t kSecondsMax = 9'000'000'000;

absl::Status SignatureInvalid(const char* why) {
  return Error(absl::StatusCode::kInvalidArgument, "SIGNATURE_INVALID", why);
}

absl::Status Malformed(const char* why) {
  return Error(absl::StatusCode::kInvalidArgument, "EVENT_MALFORMED", why);
}

std::optional<std::int64_t> ParseSeconds(std::string_view text) {
  const bool digits =
      std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
  std::int64_t seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (!digits || error != std::errc() || seconds > kSecondsMax) return std::nullopt;
  return seconds;
}

struct Signature {
  std::string time_text;  // As it was signed.
  std::int64_t seconds = 0;
  std::vector<std::string> v1;
};

// Other schemes (v0 is Stripe's for tests) are passed over.
std::optional<Signature> ParseHeader(std::string_view header) {
  Signature signature;
  while (true) {
    const std::size_t comma = header.find(',');
    const std::string_view part = header.substr(0, comma);
    const std::size_t equals = part.find('=');
    if (equals == std::string_view::npos) return std::nullopt;
    const std::string_view name = part.substr(0, equals);
    const std::string_view value = part.substr(equals + 1);
    if (name == "t") {
      const std::optional<std::int64_t> seconds = ParseSeconds(value);
      if (!seconds || !signature.time_text.empty()) return std::nullopt;
      signature.seconds = *seconds;
      signature.time_text = value;
    } else if (name == "v1") {
      signature.v1.emplace_back(value);
    }
    if (comma == std::string_view::npos) break;
    header.remove_prefix(comma + 1);
  }
  if (signature.time_text.empty()) return std::nullopt;
  return signature;
}

bool IsType(const std::string& text) {
  return !text.empty() && text.size() <= kTypeBytesMax &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
         });
}

}  // namespace

absl::Status CheckSignature(std::string_view payload, std::string_view header,
                            const std::vector<std::string>& secrets, Time now) {
  const std::optional<Signature> signature = ParseHeader(header);
  if (!signature) return SignatureInvalid("the header Stripe-Signature is missing or malformed");
  const std::string signed_text = absl::StrCat(signature->time_text, ".", std::string(payload));
  bool right = false;
  for (const std::string& secret : secrets) {
    if (secret.empty()) continue;  // Anyone could sign with it.
    const std::string expected = HexEncode(HmacSha256(secret, signed_text));
    // Every one is compared, so that time tells nothing about which one was near.
    for (const std::string& v1 : signature->v1) right |= ConstantTimeEquals(expected, v1);
  }
  if (!right) return SignatureInvalid("no signature of the payload is right");
  // Whole seconds, as Stripe's own libraries count.
  const auto age = std::chrono::floor<std::chrono::seconds>(now.time_since_epoch()) -
                   std::chrono::seconds(signature->seconds);
  if (age > kSignatureTolerance || age < -kSignatureTolerance) {
    return SignatureInvalid("the signature's time is too far from now");
  }
  return absl::OkStatus();
}

bool IsStripeId(const std::string& text) {
  return !text.empty() && text.size() <= kIdBytesMax &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '_' || c == '-';
         });
}

absl::StatusOr<StripeEvent> ParseStripeEvent(std::string_view payload) {
  absl::StatusOr<JsonDocument> document = JsonDocument::Parse(payload);
  if (!document.ok()) return Malformed("the event must be a JSON object in UTF-8");
  const std::string id = document->Text("id").value_or("");
  const std::string type = document->Text("type").value_or("");
  if (!IsStripeId(id)) return Malformed("the event must have an id");
  if (!IsType(type)) return Malformed("the event must have a type");
  if (!document->HasObject("data.object")) return Malformed("the event must have data.object");
  const std::int64_t seconds = document->Int("created").value_or(0);
  if (seconds < 0 || seconds > kSecondsMax) return Malformed("the event's time is impossible");
  return StripeEvent{.id = id,
                     .type = type,
                     .create_time = Time(std::chrono::seconds(seconds)),
                     .document = *std::move(document)};
}

}  // namespace gatehouse::billing
