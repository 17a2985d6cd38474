// Exact fractions, for amounts that are rounded once at the end. Not a number type for
// balances (money.h): what does not fit into 128 bits is no fraction any more.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace gatehouse::billing {

// Pure. Once a result did not fit, or something was divided by zero, it and whatever is
// made of it is no fraction, and Rounded says so.
class Fraction {
 public:
  Fraction() = default;                          // 0
  Fraction(std::int64_t whole) : top_(whole) {}  // NOLINT: a whole number is a fraction.

  // A decimal number of at most 30 digits, perhaps with an exponent within ±18: "10.5",
  // "1.25E1". nullopt for other texts.
  static std::optional<Fraction> Parse(const std::string& decimal);

  Fraction operator+(const Fraction& other) const;
  Fraction operator-(const Fraction& other) const;
  Fraction operator*(const Fraction& other) const;
  Fraction operator/(const Fraction& other) const;

  // False for what is no fraction.
  bool IsNegative() const { return bottom_ != 0 && top_ < 0; }
  bool IsZero() const { return bottom_ != 0 && top_ == 0; }

  // The next whole number, of two equally near the one above. nullopt when it does not fit.
  std::optional<std::int64_t> Rounded() const;
  // The next whole number not above it; not below it.
  Fraction Floor() const;
  Fraction Ceiling() const;

 private:
  __extension__ using Wide = __int128;
  static Fraction Of(Wide top, Wide bottom);
  static Fraction None() { return Of(0, 0); }

  Wide top_ = 0;
  Wide bottom_ = 1;  // Positive; 0: no fraction. Without a common divisor with top_.
};

}  // namespace gatehouse::billing
