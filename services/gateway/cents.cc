#include "services/gateway/cents.h"

#include <algorithm>

namespace gatehouse::gateway {

std::int64_t FloorCents(std::int64_t nanos) {
  const std::int64_t cents = nanos / kNanosPerCent;
  return nanos % kNanosPerCent < 0 ? cents - 1 : cents;
}

std::int64_t CeilCents(std::int64_t nanos) {
  const std::int64_t cents = nanos / kNanosPerCent;
  return nanos % kNanosPerCent > 0 ? cents + 1 : cents;
}

std::int64_t EntryCents(std::int64_t amount_nanos, std::int64_t balance_after_nanos) {
  return FloorCents(balance_after_nanos) - FloorCents(balance_after_nanos - amount_nanos);
}

std::string DollarsText(std::int64_t cents) {
  // Negated digit by digit, so that the least number needs no positive twin.
  const std::int64_t units = cents / 100;
  const std::int64_t rest = cents % 100 < 0 ? -(cents % 100) : cents % 100;
  std::string text = units == 0 && cents < 0 ? "-0" : std::to_string(units);
  text += '.';
  text += static_cast<char>('0' + rest / 10);
  if (rest % 10 != 0) text += static_cast<char>('0' + rest % 10);
  return text;
}

std::string ExactDollarsText(std::int64_t nanos) {
  constexpr std::int64_t kNanosPerDollar = 100 * kNanosPerCent;
  constexpr std::size_t kDecimals = 9;
  const std::int64_t units = nanos / kNanosPerDollar;
  const std::int64_t rest = nanos % kNanosPerDollar;
  std::string decimals = std::to_string(rest < 0 ? -rest : rest);
  decimals.insert(0, kDecimals - decimals.size(), '0');
  decimals.resize(std::max<std::size_t>(decimals.find_last_not_of('0') + 1, 1));
  return (units == 0 && nanos < 0 ? "-0" : std::to_string(units)) + '.' + decimals;
}

}  // namespace gatehouse::gateway
