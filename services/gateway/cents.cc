#include "services/gateway/cents.h"

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

}  // namespace gatehouse::gateway
