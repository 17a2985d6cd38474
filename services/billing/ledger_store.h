// SQL for the ledger and for the answers kept under idempotency keys: INSERT and
// SELECT only. Usage is booked with its capture (hold_store.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "libs/pg/database.h"
#include "services/billing/account.h"

namespace gatehouse::billing {

// One posting, as its tenant sees it.
struct LedgerEntry {
  std::string id;  // UUIDv7
  std::string entry_type;
  std::int64_t amount_nanos = 0;  // Credits are positive, debits negative.
  std::int64_t balance_after_nanos = 0;
  std::string notes;
  std::string job_id;  // Empty for none.
  Time create_time;
};

// Moves `amount_nanos` (negative: out of the reserve) between the reserve of a
// locked account and the adjustments account. Updates `account`.
LedgerEntry PostAdjustment(pg::Tx& tx, std::int64_t amount_nanos, const std::string& notes,
                           Account* account);

struct LedgerPage {
  std::vector<LedgerEntry> entries;  // Newest first.
  std::int64_t total_size = 0;
};
LedgerPage ListLedgerEntries(pg::Tx& tx, std::int64_t tenant_id, int skip, int limit);

struct KeptAnswer {
  std::string request_hash;
  std::string response;
};
std::optional<KeptAnswer> FindAnswer(pg::Tx& tx, const std::string& scope, const std::string& key);

// False, and nothing stored, when the key is taken.
bool KeepAnswer(pg::Tx& tx, const std::string& scope, const std::string& key,
                const KeptAnswer& answer);

}  // namespace gatehouse::billing
