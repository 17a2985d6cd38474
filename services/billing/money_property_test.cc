// Prices against arithmetic that shares nothing with the program: schoolbook products of
// 32-bit digits, and the definition of a quotient that is rounded up.
#include <algorithm>
#include <array>
#include <cstdint>
#include <random>
#include <vector>

#include "gtest/gtest.h"
#include "services/billing/money.h"
#include "services/billing/price_book.h"

namespace gatehouse::billing {
namespace {

using Wide = std::array<std::uint32_t, 4>;  // The lowest digit first.

Wide Product(std::int64_t a, std::int64_t b) {
  const std::uint64_t left[2] = {static_cast<std::uint64_t>(a) & 0xffffffffu,
                                 static_cast<std::uint64_t>(a) >> 32};
  const std::uint64_t right[2] = {static_cast<std::uint64_t>(b) & 0xffffffffu,
                                  static_cast<std::uint64_t>(b) >> 32};
  Wide product{};
  for (int i = 0; i < 2; ++i) {
    std::uint64_t carry = 0;
    for (int j = 0; j < 2; ++j) {
      const std::uint64_t digit = product[i + j] + left[i] * right[j] + carry;
      product[i + j] = static_cast<std::uint32_t>(digit);
      carry = digit >> 32;
    }
    product[i + 2] = static_cast<std::uint32_t>(carry);
  }
  return product;
}

bool Less(const Wide& a, const Wide& b) {
  return std::lexicographical_compare(a.rbegin(), a.rend(), b.rbegin(), b.rend());
}

// (cost - 1) * per_units < quantity * unit_nanos <= cost * per_units.
void ExpectRight(std::int64_t quantity, std::int64_t unit_nanos, std::int64_t per_units) {
  const Wide exact = Product(quantity, unit_nanos);
  const std::optional<std::int64_t> cost = RoundedCost(quantity, unit_nanos, per_units);
  SCOPED_TRACE(::testing::Message() << quantity << " at " << unit_nanos << " per " << per_units);
  if (!cost) {
    EXPECT_TRUE(Less(Product(kAmountMaxNanos, per_units), exact)) << "refused below the largest";
    return;
  }
  EXPECT_GE(*cost, 0);
  EXPECT_LE(*cost, kAmountMaxNanos);
  EXPECT_FALSE(Less(Product(*cost, per_units), exact)) << *cost << " is too little";
  if (*cost > 0) {
    EXPECT_TRUE(Less(Product(*cost - 1, per_units), exact)) << *cost << " is too much";
  }
}

const std::vector<std::int64_t> kEdges = {0,
                                          1,
                                          2,
                                          3,
                                          9,
                                          10,
                                          999'999,
                                          1'000'000,
                                          1'000'001,
                                          (std::int64_t{1} << 31) - 1,
                                          std::int64_t{1} << 31,
                                          (std::int64_t{1} << 32) - 1,
                                          std::int64_t{1} << 32,
                                          (std::int64_t{1} << 32) + 1,
                                          1'000'000'000'000,
                                          kAmountMaxNanos - 1,
                                          kAmountMaxNanos,
                                          kAmountMaxNanos + 1,
                                          INT64_MAX - 1,
                                          INT64_MAX};

TEST(MoneyPropertyTest, TheDigitsOfTheTestAreRight) {
  EXPECT_EQ(Product(INT64_MAX, INT64_MAX), (Wide{1, 0, 0xffffffffu, 0x3fffffffu}));
  EXPECT_EQ(Product(3, std::int64_t{1} << 33), (Wide{0, 6, 0, 0}));
}

TEST(MoneyPropertyTest, EveryCombinationOfEdgesIsRoundedUpExactly) {
  for (const std::int64_t quantity : kEdges) {
    for (const std::int64_t unit : kEdges) {
      for (const std::int64_t per : kEdges) {
        if (per > 0) ExpectRight(quantity, unit, per);
      }
    }
  }
}

TEST(MoneyPropertyTest, RandomValuesOfEverySizeAreRoundedUpExactly) {
  std::mt19937_64 random(20'260'101);
  const auto any = [&] { return static_cast<std::int64_t>(random() >> (1 + random() % 63)); };
  for (int i = 0; i < 200'000; ++i) ExpectRight(any(), any(), std::max<std::int64_t>(any(), 1));
}

TEST(MoneyPropertyTest, ABillIsTheSumOfItsRoundedLinesAndNeverLess) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 2000; ++round) {
    PriceBook book{.version = 3, .prices = {}};
    std::vector<UsageLine> lines;
    std::int64_t sum = 0;
    for (std::uint64_t i = 0; i < 1 + random() % 8; ++i) {
      const std::string resource = "r" + std::to_string(i);
      const Price price{.unit_nanos = static_cast<std::int64_t>(random() % 1'000'000'000),
                        .per_units = 1 + static_cast<std::int64_t>(random() % 1'000'000)};
      book.prices[{"per_job", resource}] = price;
      lines.push_back({"per_job", resource, static_cast<std::int64_t>(random() % 10'000)});
      sum += *RoundedCost(lines.back().quantity, price.unit_nanos, price.per_units);
    }
    const absl::StatusOr<Quote> quote = QuoteLines(lines, book);
    ASSERT_TRUE(quote.ok()) << quote.status();
    EXPECT_EQ(quote->amount_nanos, sum);
    EXPECT_EQ(quote->line_nanos.size(), lines.size());
    // To split a line into two never makes it cheaper.
    const Price& price = book.prices.begin()->second;
    const std::int64_t whole = lines[0].quantity;
    EXPECT_LE(RoundedCost(whole, price.unit_nanos, price.per_units),
              *RoundedCost(whole / 2, price.unit_nanos, price.per_units) +
                  *RoundedCost(whole - whole / 2, price.unit_nanos, price.per_units));
  }
}

TEST(MoneyPropertyTest, CentsAreTheLargestThatFit) {
  std::mt19937_64 random(11);
  for (int i = 0; i < 100'000; ++i) {
    const auto nanos = static_cast<std::int64_t>(random()) >> (random() % 63);
    const std::int64_t cents = FloorCents(nanos);
    // Within a cent, without an overflow at the ends.
    EXPECT_TRUE(nanos / kNanosPerCent == cents || nanos / kNanosPerCent == cents + 1) << nanos;
    if (cents > INT64_MIN / kNanosPerCent) {
      EXPECT_LE(cents * kNanosPerCent, nanos);
      EXPECT_LT(nanos - cents * kNanosPerCent, kNanosPerCent);
    }
  }
}

}  // namespace
}  // namespace gatehouse::billing
