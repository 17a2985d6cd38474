#include "services/billing/stripe_answer.h"

#include <map>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "services/billing/stripe_client.h"

namespace gatehouse::billing {
namespace {

constexpr std::size_t kTextBytesMax = 300;

absl::Status Unavailable(const std::string& message, long http_status) {
  std::map<std::string, std::string> metadata;
  if (http_status > 0) metadata["http_status"] = absl::StrCat(http_status);
  return Error(absl::StatusCode::kUnavailable, "STRIPE_UNAVAILABLE", message, metadata);
}

bool IsRetryable(long http_status) {
  return http_status == 409 || http_status == 429 || http_status >= 500;
}

absl::Status Refused(const StripeAnswer& answer) {
  std::map<std::string, std::string> metadata = {{"http_status", absl::StrCat(answer.http_status)}};
  std::string why = absl::StrCat("status ", answer.http_status);
  if (const auto document = JsonDocument::Parse(answer.body); document.ok()) {
    for (const char* name : {"type", "code", "decline_code", "param"}) {
      const auto text = document->Text(absl::StrCat("error.", name));
      if (text) metadata[name] = ForPeople(*text);
    }
    const auto intent = document->Id("error.payment_intent");
    if (intent) metadata["payment_intent"] = ForPeople(*intent);
    // What it says of a wrong key may show a part of the key.
    const bool is_of_key = answer.http_status == 401 || answer.http_status == 403;
    const auto message = document->Text("error.message");
    if (message && !is_of_key) why = ForPeople(*message);
  }
  return Error(absl::StatusCode::kFailedPrecondition, "STRIPE_REFUSED",
               absl::StrCat("Stripe refused: ", why), metadata);
}

bool IsUnreserved(unsigned char c) {
  return absl::ascii_isalnum(c) || c == '-' || c == '.' || c == '_' || c == '~';
}

void AppendEncoded(const std::string& text, std::string* encoded) {
  constexpr char kHex[] = "0123456789ABCDEF";
  for (const unsigned char c : text) {
    if (IsUnreserved(c)) {
      encoded->push_back(static_cast<char>(c));
    } else {
      encoded->append({'%', kHex[c >> 4], kHex[c & 15]});
    }
  }
}

// The host of "127.0.0.1:8080", "[::1]", "localhost".
absl::string_view HostOf(absl::string_view authority) {
  if (absl::StartsWith(authority, "[")) return authority.substr(0, authority.find(']') + 1);
  return authority.substr(0, authority.find(':'));
}

// By name, not by what it resolves to.
bool IsThisMachine(absl::string_view host) {
  if (host == "localhost" || host == "[::1]") return true;
  return absl::StartsWith(host, "127.") &&
         host.find_first_not_of("0123456789.") == absl::string_view::npos;
}

}  // namespace

std::string ForPeople(const std::string& text) {
  std::string clean;
  for (const unsigned char c : text) {
    if (clean.size() == kTextBytesMax) break;
    clean.push_back(absl::ascii_isprint(c) ? static_cast<char>(c) : '?');
  }
  return clean;
}

bool IsCustomerMissing(const absl::Status& status) {
  return ReasonMetadata(status, "code") == "resource_missing" &&
         ReasonMetadata(status, "param") == "customer";
}

bool IsServerError(const absl::Status& status) {
  return absl::StartsWith(ReasonMetadata(status, "http_status"), "5");
}

absl::Status StripeTimeout() { return Unavailable("Stripe did not answer in time", 0); }

absl::StatusOr<JsonDocument> ReadStripeAnswer(const StripeAnswer& answer) {
  const long status = answer.http_status;
  if (status == 0) {
    return Unavailable("Stripe did not answer: " + answer.transport_error, status);
  }
  if (status >= 200 && status < 300) {
    absl::StatusOr<JsonDocument> document = JsonDocument::Parse(answer.body);
    // It was done, but nobody can read what.
    if (!document.ok()) return Unavailable("Stripe's answer cannot be read", status);
    return document;
  }
  if (status >= 400 && !IsRetryable(status)) return Refused(answer);
  return Unavailable(absl::StrCat("Stripe answered with status ", status), status);
}

std::string EncodeForm(const StripeForm& form) {
  std::string encoded;
  for (const auto& [name, value] : form) {
    if (!encoded.empty()) encoded.push_back('&');
    AppendEncoded(name, &encoded);
    encoded.push_back('=');
    AppendEncoded(value, &encoded);
  }
  return encoded;
}

std::string CheckStripeBase(const std::string& api_base) {
  constexpr char kRule[] = "must be an https:// address, or http:// of this machine";
  absl::string_view rest = api_base;
  const bool is_clear = absl::ConsumePrefix(&rest, "http://");
  if (!is_clear && !absl::ConsumePrefix(&rest, "https://")) return kRule;
  rest = absl::StripSuffix(rest, "/");
  // Neither a user, whose name could pose as the host, nor a path, nor blanks.
  if (rest.empty() || rest.find_first_of("@/?#\\ \t\r\n") != absl::string_view::npos) return kRule;
  if (is_clear && !IsThisMachine(HostOf(rest))) return kRule;
  return "";
}

}  // namespace gatehouse::billing
