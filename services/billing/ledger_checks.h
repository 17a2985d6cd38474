// The SQL by which verify-ledger re-adds the books: one statement per rule. Corrects
// nothing; the hash chain itself is checked by libs/pg/sealer.h.
#pragma once

#include <vector>

namespace gatehouse::billing {

// Statements, to be run in one snapshot. Each yields up to 100 differences, a text for
// people each, and reads every table at most a few times, in order or hashed: they are for
// ledgers of any length.
const std::vector<const char*>& LedgerChecks();

}  // namespace gatehouse::billing
