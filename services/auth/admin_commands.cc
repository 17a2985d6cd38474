#include "services/auth/admin_commands.h"

#include <cstdio>
#include <optional>

#include "libs/base/secret.h"
#include "libs/base/uuid.h"
#include "libs/token/api_token.h"
#include "services/auth/audit_store.h"
#include "services/auth/credential_store.h"
#include "services/auth/owner_store.h"
#include "services/auth/password_reset_store.h"
#include "services/auth/revocation.h"
#include "services/auth/signup_store.h"
#include "services/auth/tenant_store.h"
#include "services/auth/terminal.h"
#include "services/auth/user_store.h"

namespace gatehouse::auth {
namespace {

constexpr char kDefaultClientId[] = "default";
constexpr char kTokenName[] = "Initial Admin Token";
constexpr std::size_t kHintLength = 4;

constexpr char kCreateAdminUsage[] =
    "Usage: auth create-admin [-u NAME] [-e EMAIL] [-p PASSWORD]\n"
    "\n"
    "Creates an administrator in the tenant \"default\" and prints an API token of\n"
    "theirs, which is shown this once. Fails if the name or the address is taken.\n"
    "\n"
    "  -u NAME      3 to 50 letters, digits, dots, hyphens or underscores\n"
    "  -e EMAIL     the address\n"
    "  -p PASSWORD  at least 8 characters; everybody here can see it in the list of\n"
    "               processes, so better leave it out\n"
    "\n"
    "What is left out is asked for at a terminal. Without a terminal -u and -e are\n"
    "needed, and the password is one line of standard input.\n";

constexpr char kSetPasswordUsage[] =
    "Usage: auth set-password NAME\n"
    "\n"
    "Replaces the password of the user with that username or email, and kills every\n"
    "credential of theirs. At a terminal the new password is asked for twice;\n"
    "elsewhere it is one line of standard input.\n";

absl::Status ArgumentsInvalid(const std::string& message) {
  return Error(absl::StatusCode::kInvalidArgument, "ARGUMENTS_INVALID", message);
}

// Of the locked user: an API token that is not narrowed and has no end.
std::string InsertInitialToken(pg::Tx& tx, const std::string& user_id) {
  std::string text = token::NewApiToken(PrefixOf(CredentialKind::kApi));
  InsertCredential(tx, {.id = UuidV7(),
                        .user_id = user_id,
                        .kind = CredentialKind::kApi,
                        .digest = token::TokenDigest(text),
                        .name = kTokenName,
                        .hint = text.substr(text.size() - kHintLength)});
  return text;
}

absl::Status AskFor(const std::string& question, const std::string& option, std::string* answer) {
  if (!answer->empty()) return absl::OkStatus();
  if (!HasTerminal()) return ArgumentsInvalid("without a terminal " + option + " is needed");
  GH_ASSIGN_OR_RETURN(*answer, Ask(question));
  return absl::OkStatus();
}

absl::StatusOr<AdminAccount> AskForAdmin(const std::vector<std::string>& arguments) {
  GH_ASSIGN_OR_RETURN(AdminAccount admin, ParseCreateAdmin(arguments));
  GH_RETURN_IF_ERROR(AskFor("Username: ", "-u", &admin.username));
  GH_RETURN_IF_ERROR(AskFor("Email: ", "-e", &admin.email));
  if (!admin.password.empty()) {
    std::fputs("auth create-admin: others can see -p in the list of processes\n", stderr);
    return admin;
  }
  GH_ASSIGN_OR_RETURN(admin.password, AskPassword());
  return admin;
}

int RunCreateAdmin(service::Process& process) {
  const absl::StatusOr<AdminAccount> admin = AskForAdmin(process.arguments());
  if (!admin.ok()) return FailCommand("create-admin", admin.status());
  pg::Database db(process.DatabaseOptions());
  PasswordHasher hasher;
  const absl::StatusOr<std::string> token = CreateAdmin(db, hasher, *admin);
  if (!token.ok()) return FailCommand("create-admin", token.status());
  std::printf("user %s created, role admin\n%s, shown this once:\n%s\n", admin->username.c_str(),
              kTokenName, token->c_str());
  return 0;
}

int RunSetPassword(service::Process& process) {
  const std::vector<std::string>& arguments = process.arguments();
  if (arguments.size() != 1) {
    return FailCommand("set-password", ArgumentsInvalid("give one username or email"));
  }
  const absl::StatusOr<std::string> password = AskPassword();
  if (!password.ok()) return FailCommand("set-password", password.status());
  pg::Database db(process.DatabaseOptions());
  PasswordHasher hasher;
  const absl::Status set = SetUserPassword(db, hasher, arguments[0], *password);
  if (!set.ok()) return FailCommand("set-password", set);
  std::printf("the password of %s is set; every credential is revoked\n", arguments[0].c_str());
  return 0;
}

}  // namespace

AuditEvent ShellAction(const std::string& target, const std::string& reason) {
  AuditEvent event = NewEvent("admin_action", /*success=*/true, {});
  event.actor_username = "shell";
  event.target = target;
  event.reason = reason;
  return event;
}

DefaultTenant EnsureDefaultTenant(pg::Tx& tx) {
  tx.exec("SELECT pg_advisory_xact_lock(hashtext('auth.bootstrap'))");
  if (const auto tenant = FindTenantByClientId(tx, kDefaultClientId)) return {.id = tenant->id};
  return {.id = InsertTenant(tx, kDefaultClientId, "Default").value().id, .is_new = true};
}

absl::Status CheckAdmin(const AdminAccount& admin) {
  GH_RETURN_IF_ERROR(CheckUsername(admin.username));
  GH_RETURN_IF_ERROR(CheckEmail(admin.email));
  return CheckPassword(admin.password, admin.username, admin.email);
}

// Reserves the names as a signup does, so that one under way cannot end under them.
absl::StatusOr<std::string> InsertAdmin(pg::Tx& tx, const AdminAccount& admin,
                                        const std::string& password_hash, std::int64_t tenant_id) {
  const Signup names{.id = UuidV7(),
                     .username = admin.username,
                     .email = admin.email,
                     .password_hash = password_hash,
                     .passkey_digest = RandomBytes(32)};  // Of no passkey.
  GH_RETURN_IF_ERROR(ReserveNames(tx, names));
  RemoveSignup(tx, names.id);
  InsertUser(tx, {.id = names.id,
                  .username = admin.username,
                  .email = admin.email,
                  .password_hash = password_hash,
                  .role = "admin",
                  .tenant_id = tenant_id});
  return names.id;
}

absl::StatusOr<std::string> CreateAdmin(pg::Database& db, PasswordHasher& hasher,
                                        const AdminAccount& admin) {
  GH_RETURN_IF_ERROR(CheckAdmin(admin));
  GH_ASSIGN_OR_RETURN(const std::string hash, hasher.Hash(admin.password));
  return db.InTransaction([&](pg::Tx& tx) -> absl::StatusOr<std::string> {
    const DefaultTenant tenant = EnsureDefaultTenant(tx);
    GH_ASSIGN_OR_RETURN(const std::string user_id, InsertAdmin(tx, admin, hash, tenant.id));
    AppendEvent(tx, ShellAction("user/" + user_id, "create-admin"));
    return InsertInitialToken(tx, user_id);
  });
}

absl::Status SetUserPassword(pg::Database& db, PasswordHasher& hasher, const std::string& name,
                             const std::string& password) {
  using Found = std::optional<LoginRow>;
  GH_ASSIGN_OR_RETURN(const Found user, db.Read([&](pg::Tx& tx) -> absl::StatusOr<Found> {
    return FindLogin(tx, name);
  }));
  if (!user) {
    return Error(absl::StatusCode::kNotFound, "USER_NOT_FOUND", "there is no such user");
  }
  GH_RETURN_IF_ERROR(CheckPassword(password, user->username, user->email));
  GH_ASSIGN_OR_RETURN(const std::string hash, hasher.Hash(password));
  return db.InTransaction([&](pg::Tx& tx) -> absl::Status {
    LockOwner(tx, user->user_id);
    SetPassword(tx, user->user_id, hash, /*must_change=*/false);
    DropResets(tx, user->user_id);
    AppendEvent(tx, ShellAction("user/" + user->user_id, "set-password"));
    RaiseUserEpoch(tx, user->user_id);
    return absl::OkStatus();
  });
}

absl::StatusOr<AdminAccount> ParseCreateAdmin(const std::vector<std::string>& arguments) {
  AdminAccount admin;
  for (std::size_t i = 0; i < arguments.size(); i += 2) {
    const std::string& option = arguments[i];
    std::string* const value = option == "-u"   ? &admin.username
                               : option == "-e" ? &admin.email
                               : option == "-p" ? &admin.password
                                                : nullptr;
    if (value == nullptr) return ArgumentsInvalid("there is no option " + option);
    if (!value->empty()) return ArgumentsInvalid(option + " is given twice");
    if (i + 1 == arguments.size() || arguments[i + 1].empty()) {
      return ArgumentsInvalid(option + " needs a value");
    }
    *value = arguments[i + 1];
  }
  return admin;
}

int FailCommand(const std::string& command, const absl::Status& status) {
  std::fprintf(stderr, "auth %s: %s: %s\n", command.c_str(), Reason(status).c_str(),
               std::string(status.message()).c_str());
  for (const auto& [field, problem] : FieldViolations(status)) {
    std::fprintf(stderr, "  %s %s\n", field.c_str(), problem.c_str());
  }
  return Reason(status) == "ARGUMENTS_INVALID" ? 2 : 1;
}

std::vector<service::Command> AdminCommands() {
  return {
      {.name = "create-admin",
       .help = "[-u NAME] [-e EMAIL] [-p PASSWORD]: creates an administrator.",
       .run = RunCreateAdmin,
       .usage = kCreateAdminUsage},
      {.name = "set-password",
       .help = "NAME: replaces a user's password and kills every credential.",
       .run = RunSetPassword,
       .usage = kSetPasswordUsage},
  };
}

}  // namespace gatehouse::auth
