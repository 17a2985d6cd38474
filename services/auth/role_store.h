// SQL for roles: what their users may do, and the rates of those who have none of
// their own. Every function runs in the caller's transaction.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "libs/pg/database.h"

namespace gatehouse::auth {

struct Role {
  std::string name;
  std::vector<std::string> permissions;  // Sorted.
  std::vector<std::string> scopes;       // Of its users' credentials, beside the permissions.
  int rate_limit_per_second = 0;
  int rate_limit_burst = 0;
};

// By name.
std::vector<Role> ListRoles(pg::Tx& tx);
// What a credential of such a user may be narrowed to, beside the permissions.
std::vector<std::string> ScopesOf(pg::Tx& tx, const std::string& name);
// Locks the row.
std::optional<Role> LockRole(pg::Tx& tx, const std::string& name);
// What an administrator holds: all permissions that there are.
std::vector<std::string> KnownPermissions(pg::Tx& tx);
void SetPermissions(pg::Tx& tx, const std::string& name,
                    const std::vector<std::string>& permissions);
// False when the role has these rates already.
bool SetRates(pg::Tx& tx, const std::string& name, int per_second, int burst);

}  // namespace gatehouse::auth
