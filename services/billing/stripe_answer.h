// What Stripe's API answered, as a document or an error of ours; and how requests are
// written. Pure. Not the transport (stripe_client.h).
#pragma once

#include <string>

#include "libs/status/status.h"
#include "services/billing/json_document.h"

namespace gatehouse::billing {

struct StripeAnswer {
  long http_status = 0;         // 0: there was none.
  std::string transport_error;  // Why there was none.
  std::string body;
  bool may_retry = true;  // False: asking again is no use, or this was said before.
};

// The document of an answer that says yes; otherwise as StripeClient documents it.
absl::StatusOr<JsonDocument> ReadStripeAnswer(const StripeAnswer& answer);

// Of what StripeClient returned. Whether Stripe refused since it has no such customer (any
// more); and whether it answered with a server error, which it repeats under the same key.
bool IsCustomerMissing(const absl::Status& status);
bool IsServerError(const absl::Status& status);

// UNAVAILABLE / STRIPE_UNAVAILABLE: the time was over before Stripe was asked.
absl::Status StripeTimeout();

// A text from Stripe for people: printable, at most 300 bytes.
std::string ForPeople(const std::string& text);

}  // namespace gatehouse::billing
