// SQL for accounts. Locks follow one order everywhere: a payment of Stripe's (an advisory
// lock, payment_store.h), the account's row, then rows that belong to it (holds, captures,
// keys, entries). A transaction that waits
// for an account holds no other, so that none waits in a circle; batches, which lock
// many, pass over those that are not free (batch_store.h).
#pragma once

#include "libs/pg/database.h"
#include "services/billing/account.h"

namespace gatehouse::billing {

// Reads the columns tenant_id, settled_nanos … ceiling_nanos, plan_tier and
// tier_version of a row.
Account AccountFromRow(const pqxx::row& row);

// The account; one that was never touched has the defaults and no row.
Account FindAccount(pg::Tx& tx, std::int64_t tenant_id);

// Locks the account, making its row at the first touch. Runs in a transaction.
Account LockAccount(pg::Tx& tx, std::int64_t tenant_id);

// Stores the plan of a locked account.
void SaveTier(pg::Tx& tx, const Account& account);

// Stores the policy, threshold, overdraft and ceiling of a locked account.
void SaveSettings(pg::Tx& tx, const Account& account);

}  // namespace gatehouse::billing
