#include "services/billing/money.h"

#include "absl/strings/str_format.h"

namespace gatehouse::billing {

__extension__ using Int128 = __int128;

std::optional<std::int64_t> RoundedCost(std::int64_t quantity, std::int64_t unit_nanos,
                                        std::int64_t per_units) {
  const Int128 product = static_cast<Int128>(quantity) * unit_nanos;
  const Int128 cost = product / per_units + (product % per_units == 0 ? 0 : 1);
  if (cost > kAmountMaxNanos) return std::nullopt;
  return static_cast<std::int64_t>(cost);
}

std::int64_t FloorCents(std::int64_t nanos) {
  const std::int64_t cents = nanos / kNanosPerCent;
  return nanos % kNanosPerCent < 0 ? cents - 1 : cents;
}

std::string FormatDollars(std::int64_t nanos) {
  const std::int64_t cents = FloorCents(nanos);
  const std::int64_t magnitude = cents < 0 ? -cents : cents;
  return absl::StrFormat("%s%d.%02d %s", cents < 0 ? "-" : "", magnitude / 100, magnitude % 100,
                         kCurrency);
}

}  // namespace gatehouse::billing
