#include "services/auth/commands.h"

#include <cstdio>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/pg/sealer.h"
#include "services/auth/audit_store.h"
#include "services/auth/key_commands.h"
#include "services/auth/revocation.h"
#include "services/auth/user_store.h"

namespace gatehouse::auth {
namespace {

constexpr char kBootstrapUsage[] =
    "Usage: auth bootstrap\n"
    "\n"
    "Creates the tenant \"default\" and the administrator of ADMIN_USERNAME, ADMIN_EMAIL\n"
    "and ADMIN_PASSWORD, if they are missing. Changes nothing that exists: a password\n"
    "is set by \"auth set-password\". Safe to run again, and in parallel.\n";

constexpr char kRevokeUserUsage[] =
    "Usage: auth revoke-user NAME\n"
    "\n"
    "Kills every credential that the user of that username has now, and marks the user\n"
    "as revoked. A later login works.\n";

absl::Status CheckRole(const User& user) {
  if (user.role == "admin") return absl::OkStatus();
  return Error(absl::StatusCode::kFailedPrecondition, "ADMIN_IS_NOT_ADMIN",
               "a user of that name exists and is not an administrator");
}

absl::StatusOr<std::string> HashAdminPassword(PasswordHasher& hasher, const AdminAccount& admin) {
  if (admin.password.empty()) {
    return Error(absl::StatusCode::kFailedPrecondition, "ADMIN_PASSWORD_MISSING",
                 "ADMIN_PASSWORD is needed to create the administrator");
  }
  GH_RETURN_IF_ERROR(CheckAdmin(admin));
  return hasher.Hash(admin.password);
}

config::Setting AdminPasswordSetting() {
  return {.name = "ADMIN_PASSWORD",
          .help = "The first administrator's password; only creates, never overwrites.",
          .secret = true};
}

// Whether ADMIN_PASSWORD is strong where ENV is production. Of all commands only
// bootstrap reads it, so the others must not demand it.
absl::Status CheckAdminPassword() {
  std::vector<config::Setting> declared;
  for (config::Setting& common : service::CommonSettings(/*has_database=*/false)) {
    if (common.name == "ENV" || common.name == "ENV_FILE") declared.push_back(std::move(common));
  }
  declared.push_back(AdminPasswordSetting());
  declared.back().strong_in_production = true;
  return config::Settings::Load(declared).status();
}

int RunBootstrap(service::Process& process) {
  if (const absl::Status fit = CheckAdminPassword(); !fit.ok()) {
    std::fprintf(stderr, "auth bootstrap: %s\n", std::string(fit.message()).c_str());
    return 2;
  }
  const config::Settings& settings = process.settings();
  pg::Database db(process.DatabaseOptions());
  PasswordHasher hasher;
  const auto done = Bootstrap(db, hasher,
                              {.username = settings.Text("ADMIN_USERNAME"),
                               .email = settings.Text("ADMIN_EMAIL"),
                               .password = settings.Text("ADMIN_PASSWORD")});
  if (!done.ok()) return FailCommand("bootstrap", done.status());
  for (const std::string& line : *done) std::printf("%s\n", line.c_str());
  return 0;
}

int RunRevokeUser(service::Process& process) {
  if (process.arguments().size() != 1) {
    std::fprintf(stderr, "auth revoke-user: name one user\n");
    return 2;
  }
  pg::Database db(process.DatabaseOptions());
  const absl::Status revoked = RevokeUser(db, process.arguments()[0]);
  if (!revoked.ok()) return FailCommand("revoke-user", revoked);
  std::printf("every credential of %s is revoked\n", process.arguments()[0].c_str());
  return 0;
}

int RunVerifyAudit(service::Process& process) {
  pg::Options options = process.DatabaseOptions();
  options.statement_timeout = std::chrono::minutes(10);
  pg::Database db(options);
  const absl::StatusOr<std::int64_t> rows = pg::VerifyChain(db, AuditChain());
  if (!rows.ok()) return FailCommand("verify-audit", rows.status());
  std::printf("%s\n", absl::StrCat("the audit log is intact: ", *rows, " sealed events").c_str());
  return 0;
}

}  // namespace

absl::StatusOr<std::vector<std::string>> Bootstrap(pg::Database& db, PasswordHasher& hasher,
                                                   const AdminAccount& admin) {
  using Found = std::optional<User>;
  GH_ASSIGN_OR_RETURN(const Found existing, db.Read([&](pg::Tx& tx) -> absl::StatusOr<Found> {
    return FindUserByUsername(tx, admin.username);
  }));
  std::string password_hash;
  if (!existing) {
    GH_ASSIGN_OR_RETURN(password_hash, HashAdminPassword(hasher, admin));
  }
  using Lines = std::vector<std::string>;
  return db.InTransaction([&](pg::Tx& tx) -> absl::StatusOr<Lines> {
    const DefaultTenant tenant = EnsureDefaultTenant(tx);
    Lines done = {tenant.is_new ? "tenant default created" : "tenant default exists"};
    const std::optional<User> user = FindUserByUsername(tx, admin.username);
    if (user) {
      GH_RETURN_IF_ERROR(CheckRole(*user));
      done.push_back("user " + user->username + " exists; its password was not changed");
      return done;
    }
    GH_ASSIGN_OR_RETURN(const std::string user_id,
                        InsertAdmin(tx, admin, password_hash, tenant.id));
    AppendEvent(tx, ShellAction("user/" + user_id, "bootstrap"));
    done.push_back("user " + admin.username + " created, role admin");
    return done;
  });
}

absl::Status RevokeUser(pg::Database& db, const std::string& username) {
  return db.InTransaction([&](pg::Tx& tx) -> absl::Status {
    const std::optional<User> user = FindUserByUsername(tx, username);
    if (!user) {
      return Error(absl::StatusCode::kNotFound, "USER_NOT_FOUND", "there is no such user");
    }
    AppendEvent(tx, ShellAction("user/" + user->id, "revoke"));
    SetRevoked(tx, user->id, /*is_revoked=*/true);
    RaiseUserEpoch(tx, user->id);
    return absl::OkStatus();
  });
}

std::vector<config::Setting> CommandSettings() {
  return {
      {.name = "ADMIN_USERNAME",
       .help = "The first administrator's name; bootstrap creates it.",
       .fallback = "admin"},
      {.name = "ADMIN_EMAIL", .help = "The first administrator's address."},
      AdminPasswordSetting(),
  };
}

std::vector<service::Command> Commands() {
  std::vector<service::Command> commands = {
      {.name = "bootstrap",
       .help = "Creates the default tenant and the administrator if they are missing.",
       .run = RunBootstrap,
       .usage = kBootstrapUsage},
      {.name = "revoke-user",
       .help = "NAME: kills every credential that the user has now.",
       .run = RunRevokeUser,
       .usage = kRevokeUserUsage},
      {.name = "verify-audit",
       .help = "Proves that the audit log was not changed.",
       .run = RunVerifyAudit},
  };
  for (auto&& more : {AdminCommands(), KeyCommands()}) {
    commands.insert(commands.end(), more.begin(), more.end());
  }
  return commands;
}

}  // namespace gatehouse::auth
