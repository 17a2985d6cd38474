// An event that Stripe posted: its signature, its parts, and what came of it. Pure. Not
// the handling (event_handlers.h) and not the SQL (event_inbox.h).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "libs/base/clock.h"
#include "services/billing/json_document.h"

namespace gatehouse::billing {

inline constexpr std::chrono::seconds kSignatureTolerance{300};

// Checks the header "t=…,v1=…[,v1=…]" (Stripe's webhook signatures, scheme v1: the
// HMAC-SHA256 of "t.payload") against any of `secrets`, in constant time, and t against
// `now`, kSignatureTolerance both ways. INVALID_ARGUMENT / SIGNATURE_INVALID.
absl::Status CheckSignature(std::string_view payload, std::string_view header,
                            const std::vector<std::string>& secrets, Time now);

// Whether `text` can be one of Stripe's ids: 1 to 255 of [A-Za-z0-9_-].
bool IsStripeId(const std::string& text);

struct StripeEvent {
  std::string id;         // "evt_…"
  std::string type;       // "checkout.session.completed"
  Time create_time;       // Stripe's; whole seconds. 0 when the event names none.
  JsonDocument document;  // The whole event; what it is about is at "data.object".
};

// INVALID_ARGUMENT / EVENT_MALFORMED without id, type or data.object.
absl::StatusOr<StripeEvent> ParseStripeEvent(std::string_view payload);

struct EventOutcome {
  std::string status;  // processed, ignored, deferred
  std::string reason = {};
  std::int64_t tenant_id = 0;     // 0: nobody.
  std::int64_t amount_nanos = 0;  // Booked; negative out of the reserve.
  std::string entry_id = {};
};

}  // namespace gatehouse::billing
