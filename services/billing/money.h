// Amounts of money as whole nanos (1e-9) of a US dollar, and the one place where
// a price is rounded. Not a currency converter and never floating point.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace gatehouse::billing {

inline constexpr char kCurrency[] = "USD";
inline constexpr std::int64_t kNanosPerCent = 10'000'000;
// The largest single amount, a million dollars. With the bounds that the schema
// puts on balances, adding one to a balance cannot overflow.
inline constexpr std::int64_t kAmountMaxNanos = 1'000'000'000'000'000;

// ceil(quantity * unit_nanos / per_units). nullopt above kAmountMaxNanos. Needs
// quantity >= 0, unit_nanos >= 0 and per_units > 0.
std::optional<std::int64_t> RoundedCost(std::int64_t quantity, std::int64_t unit_nanos,
                                        std::int64_t per_units);

// Whole cents, rounded down: a balance never looks larger than it is.
std::int64_t FloorCents(std::int64_t nanos);

// "0.02 USD", "-1.50 USD": whole cents, rounded down. For people.
std::string FormatDollars(std::int64_t nanos);

}  // namespace gatehouse::billing
