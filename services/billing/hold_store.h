// SQL for holds and their captures. Every function runs in the caller's
// transaction and decides nothing. Whoever writes a hold has locked its account
// first (see account_store.h); the functions here that lock do so themselves.
#pragma once

#include <optional>
#include <string>

#include "libs/pg/database.h"
#include "services/billing/hold.h"
#include "services/billing/price.h"

namespace gatehouse::billing {

// A hold with its account, both locked, and the database's time.
struct LockedHold {
  Hold hold;
  Account account;
  Time now;
};

// Stores a new hold that ends in `ttl_seconds`, and its account's money. Sets its
// expire_time. False, and nothing stored, when the key is taken.
bool InsertHold(pg::Tx& tx, const Quote& quote, std::int64_t ttl_seconds, const Account& account,
                Hold* hold);

// Locks the account of the hold and the hold. NOT_FOUND / HOLD_NOT_FOUND.
absl::StatusOr<LockedHold> LockHold(pg::Tx& tx, const std::string& key);

// The same for a caller that has locked the account of `tenant_id` already; a
// hold of another tenant is not found.
absl::StatusOr<LockedHold> LockHoldOf(pg::Tx& tx, const std::string& key, std::int64_t tenant_id);

// Locks a reservation whose time is over, passing over those that others have
// locked. nullopt when there is none.
std::optional<LockedHold> LockOverdueHold(pg::Tx& tx);

// Stores where the hold and its account's money are.
void SaveHold(pg::Tx& tx, const LockedHold& locked);

// Stores a new decision on a known hold: a new estimate and time limit besides.
void SaveReservation(pg::Tx& tx, const Quote& quote, std::int64_t ttl_seconds, LockedHold* locked);

struct StoredCapture {
  std::int64_t number = 0;
  std::string request_hash;
  Quote quote;
  std::string entry_id;  // UUIDv7; empty when the amount is zero.
  std::string response;  // The first answer, serialized.
};

// Only request_hash and response.
std::optional<StoredCapture> FindCapture(pg::Tx& tx, const std::string& key, std::int64_t number);

// Stores a capture with its ledger entry, the hold and the account's money.
// Counts the entry on the account.
void SaveCapture(pg::Tx& tx, const StoredCapture& capture, LockedHold* locked);

}  // namespace gatehouse::billing
