// Versions of the price book, whole and immutable, kept once they were read. Which of
// them is in force is the database's to say (kVersionInForce). Not what publishes them
// (price_service.h).
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "libs/pg/database.h"
#include "services/billing/price.h"

namespace gatehouse::billing {

// A scalar subquery: the version in force at now() of the database; NULL without one.
inline constexpr char kVersionInForce[] = R"(
(SELECT b.version FROM billing.price_books b WHERE b.effective_time <= now()
 ORDER BY b.effective_time DESC, b.version DESC LIMIT 1))";

struct PriceBook {
  int version = 0;
  std::map<std::pair<std::string, std::string>, Price> prices;  // By line type, resource.
};

// What `lines` cost by `book`, each line rounded up to a whole nano. INVALID_ARGUMENT /
// PRICE_UNKNOWN, with the line as the field, or AMOUNT_OUT_OF_RANGE above
// kAmountMaxNanos in all. No lines cost nothing, at version 0.
absl::StatusOr<Quote> QuoteLines(const std::vector<UsageLine>& lines, const PriceBook& book);

// A version as it is stored; without prices when it is not there.
std::shared_ptr<const PriceBook> ReadBook(pg::Tx& tx, int version);

// Thread-safe.
class PriceBooks {
 public:
  // Reads a version at its first use. An empty book for a version that is not there.
  std::shared_ptr<const PriceBook> Find(pg::Tx& tx, int version);

 private:
  std::mutex mutex_;
  std::map<int, std::shared_ptr<const PriceBook>> books_;  // guarded by mutex_
};

}  // namespace gatehouse::billing
