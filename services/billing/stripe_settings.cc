#include "services/billing/stripe_settings.h"

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"

namespace gatehouse::billing {
namespace {

// It goes into a header line.
std::string CheckKey(const std::string& value) {
  for (const unsigned char c : value) {
    if (c <= ' ' || c > '~') return "must be printable characters without blanks";
  }
  return "";
}

std::string CheckPublicUrl(const std::string& value) {
  const bool has_scheme = absl::StartsWith(value, "https://") || absl::StartsWith(value, "http://");
  if (!has_scheme || value.find_first_of("?# \t\r\n\"<>") != std::string::npos) {
    return "must be an http:// or https:// address without a query";
  }
  return "";
}

}  // namespace

std::vector<config::Setting> StripeSettings() {
  return {
      {.name = "STRIPE_SECRET_KEY",
       .help = "The key of Stripe's API; without it nobody can pay.",
       .secret = true,
       .check = CheckKey},
      {.name = "STRIPE_WEBHOOK_SECRET",
       .help = "What Stripe signs its events with; several by commas while it is rotated. Without "
               "it no event is taken.",
       .secret = true},
      {.name = "STRIPE_API_BASE",
       .help = "Where Stripe's API is.",
       .fallback = "https://api.stripe.com",
       .check = CheckStripeBase},
      {.name = "STRIPE_PUBLISHABLE_KEY",
       .help = "Accepted, so that one file of settings serves web pages, too; not used here."},
      {.name = "PUBLIC_URL",
       .help = "Where browsers reach the gateway: they come back to it from Stripe's pages.",
       .fallback = "http://127.0.0.1:8000",
       .check = CheckPublicUrl},
  };
}

std::unique_ptr<StripeClient> MakeStripeClient(const config::Settings& settings) {
  StripeOptions options;
  options.api_base = settings.Text("STRIPE_API_BASE");
  options.secret_key = settings.Text("STRIPE_SECRET_KEY");
  if (options.secret_key.empty()) return nullptr;
  return std::make_unique<StripeClient>(std::move(options));
}

std::vector<std::string> WebhookSecrets(const config::Settings& settings) {
  std::vector<std::string> secrets;
  for (absl::string_view part :
       absl::StrSplit(settings.Text("STRIPE_WEBHOOK_SECRET"), ',', absl::SkipWhitespace())) {
    secrets.emplace_back(absl::StripAsciiWhitespace(part));
  }
  return secrets;
}

}  // namespace gatehouse::billing
