// SQL for the ledger and for the answers kept under idempotency keys: INSERT and
// SELECT only. Usage is booked with its capture (batch_store.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "libs/pg/database.h"
#include "services/billing/account.h"
#include "services/billing/ledger.h"

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
  std::int64_t tenant_id = 0;
  std::string counter_account;
  std::string reverses;         // Empty for none; so are the next two.
  std::string actor;            // Id of the administrator who booked it by hand.
  std::string stripe_event_id;  // What led to it.
};

// INSERT of the rows in the parameters $first to $first + 14, which AppendLedgerColumns
// appends; for a statement that writes more besides.
std::string InsertLedgerSql(int first);
void AppendLedgerColumns(const std::vector<LedgerRow>& rows,
                         std::vector<pqxx::binarystring>* parameters);

// Writes rows of accounts that are locked, in one statement; returns when.
Time InsertLedgerRows(pg::Tx& tx, const std::vector<LedgerRow>& rows);

// Books a posting on a locked account: its rows and its balance. What follows from the
// new balance is for the caller (low_balance.h).
LedgerEntry Post(pg::Tx& tx, const Posting& posting, Account* account);

// The columns of an entry whose alias is "e", and the entry of a row that has them.
std::string EntryColumns();
LedgerEntry EntryFromRow(const pqxx::row& row);

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
