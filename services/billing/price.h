// Usage, prices and what usage costs. Pure: prices come in. The book of prices
// is in price_store.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "libs/status/status.h"

namespace gatehouse::billing {

// A quantity of something that has a price.
struct UsageLine {
  std::string line_type;  // "per_job"
  std::string resource;   // "text.stats"
  std::int64_t quantity = 0;
};

// What `per_units` units cost.
struct Price {
  std::int64_t unit_nanos = 0;
  std::int64_t per_units = 1;
};

// The prices of some lines, in their order, as of one version of the book.
struct PriceList {
  int version = 0;
  std::vector<std::optional<Price>> prices;  // nullopt: the book has none.
};

// What some lines cost at one version of the book.
struct Quote {
  int price_version = 0;  // 0 when there are no lines.
  std::vector<UsageLine> lines;
  std::vector<std::int64_t> line_nanos;  // One per line.
  std::int64_t amount_nanos = 0;         // Their sum.
};

// Prices each line, rounding each up to a whole nano. `list` has a price per
// line. INVALID_ARGUMENT / PRICE_UNKNOWN, with the line as the field, or
// AMOUNT_OUT_OF_RANGE above kAmountMaxNanos in all.
absl::StatusOr<Quote> QuoteLines(const std::vector<UsageLine>& lines, const PriceList& list);

// "1 per_job of text.stats and 2 more lines": the quote for people; "" for none.
std::string Summary(const Quote& quote);

}  // namespace gatehouse::billing
