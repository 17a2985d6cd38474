// SQL of a batch: what it locks, reads and writes, a statement each. Decides nothing
// (batch_plan.h). A batch waits for no account while it holds another: it takes those
// that are free and passes over the rest. Everyone who writes a hold, its captures or
// its entries has locked the account first, so the account's lock protects them all.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "libs/pg/database.h"
#include "services/billing/batch_plan.h"

namespace gatehouse::billing {

// Makes the transaction find rows by index only, and plan each statement once: to plan
// costs more than to run it, and what is planned while a table is small would read all
// of it when it has grown.
void PlanByIndex(pg::Tx& tx);

// Makes the rows of accounts that have none. May wait for others that make them now.
void MakeAccounts(pg::Tx& tx, const std::vector<std::int64_t>& tenant_ids);

struct LockedAccounts {
  std::vector<Account> accounts;
  int price_version = 0;  // In force; 0 without one.
};
// Locks the accounts of `tenant_ids` and of the holds under `keys`, except those that
// others have locked or that have no row.
LockedAccounts LockAccounts(pg::Tx& tx, const std::vector<std::int64_t>& tenant_ids,
                            const std::vector<std::string>& keys);

// Locks accounts of which reservations are overdue, except those that others have
// locked, and returns the keys of at most `limit` overdue reservations of theirs.
struct OverdueHolds {
  std::vector<Account> accounts;
  std::vector<std::string> keys;
};
OverdueHolds LockOverdue(pg::Tx& tx, int limit);
// The same of the one account whose reservation has been overdue for longest, by two
// seconds at least; waits for it.
OverdueHolds AwaitOverdue(pg::Tx& tx, int limit);

// Of the holds under `keys` and the database's time; after the accounts were locked.
struct ReadHolds {
  std::vector<Hold> holds;
  Time now;
};
ReadHolds FindHolds(pg::Tx& tx, const std::vector<std::string>& keys);

// Adds the captures that are stored already under the keys and numbers of `orders`.
void AddCaptures(pg::Tx& tx, const std::vector<const CaptureOrder*>& orders, BatchPlan* plan);

// Writes what the plan came to.
absl::Status SavePlan(pg::Tx& tx, const BatchPlan& plan);

}  // namespace gatehouse::billing
