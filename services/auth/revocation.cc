#include "services/auth/revocation.h"

#include "services/auth/control_store.h"

namespace gatehouse::auth {

std::int64_t RaiseUserEpoch(pg::Tx& tx, const std::string& user_id) {
  static constexpr char kLock[] = R"(
  SELECT id FROM auth.users WHERE id = $1 FOR NO KEY UPDATE)";
  // Dead by the epoch already; the mark keeps them out of the count of live ones.
  // Before the append: who holds a credential's row may wait for the counter.
  static constexpr char kRevoke[] = R"(
  UPDATE auth.credentials SET revoke_time = now() WHERE user_id = $1 AND revoke_time IS NULL)";
  static constexpr char kRaise[] = R"(
  UPDATE auth.users SET epoch = $2, update_time = now() WHERE id = $1)";
  tx.exec_params1(kLock, user_id);
  tx.exec_params0(kRevoke, user_id);
  const std::int64_t epoch = AppendEpochChange(tx, "user/" + user_id);
  tx.exec_params0(kRaise, user_id, epoch);
  return epoch;
}

std::optional<std::int64_t> RaiseTenantEpoch(pg::Tx& tx, std::int64_t tenant_id) {
  static constexpr char kLock[] = R"(
  SELECT id FROM auth.tenants WHERE id = $1 FOR NO KEY UPDATE)";
  static constexpr char kRaise[] = R"(
  UPDATE auth.tenants SET epoch = $2 WHERE id = $1)";
  if (tx.exec_params(kLock, tenant_id).empty()) return std::nullopt;
  const std::int64_t epoch = AppendEpochChange(tx, "tenant/" + std::to_string(tenant_id));
  tx.exec_params0(kRaise, tenant_id, epoch);
  return epoch;
}

std::int64_t RaiseGlobalEpoch(pg::Tx& tx) {
  static constexpr char kRaise[] = R"(
  UPDATE auth.control_head SET global_epoch = $1)";
  const std::int64_t epoch = AppendEpochChange(tx, "global");
  tx.exec_params0(kRaise, epoch);
  return epoch;
}

}  // namespace gatehouse::auth
