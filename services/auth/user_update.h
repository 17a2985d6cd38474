// The transactions that make and change a user on an administrator's behalf: locks,
// rules, names, rows, audit and control log, in the caller's transaction. The rules
// themselves are in user_change.h.
#pragma once

#include <optional>
#include <string>

#include "libs/pg/database.h"
#include "libs/rpc/server.h"
#include "services/auth/user_change.h"
#include "services/auth/user_store.h"

namespace gatehouse::auth {

// The user that `text` names, locked. NOT_FOUND / USER_NOT_FOUND, also for a user who
// is hidden from the actor.
absl::StatusOr<User> LockVisibleUser(pg::Tx& tx, const Actor& actor, const std::string& text,
                                     UserKey forms);

// Inserts a checked user, in a tenant of one's own when `tenant_id` is 0. ALREADY_EXISTS
// / USERNAME_TAKEN or EMAIL_TAKEN, NOT_FOUND / TENANT_NOT_FOUND. Again under the same id
// it finds what it has made.
absl::StatusOr<User> AddUser(pg::Tx& tx, const rpc::Call& call, NewUser user);

// A checked change, with the hash of its password, if it has one.
struct Update {
  UserChange change;
  std::string password_hash = "";
  bool must_change_password = false;
};

// USER_NOT_FOUND, ADMIN_REQUIRED, USERNAME_TAKEN, EMAIL_TAKEN, TENANT_NOT_FOUND,
// FAILED_PRECONDITION / LAST_ADMIN. The control hub must wake after the commit.
absl::StatusOr<User> ApplyUpdate(pg::Tx& tx, const rpc::Call& call, const std::string& id,
                                 const Update& update);

}  // namespace gatehouse::auth
