// Administrators and passwords at a shell: `auth create-admin`, `auth set-password`.
// The first administrator of an installation is bootstrap's (commands.h).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "libs/pg/database.h"
#include "libs/service/process.h"
#include "services/auth/audit.h"
#include "services/auth/password.h"

namespace gatehouse::auth {

struct AdminAccount {
  std::string username;
  std::string email;
  std::string password;
};

// What an operator does is audited as the actor "shell".
AuditEvent ShellAction(const std::string& target, const std::string& reason);

// The tenant "default"; made if it is missing. Those who ask at the same time wait for
// each other until their transactions end.
struct DefaultTenant {
  std::int64_t id = 0;
  bool is_new = false;
};
DefaultTenant EnsureDefaultTenant(pg::Tx& tx);

// INVALID_ARGUMENT with the reasons of the user's rules and of the password policy.
absl::Status CheckAdmin(const AdminAccount& admin);

// Inserts a checked administrator; the user's id. ALREADY_EXISTS / USERNAME_TAKEN or
// EMAIL_TAKEN.
absl::StatusOr<std::string> InsertAdmin(pg::Tx& tx, const AdminAccount& admin,
                                        const std::string& password_hash, std::int64_t tenant_id);

// Creates an administrator in the default tenant. Returns an API token of theirs named
// "Initial Admin Token", which is shown here only. Errors: those of CheckAdmin and
// InsertAdmin.
absl::StatusOr<std::string> CreateAdmin(pg::Database& db, PasswordHasher& hasher,
                                        const AdminAccount& admin);

// Replaces the password of a user, named by username or email, and kills every
// credential of theirs. NOT_FOUND / USER_NOT_FOUND, or PASSWORD_TOO_WEAK.
absl::Status SetUserPassword(pg::Database& db, PasswordHasher& hasher, const std::string& name,
                             const std::string& password);

// From -u, -e and -p; what is not given is empty. INVALID_ARGUMENT / ARGUMENTS_INVALID,
// whose message never repeats a password.
absl::StatusOr<AdminAccount> ParseCreateAdmin(const std::vector<std::string>& arguments);

// Prints the problems to standard error; the exit code.
int FailCommand(const std::string& command, const absl::Status& status);

// create-admin and set-password.
std::vector<service::Command> AdminCommands();

}  // namespace gatehouse::auth
