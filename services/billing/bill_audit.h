// Proof that every bill can be computed again: what was captured, priced by the version
// of the book that is named on it, is what was booked. Corrects nothing.
#pragma once

#include <string>
#include <vector>

#include "libs/pg/database.h"

namespace gatehouse::billing {

// Reads all captures in one snapshot, by a cursor, and prices each line again. What
// differs, for people, at most 100; empty when all bills are right. An error only when the
// database cannot answer.
absl::StatusOr<std::vector<std::string>> BillDifferences(pg::Database& db);

}  // namespace gatehouse::billing
