// Calls Stripe's API: form-encoded requests, JSON answers. Not what is asked for
// (checkout.h, auto_topup.h), and not the webhook (stripe_event.h).
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "libs/base/clock.h"
#include "libs/status/status.h"
#include "services/billing/json_document.h"

namespace gatehouse::billing {

struct StripeOptions {
  std::string api_base = "https://api.stripe.com";  // As CheckStripeBase wants it.
  std::string secret_key;                           // secret
  std::chrono::milliseconds timeout{10000};         // Of one call with its retries.
};

// Names as Stripe nests them ("metadata[tenant_id]"), in order.
using StripeForm = std::vector<std::pair<std::string, std::string>>;

struct StripeCall {
  // Ends the call before StripeOptions::timeout does.
  SteadyTime deadline = SteadyTime::max();
  // Asked about once a second while the call waits; true ends it as unavailable.
  std::function<bool()> is_cancelled = nullptr;
};

// What is wrong with an address of the API, as in "must be …"; "" when nothing. https,
// or http to this machine only: anything else would carry the key in clear.
std::string CheckStripeBase(const std::string& api_base);

// Thread-safe; calls block. Errors:
// - FAILED_PRECONDITION / STRIPE_REFUSED: Stripe did nothing. Metadata: http_status and,
//   where Stripe tells them, type, code, decline_code, param and payment_intent.
// - UNAVAILABLE / STRIPE_UNAVAILABLE: nobody knows whether Stripe did it, or (409, 429) it
//   may be asked again. Was retried up to twice within the deadline, safe by the
//   idempotency key, unless Stripe only repeats what it said under that key. Metadata:
//   http_status when there was an answer.
// Neither holds the secret key or what was sent.
class StripeClient {
 public:
  explicit StripeClient(StripeOptions options);
  ~StripeClient();

  // `path`: "/v1/customers". The same key with the same form is done once, as long as
  // Stripe remembers the key (at least 24 hours).
  absl::StatusOr<JsonDocument> Post(const std::string& path, const StripeForm& form,
                                    const std::string& idempotency_key,
                                    const StripeCall& call = {});

  absl::StatusOr<JsonDocument> Get(const std::string& path, const StripeForm& query = {},
                                   const StripeCall& call = {});

 private:
  struct Request;
  struct Impl;
  absl::StatusOr<JsonDocument> Send(const Request& request, const StripeCall& call);

  const StripeOptions options_;
  std::unique_ptr<Impl> impl_;
};

// application/x-www-form-urlencoded. Pure.
std::string EncodeForm(const StripeForm& form);

}  // namespace gatehouse::billing
