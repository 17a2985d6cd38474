// Nanos of the currency unit to cents and decimal text, in whole numbers only.
// The one place where the edge rounds money.
#pragma once

#include <cstdint>
#include <string>

namespace gatehouse::gateway {

inline constexpr std::int64_t kNanosPerCent = 10'000'000;

// Towards minus infinity: a balance is never shown higher than it is.
std::int64_t FloorCents(std::int64_t nanos);

// Towards plus infinity: what is required is never shown lower than it is.
std::int64_t CeilCents(std::int64_t nanos);

// What an entry of `amount` did to a balance that is shown in whole cents, so
// that the cents of a ledger add up to the cents of its balance.
std::int64_t EntryCents(std::int64_t amount_nanos, std::int64_t balance_after_nanos);

// A JSON number of units: 5000 → "50.0", 2 → "0.02", -150 → "-1.5".
std::string DollarsText(std::int64_t cents);

// The same for nanos, exactly: 20000000 → "0.02", 1 → "0.000000001".
std::string ExactDollarsText(std::int64_t nanos);

}  // namespace gatehouse::gateway
