// Usage, prices and what usage costs: plain values. Which prices apply and how a line
// is priced is in price_book.h.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

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

// What some lines cost at one version of the book.
struct Quote {
  int price_version = 0;  // 0 when there are no lines.
  std::vector<UsageLine> lines;
  std::vector<std::int64_t> line_nanos;  // One per line.
  std::int64_t amount_nanos = 0;         // Their sum.
};

// "1 per_job of text.stats and 2 more lines": the quote for people; "" for none.
std::string Summary(const Quote& quote);

}  // namespace gatehouse::billing
