#include "services/billing/fraction.h"

#include <gtest/gtest.h>

namespace gatehouse::billing {
namespace {

Fraction Of(const std::string& decimal) {
  const auto fraction = Fraction::Parse(decimal);
  EXPECT_TRUE(fraction) << decimal;
  return fraction.value_or(Fraction());
}

TEST(FractionTest, DecimalsAreReadExactly) {
  EXPECT_EQ((Of("0.1") * 10).Rounded(), 1);
  EXPECT_EQ((Of("0.1") + Of("0.2") - Of("0.3")).IsZero(), true);
  EXPECT_EQ((Of("1.25E1") * 100).Rounded(), 1250);
  EXPECT_EQ((Of("-1e-2") * 10000).Rounded(), -100);
  EXPECT_EQ(Of("999999999999.000000000001").Rounded(), 999999999999);
  for (const char* bad : {"", "-", ".", "1.2.3", "1e", "1e19", "Infinity", "0x1", " 1", "1,5",
                          "1234567890123456789012345678901"}) {
    EXPECT_FALSE(Fraction::Parse(bad)) << bad;
  }
}

TEST(FractionTest, HalvesAreRoundedUp) {
  EXPECT_EQ((Fraction(1) / 2).Rounded(), 1);
  EXPECT_EQ((Fraction(-1) / 2).Rounded(), 0);
  EXPECT_EQ((Fraction(1) / 3).Rounded(), 0);
  EXPECT_EQ((Fraction(5) / 2).Rounded(), 3);
  EXPECT_EQ((Fraction(-5) / 2).Floor().Rounded(), -3);
  EXPECT_EQ((Fraction(-5) / 2).Ceiling().Rounded(), -2);
  EXPECT_EQ((Fraction(7) / 7).Ceiling().Rounded(), 1);
}

TEST(FractionTest, NothingIsLostByDividingFirst) {
  EXPECT_EQ((Fraction(365) / 7 * 7).Rounded(), 365);
  EXPECT_TRUE((Fraction(1) / 3 + Fraction(2) / 3 - 1).IsZero());
}

TEST(FractionTest, WhatDoesNotFitIsNoFraction) {
  const Fraction large = Of("1e18") * Of("1e18");
  EXPECT_EQ(large.Rounded(), std::nullopt) << "above 64 bits";
  EXPECT_EQ((large * large).Rounded(), std::nullopt);
  EXPECT_EQ((large * large * 0).Rounded(), std::nullopt) << "stays none";
  EXPECT_FALSE((large * large - 1).IsNegative());
  EXPECT_EQ((Fraction(1) / 0).Rounded(), std::nullopt);
  EXPECT_EQ((Fraction(1) / 0 + 1).Rounded(), std::nullopt);
  EXPECT_EQ((Fraction(1) / 0).Floor().Rounded(), std::nullopt);
  EXPECT_FALSE((Fraction(0) / 0).IsZero());
  EXPECT_EQ(Fraction(INT64_MAX).Rounded(), INT64_MAX);
  EXPECT_EQ((Fraction(INT64_MAX) + 1).Rounded(), std::nullopt);
}

}  // namespace
}  // namespace gatehouse::billing
