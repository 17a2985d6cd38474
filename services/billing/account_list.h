// SQL for all accounts at once, as staff see them. Single accounts are account_store.h's.
#pragma once

#include <cstdint>
#include <vector>

#include "libs/pg/database.h"
#include "services/billing/account.h"

namespace gatehouse::billing {

// Up to `limit` accounts whose tenants' ids are above `after_tenant_id`, by tenant.
// `low_only`: those whose booked balance is below their threshold.
std::vector<Account> ListAccounts(pg::Tx& tx, std::int64_t after_tenant_id, bool low_only,
                                  int limit);
std::int64_t CountAccounts(pg::Tx& tx, bool low_only);

// Sums hold as many accounts as there can be money for: they fail, rather than wrap.
struct AccountSums {
  std::int64_t accounts = 0;
  std::int64_t settled_nanos = 0;
  std::int64_t held_nanos = 0;
  std::int64_t debt_nanos = 0;
  std::int64_t low = 0;
  std::int64_t negative = 0;
};
AccountSums SumAccounts(pg::Tx& tx);

}  // namespace gatehouse::billing
