#include "services/billing/account_store.h"

#include <string>

namespace gatehouse::billing {
namespace {

constexpr char kFindAccount[] = R"(
SELECT tenant_id, settled_nanos, held_nanos, entry_count, policy, low_threshold_nanos,
       overdraft_max_nanos, ceiling_nanos, plan_tier, tier_version
FROM billing.accounts WHERE tenant_id = $1)";

}  // namespace

Account AccountFromRow(const pqxx::row& row) {
  Account account;
  account.tenant_id = row["tenant_id"].as<std::int64_t>();
  account.settled_nanos = row["settled_nanos"].as<std::int64_t>();
  account.held_nanos = row["held_nanos"].as<std::int64_t>();
  account.entry_count = row["entry_count"].as<std::int64_t>();
  account.policy = ParsePolicy(row["policy"].as<std::string>());
  account.low_threshold_nanos = row["low_threshold_nanos"].as<std::int64_t>();
  account.overdraft_max_nanos = pg::Optional<std::int64_t>(row["overdraft_max_nanos"]);
  account.ceiling_nanos = row["ceiling_nanos"].as<std::int64_t>();
  account.plan_tier = row["plan_tier"].as<std::string>();
  account.tier_version = row["tier_version"].as<std::int64_t>();
  return account;
}

Account FindAccount(pg::Tx& tx, std::int64_t tenant_id) {
  const pqxx::result rows = tx.exec_params(kFindAccount, tenant_id);
  if (!rows.empty()) return AccountFromRow(rows[0]);
  Account untouched;
  untouched.tenant_id = tenant_id;
  return untouched;
}

Account LockAccount(pg::Tx& tx, std::int64_t tenant_id) {
  const std::string lock = std::string(kFindAccount) + " FOR UPDATE";
  pqxx::result rows = tx.exec_params(lock, tenant_id);
  if (rows.empty()) {
    // Of two first touches the second waits here for the first, then finds its
    // row: a row that is not there yet cannot be locked.
    static constexpr char kInsertAccount[] = R"(
    INSERT INTO billing.accounts (tenant_id) VALUES ($1) ON CONFLICT (tenant_id) DO NOTHING)";
    tx.exec_params(kInsertAccount, tenant_id);
    rows = tx.exec_params(lock, tenant_id);
  }
  return AccountFromRow(rows.at(0));
}

void SaveTier(pg::Tx& tx, const Account& account) {
  static constexpr char kSaveTier[] = R"(
  UPDATE billing.accounts SET plan_tier = $2, tier_version = $3, update_time = now()
  WHERE tenant_id = $1)";
  tx.exec_params(kSaveTier, account.tenant_id, account.plan_tier, account.tier_version);
}

void SaveSettings(pg::Tx& tx, const Account& account) {
  static constexpr char kSaveSettings[] = R"(
  UPDATE billing.accounts SET policy = $2, low_threshold_nanos = $3, overdraft_max_nanos = $4,
    ceiling_nanos = $5, update_time = now()
  WHERE tenant_id = $1)";
  tx.exec_params(kSaveSettings, account.tenant_id, PolicyText(account.policy),
                 account.low_threshold_nanos, account.overdraft_max_nanos, account.ceiling_nanos);
}

}  // namespace gatehouse::billing
