#include "services/auth/role_store.h"

#include <algorithm>

namespace gatehouse::auth {
namespace {

Role FromRow(const pqxx::row& row) {
  Role role{.name = row[0].as<std::string>(),
            .permissions = pg::Texts(row[1]),
            .scopes = pg::Texts(row[2]),
            .rate_limit_per_second = row[3].as<int>(),
            .rate_limit_burst = row[4].as<int>()};
  std::sort(role.permissions.begin(), role.permissions.end());
  std::sort(role.scopes.begin(), role.scopes.end());
  return role;
}

}  // namespace

std::vector<Role> ListRoles(pg::Tx& tx) {
  static constexpr char kList[] = R"(
  SELECT role, permissions, scopes, rate_limit_per_second, rate_limit_burst
  FROM auth.roles ORDER BY role)";
  std::vector<Role> roles;
  for (const pqxx::row& row : tx.exec(kList)) roles.push_back(FromRow(row));
  return roles;
}

std::vector<std::string> ScopesOf(pg::Tx& tx, const std::string& name) {
  return pg::Texts(tx.exec_params("SELECT scopes FROM auth.roles WHERE role = $1", name)[0][0]);
}

std::optional<Role> LockRole(pg::Tx& tx, const std::string& name) {
  static constexpr char kLock[] = R"(
  SELECT role, permissions, scopes, rate_limit_per_second, rate_limit_burst
  FROM auth.roles WHERE role = $1 FOR NO KEY UPDATE)";
  const pqxx::result rows = tx.exec_params(kLock, name);
  if (rows.empty()) return std::nullopt;
  return FromRow(rows[0]);
}

std::vector<std::string> KnownPermissions(pg::Tx& tx) {
  return pg::Texts(tx.exec("SELECT permissions FROM auth.roles WHERE role = 'admin'")[0][0]);
}

void SetPermissions(pg::Tx& tx, const std::string& name,
                    const std::vector<std::string>& permissions) {
  tx.exec_params("UPDATE auth.roles SET permissions = $2::text[] WHERE role = $1", name,
                 pg::TextArray(permissions));
}

bool SetRates(pg::Tx& tx, const std::string& name, int per_second, int burst) {
  static constexpr char kSet[] = R"(
  UPDATE auth.roles SET rate_limit_per_second = $2, rate_limit_burst = $3
  WHERE role = $1 AND (rate_limit_per_second, rate_limit_burst) <> ($2, $3))";
  return tx.exec_params(kSet, name, per_second, burst).affected_rows() == 1;
}

}  // namespace gatehouse::auth
