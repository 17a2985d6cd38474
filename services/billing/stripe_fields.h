// What the objects in Stripe's events say, in this service's terms. Pure. Not JSON in
// general (json_document.h).
#pragma once

#include <optional>
#include <string>

#include "services/billing/stripe_event.h"

namespace gatehouse::billing {

// INVALID_ARGUMENT / EVENT_MALFORMED.
absl::Status EventMalformed(const std::string& why);

// Of what the event is about; all paths are within data.object.

// An amount of whole cents in nanos. EVENT_MALFORMED unless it is in [0, kAmountMaxNanos].
absl::StatusOr<std::int64_t> AmountAt(const StripeEvent& event, const std::string& path);
// An id, named or written out. EVENT_MALFORMED when there is none.
absl::StatusOr<std::string> IdAt(const StripeEvent& event, const std::string& path);
// The same, empty when there is none.
std::string IdOrEmpty(const StripeEvent& event, const std::string& path);
// Text, empty when there is none.
std::string TextAt(const StripeEvent& event, const std::string& path);

// Whether its currency is the one that reserves are kept in.
bool IsInOurCurrency(const StripeEvent& event);

// metadata.purpose, and the tenant that metadata.tenant_id names when it is a number above 0.
std::string PurposeOf(const StripeEvent& event);
std::optional<std::int64_t> TenantOf(const StripeEvent& event);

inline constexpr char kReserveTopup[] = "reserve_topup";
inline constexpr char kAutoTopup[] = "auto_topup";

}  // namespace gatehouse::billing
