#include "services/billing/price.h"

#include <cstdint>

#include "gtest/gtest.h"
#include "services/billing/money.h"
#include "services/billing/price_book.h"

namespace gatehouse::billing {
namespace {

TEST(MoneyTest, RoundsAPriceUpToAWholeNano) {
  EXPECT_EQ(RoundedCost(0, 150'000'000, 1'000'000), 0);
  EXPECT_EQ(RoundedCost(1, 150'000'000, 1'000'000), 150);
  EXPECT_EQ(RoundedCost(1, 1, 1'000'000), 1) << "what is not free is never free";
  EXPECT_EQ(RoundedCost(1'000'000, 1, 1'000'000), 1);
  EXPECT_EQ(RoundedCost(1'000'001, 1, 1'000'000), 2);
  EXPECT_EQ(RoundedCost(7, 20'000'000, 1), 140'000'000);
}

TEST(MoneyTest, ComputesBeyond64Bits) {
  EXPECT_EQ(RoundedCost(INT64_MAX, 100, INT64_MAX), 100);
  EXPECT_EQ(RoundedCost(INT64_MAX, INT64_MAX, INT64_MAX), std::nullopt) << "above the largest";
  EXPECT_EQ(RoundedCost(INT64_MAX, INT64_MAX, 1), std::nullopt);
  EXPECT_EQ(RoundedCost(kAmountMaxNanos, 1, 1), kAmountMaxNanos);
  EXPECT_EQ(RoundedCost(kAmountMaxNanos + 1, 1, 1), std::nullopt);
}

TEST(MoneyTest, ShowsCentsRoundedDown) {
  EXPECT_EQ(FormatDollars(0), "0.00 USD");
  EXPECT_EQ(FormatDollars(20'000'000), "0.02 USD");
  EXPECT_EQ(FormatDollars(19'999'999), "0.01 USD");
  EXPECT_EQ(FormatDollars(-1), "-0.01 USD");
  EXPECT_EQ(FormatDollars(-1'500'000'000), "-1.50 USD");
  EXPECT_EQ(FormatDollars(1'234'560'000'000), "1234.56 USD");
  EXPECT_EQ(FloorCents(INT64_MIN), -922'337'203'686);
}

const std::vector<UsageLine> kLines = {{"prompt_tokens", "local/tiny", 3},
                                       {"per_job", "text.stats", 2}};

PriceBook BookOf(const Price& tokens, const Price& jobs) {
  return {.version = 4,
          .prices = {{{"prompt_tokens", "local/tiny"}, tokens}, {{"per_job", "text.stats"}, jobs}}};
}

TEST(PriceTest, AddsLinesThatWereRoundedOneByOne) {
  const PriceBook book = BookOf(Price{1, 2}, Price{20'000'000, 1});
  const absl::StatusOr<Quote> quote = QuoteLines(kLines, book);
  ASSERT_TRUE(quote.ok()) << quote.status();
  EXPECT_EQ(quote->line_nanos, (std::vector<std::int64_t>{2, 40'000'000}));
  EXPECT_EQ(quote->amount_nanos, 40'000'002);
  EXPECT_EQ(quote->price_version, 4);
  EXPECT_EQ(Summary(*quote), "3 prompt_tokens of local/tiny and 1 more");
}

TEST(PriceTest, NamesTheLineWithoutAPrice) {
  PriceBook book = BookOf(Price{1, 2}, Price{});
  book.prices.erase({"per_job", "text.stats"});
  const absl::Status status = QuoteLines(kLines, book).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Reason(status), "PRICE_UNKNOWN");
  EXPECT_EQ(FieldViolations(status).count("lines[1]"), 1u);
}

TEST(PriceTest, RefusesMoreThanTheLargestAmount) {
  const PriceBook book = BookOf(Price{kAmountMaxNanos / 3, 1}, Price{kAmountMaxNanos / 2, 1});
  EXPECT_EQ(Reason(QuoteLines(kLines, book).status()), "AMOUNT_OUT_OF_RANGE")
      << "each line fits, the sum does not";
}

TEST(PriceTest, NothingCostsNothing) {
  const absl::StatusOr<Quote> quote = QuoteLines({}, PriceBook{.version = 4, .prices = {}});
  ASSERT_TRUE(quote.ok());
  EXPECT_EQ(quote->amount_nanos, 0);
  EXPECT_EQ(quote->price_version, 0);
  EXPECT_EQ(Summary(*quote), "");
}

}  // namespace
}  // namespace gatehouse::billing
