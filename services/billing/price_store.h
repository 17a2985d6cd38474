// SQL for the price book: versions are inserted whole and never changed. What may be
// published is decided in price_change.h.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "libs/base/clock.h"
#include "libs/pg/database.h"
#include "services/billing/price_change.h"

namespace gatehouse::billing {

// A version without its prices.
struct PriceBookRow {
  int version = 0;
  Time effective_time{};
  Time create_time{};
  std::string notes;
  bool in_force = false;  // Now.
};
std::optional<PriceBookRow> FindPriceBook(pg::Tx& tx, int version);  // 0: in force.
std::vector<PriceBookRow> ListPriceBooks(pg::Tx& tx);                // Newest first; 1000.

struct Publication {
  PriceBookRow book;
  bool published = false;  // False: it was there already, or the run was dry.
  Prices before;           // The book that would apply without it.
  Prices after;
};

struct PublishOptions {
  bool dry_run = false;  // Find out only; the version is the one that it would get.
  bool once = false;     // Nothing when any version ever had this content.
};

// Makes a new version, or finds that the one in force at that time is the same; so a
// repeat changes nothing. One publisher at a time. Without an effective time it is the
// time at which this began: what is reserved until the commit has the version before.
// INVALID_ARGUMENT / EFFECTIVE_TIME_PAST or PRICE_BOOK_EMPTY.
absl::StatusOr<Publication> PublishPrices(pg::Database& db, const PriceChange& change,
                                          const PublishOptions& options = {});

// One line in the log.
void LogPublication(const Publication& publication);

}  // namespace gatehouse::billing
