// What `auth` does beside serving, for an operator at a shell: the first
// administrator, a user's revocation, the proof of the audit log. More of them:
// admin_commands.h, key_commands.h.
#pragma once

#include <string>
#include <vector>

#include "libs/pg/database.h"
#include "libs/service/process.h"
#include "services/auth/admin_commands.h"
#include "services/auth/password.h"

namespace gatehouse::auth {

// Creates what is missing of the default tenant and the administrator, and
// changes nothing that exists. Returns what it did, a sentence each. Safe to run
// in parallel.
//
// An empty password is fine once the user exists.
//
// Errors: those of the user's rules, USERNAME_TAKEN, EMAIL_TAKEN,
// ADMIN_PASSWORD_MISSING, and ADMIN_IS_NOT_ADMIN when the user of that name has
// another role.
absl::StatusOr<std::vector<std::string>> Bootstrap(pg::Database& db, PasswordHasher& hasher,
                                                   const AdminAccount& admin);

// Kills every credential that the user has now; NOT_FOUND / USER_NOT_FOUND.
absl::Status RevokeUser(pg::Database& db, const std::string& username);

// The settings that the commands read, and all commands.
std::vector<config::Setting> CommandSettings();
std::vector<service::Command> Commands();

}  // namespace gatehouse::auth
