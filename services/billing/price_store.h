// SQL for the price book. Reads only: prices come from migrations.
#pragma once

#include <vector>

#include "libs/pg/database.h"
#include "services/billing/price.h"

namespace gatehouse::billing {

// What `lines` cost by the book in force now, as QuoteLines. Runs one statement
// of its own, so that no account is locked meanwhile; none for no lines.
absl::StatusOr<Quote> QuoteByBook(pg::Database& db, const std::vector<UsageLine>& lines);

}  // namespace gatehouse::billing
