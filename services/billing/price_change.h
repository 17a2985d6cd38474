// A change of the price book: what may be asked, and what comes of it. Pure; not the SQL
// (price_store.h).
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "gatehouse/billing/v1/price.pb.h"
#include "libs/base/clock.h"
#include "libs/status/status.h"
#include "services/billing/price_book.h"

namespace gatehouse::billing {

using PriceKey = std::pair<std::string, std::string>;  // Line type, resource.
using Prices = std::map<PriceKey, Price>;

inline constexpr std::size_t kPricesMax = 5000;
inline constexpr std::size_t kNotesBytesMax = 500;

struct PriceChange {
  Prices prices;  // Added or changed; the whole book when `replace`.
  std::set<PriceKey> removed;
  bool replace = false;
  std::optional<Time> effective_time;  // nullopt: at once.
  std::string notes;
};

// What is wrong with a price: a field of v1::Price and "must be …"; nothing when it is good.
using PriceFaults = std::vector<std::pair<std::string, std::string>>;
PriceFaults FaultsOf(const PriceKey& key, const Price& price);

// INVALID_ARGUMENT / PRICE_INVALID with a field violation for everything that is wrong.
absl::StatusOr<PriceChange> CheckPublish(const v1::PublishPricesRequest& request);

// The book that `change` makes of the one before.
Prices Apply(const PriceChange& change, const Prices& before);

// SHA-256, 32 bytes: two books have the same when their prices are the same.
std::string ContentHash(const Prices& prices);

// For people, a line each: "+ per_job of sleep: 0.01 USD", "- …", "~ …: … before".
std::vector<std::string> DescribeChanges(const Prices& before, const Prices& after);

}  // namespace gatehouse::billing
