// SQL for the owner of credentials: the lock that puts issue and revocation in an
// order, and the upgrade of a hash. Runs in the caller's transaction. Users
// otherwise are user_store's.
#pragma once

#include <optional>
#include <string>

#include "libs/pg/database.h"

namespace gatehouse::auth {

// The user's state under the row's lock: what may have changed since the password
// was checked. nullopt when there is no such user.
struct Owner {
  std::string password_hash;
  bool is_active = false;
};
std::optional<Owner> LockOwner(pg::Tx& tx, const std::string& user_id);

// A stronger hash of the same password: kills nothing and asks for no change.
void UpgradePasswordHash(pg::Tx& tx, const std::string& user_id, const std::string& hash);

}  // namespace gatehouse::auth
