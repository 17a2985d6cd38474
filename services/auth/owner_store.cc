#include "services/auth/owner_store.h"

#include "libs/base/uuid.h"

namespace gatehouse::auth {

std::optional<Owner> LockOwner(pg::Tx& tx, const std::string& user_id) {
  static constexpr char kLock[] = R"(
  SELECT password_hash, is_active FROM auth.users WHERE id = $1 FOR NO KEY UPDATE)";
  if (!IsUuid(user_id)) return std::nullopt;
  const pqxx::result rows = pg::ExecPrepared(tx, kLock, user_id);
  if (rows.empty()) return std::nullopt;
  return Owner{.password_hash = rows[0][0].as<std::string>(), .is_active = rows[0][1].as<bool>()};
}

void UpgradePasswordHash(pg::Tx& tx, const std::string& user_id, const std::string& hash) {
  static constexpr char kUpgrade[] = R"(
  UPDATE auth.users SET password_hash = $2 WHERE id = $1)";
  pg::ExecPrepared(tx, kUpgrade, user_id, hash);
}

}  // namespace gatehouse::auth
