// SQL that reads the ledger across tenants or finds one entry of it. A tenant's own list
// and everything that writes is ledger_store.h's; rows of type debt are seen by neither.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "libs/pg/database.h"
#include "services/billing/ledger_request.h"
#include "services/billing/ledger_store.h"

namespace gatehouse::billing {

// A numbered entry; nullopt when there is none of this id.
std::optional<LedgerEntry> FindEntry(pg::Tx& tx, const std::string& id);

// How much of an entry is taken back, by whatever names it as its original and less what
// took that back in turn: a dispute that was won, a refund that failed.
std::int64_t ReversedNanos(pg::Tx& tx, const std::string& entry_id);

struct ExportPage {
  std::vector<LedgerEntry> entries;  // Oldest first; may be empty before the end.
  std::string last_id;               // Where to go on; empty at the end.
};

// Looks at no more than `order.limit` rows, so that a page costs the same wherever it is.
// All tenants' entries come in the order of their ids, which begin with their time; one
// tenant's by their numbers. INVALID_ARGUMENT / PAGE_TOKEN_INVALID for a position that is
// not the tenant's.
absl::StatusOr<ExportPage> ExportLedger(pg::Tx& tx, const ExportOrder& order);

}  // namespace gatehouse::billing
