// What became of a charge without the customer, by what Stripe's API said of it. Pure.
// Not what follows from it (auto_topup.h).
#pragma once

#include <cstdint>
#include <string>

#include "libs/status/status.h"
#include "services/billing/json_document.h"

namespace gatehouse::billing {

enum class ChargeState {
  kSucceeded,
  kProcessing,  // Stripe will tell.
  kDeclined,    // No money moved, and none will.
  kUnknown,     // To be asked again.
};

struct ChargeOutcome {
  ChargeState state = ChargeState::kUnknown;
  std::string payment_intent_id = {};  // Empty when Stripe names none.
  std::int64_t amount_nanos = 0;       // What was paid.
  std::string failure = {};            // Of a declined one: Stripe's code, "insufficient_funds".
  // The tenant has to act: the same method would be declined again.
  bool is_final = false;
  // To ask again under the same key is no use; whether there was a charge is to be
  // looked up.
  bool needs_look_up = false;
};

// Whether after a decline for this the card networks forbid another try, or the customer
// must be there.
bool IsFinalDecline(const std::string& code);

// Of an answer to POST /v1/payment_intents or GET …/{id}.
ChargeOutcome ReadCharge(const absl::StatusOr<JsonDocument>& answer);

// Of the payment intent at `path` of a document; "" for the document itself.
ChargeOutcome ReadIntent(const JsonDocument& document, const std::string& path);

}  // namespace gatehouse::billing
