#include "services/billing/account_list.h"

#include "services/billing/account_store.h"

namespace gatehouse::billing {

std::vector<Account> ListAccounts(pg::Tx& tx, std::int64_t after_tenant_id, bool low_only,
                                  int limit) {
  static constexpr char kList[] = R"(
SELECT tenant_id, settled_nanos, held_nanos, entry_count, policy, low_threshold_nanos,
       overdraft_max_nanos, ceiling_nanos, plan_tier, tier_version
FROM billing.accounts
WHERE tenant_id > $1 AND (NOT $2::boolean OR settled_nanos < low_threshold_nanos)
ORDER BY tenant_id LIMIT $3)";
  std::vector<Account> accounts;
  for (const pqxx::row& row : tx.exec_params(kList, after_tenant_id, low_only, limit)) {
    accounts.push_back(AccountFromRow(row));
  }
  return accounts;
}

std::int64_t CountAccounts(pg::Tx& tx, bool low_only) {
  static constexpr char kCount[] = R"(
SELECT count(*) FROM billing.accounts
WHERE NOT $1::boolean OR settled_nanos < low_threshold_nanos)";
  return tx.exec_params1(kCount, low_only)[0].as<std::int64_t>();
}

AccountSums SumAccounts(pg::Tx& tx) {
  static constexpr char kSum[] = R"(
SELECT count(*), coalesce(sum(settled_nanos), 0)::bigint, coalesce(sum(held_nanos), 0)::bigint,
  coalesce(sum(greatest(-settled_nanos, 0)), 0)::bigint,
  count(*) FILTER (WHERE settled_nanos < low_threshold_nanos),
  count(*) FILTER (WHERE settled_nanos < 0)
FROM billing.accounts)";
  const pqxx::row row = tx.exec1(kSum);
  return {.accounts = row[0].as<std::int64_t>(),
          .settled_nanos = row[1].as<std::int64_t>(),
          .held_nanos = row[2].as<std::int64_t>(),
          .debt_nanos = row[3].as<std::int64_t>(),
          .low = row[4].as<std::int64_t>(),
          .negative = row[5].as<std::int64_t>()};
}

}  // namespace gatehouse::billing
