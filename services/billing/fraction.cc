#include "services/billing/fraction.h"

#include <string_view>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"

namespace gatehouse::billing {
namespace {

__extension__ using Wide = __int128;

constexpr std::size_t kDigitsMax = 30;
constexpr int kExponentMax = 18;

Wide CommonDivisor(Wide a, Wide b) {
  if (a < 0) a = -a;
  while (b != 0) {
    const Wide rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}

Wide FloorOf(Wide top, Wide bottom) {
  const Wide quotient = top / bottom;
  return top % bottom < 0 ? quotient - 1 : quotient;
}

}  // namespace

Fraction Fraction::Of(Wide top, Wide bottom) {
  // The one number without a positive twin.
  constexpr Wide kLeast = Wide(1) << 127;
  Fraction fraction;
  if (top == kLeast || bottom == kLeast) top = bottom = 0;
  if (bottom < 0) {
    top = -top;
    bottom = -bottom;
  }
  const Wide divisor = bottom == 0 ? 1 : CommonDivisor(top, bottom);
  fraction.top_ = bottom == 0 ? 0 : top / divisor;
  fraction.bottom_ = bottom / divisor;
  return fraction;
}

std::optional<Fraction> Fraction::Parse(const std::string& decimal) {
  std::string_view text = decimal;
  int exponent = 0;
  if (const std::size_t mark = text.find_first_of("eE"); mark != std::string_view::npos) {
    const std::string_view power = text.substr(mark + 1);
    if (!absl::SimpleAtoi(absl::string_view(power.data(), power.size()), &exponent) ||
        exponent < -kExponentMax || exponent > kExponentMax) {
      return std::nullopt;
    }
    text = text.substr(0, mark);
  }
  const bool is_negative = !text.empty() && text.front() == '-';
  if (is_negative) text.remove_prefix(1);
  Wide top = 0;
  Wide bottom = 1;
  std::size_t digits = 0;
  bool after_point = false;
  for (const char c : text) {
    if (c == '.' && !after_point) {
      after_point = true;
      continue;
    }
    if (!absl::ascii_isdigit(static_cast<unsigned char>(c)) || ++digits > kDigitsMax) {
      return std::nullopt;
    }
    top = top * 10 + (c - '0');
    if (after_point) bottom *= 10;
  }
  if (digits == 0) return std::nullopt;
  Fraction fraction = Of(is_negative ? -top : top, bottom);
  for (; exponent > 0; --exponent) fraction = fraction * 10;
  for (; exponent < 0; ++exponent) fraction = fraction / 10;
  return fraction;
}

Fraction Fraction::operator+(const Fraction& other) const {
  Wide left, right, top, bottom;
  if (__builtin_mul_overflow(top_, other.bottom_, &left) ||
      __builtin_mul_overflow(other.top_, bottom_, &right) ||
      __builtin_add_overflow(left, right, &top) ||
      __builtin_mul_overflow(bottom_, other.bottom_, &bottom)) {
    return None();
  }
  return Of(top, bottom);
}

Fraction Fraction::operator-(const Fraction& other) const { return *this + other * -1; }

Fraction Fraction::operator*(const Fraction& other) const {
  Wide top, bottom;
  if (__builtin_mul_overflow(top_, other.top_, &top) ||
      __builtin_mul_overflow(bottom_, other.bottom_, &bottom)) {
    return None();
  }
  return Of(top, bottom);
}

Fraction Fraction::operator/(const Fraction& other) const {
  if (other.bottom_ == 0) return None();
  return *this * Of(other.bottom_, other.top_);
}

std::optional<std::int64_t> Fraction::Rounded() const {
  const Fraction up = *this + Of(1, 2);
  if (up.bottom_ == 0) return std::nullopt;
  const Wide whole = FloorOf(up.top_, up.bottom_);
  if (whole > INT64_MAX || whole < INT64_MIN) return std::nullopt;
  return static_cast<std::int64_t>(whole);
}

Fraction Fraction::Floor() const { return bottom_ == 0 ? None() : Of(FloorOf(top_, bottom_), 1); }

Fraction Fraction::Ceiling() const {
  return bottom_ == 0 ? None() : Of(-FloorOf(-top_, bottom_), 1);
}

}  // namespace gatehouse::billing
