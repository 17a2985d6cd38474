#include "services/auth/login.h"

#include <algorithm>
#include <utility>

#include "libs/log/log.h"
#include "services/auth/audit_store.h"
#include "services/auth/user_store.h"

namespace gatehouse::auth {
namespace {

constexpr std::size_t kNameBytesMax = 254;
constexpr std::size_t kPasswordBytesMax = 1024;

constexpr char kInvalid[] = "CREDENTIALS_INVALID";

absl::Status CredentialsInvalid() {
  return Error(absl::StatusCode::kUnauthenticated, kInvalid, "invalid credentials");
}

AuditEvent SuccessOf(AuditEvent event) {
  event.type = "login_success";
  event.success = true;
  return event;
}

// A name that no user can have is looked up as "", so that the path is the same. The
// database folds some letters beyond ASCII to ASCII ones; the throttle does not, and
// must not count one account under several names.
std::string NameToFind(const std::string& given) {
  const bool possible =
      given.size() <= kNameBytesMax &&
      std::all_of(given.begin(), given.end(), [](unsigned char c) { return c > 0x20 && c < 0x7F; });
  return possible ? given : "";
}

}  // namespace

Login::Login(pg::Database& db, PasswordHasher& hasher, LoginThrottle& throttle,
             CredentialIssuer& issuer, std::string first_admin)
    : db_(db),
      hasher_(hasher),
      throttle_(throttle),
      issuer_(issuer),
      first_admin_(std::move(first_admin)) {}

absl::StatusOr<IssuedCredential> Login::WithPassword(const LoginRequest& request) {
  const std::string name = request.username.empty() ? first_admin_ : request.username;
  AuditEvent event = NewEvent("login_failure", /*success=*/false, request.origin);
  event.actor_username = Clip(name, kNameBytesMax);
  using Found = std::optional<LoginRow>;
  GH_ASSIGN_OR_RETURN(const Found found, db_.Read([&](pg::Tx& tx) -> absl::StatusOr<Found> {
    return FindLogin(tx, NameToFind(name));
  }));
  if (found) {
    event.actor_user_id = found->user_id;
    event.tenant_id = found->tenant_id;
    event.target = "user/" + found->user_id;
  }
  Proof proof{.account = throttle_.AccountOf(name), .password_hash = "", .fresh_hash = ""};
  const absl::Status begun = throttle_.Begin(proof.account, request.origin.client_address);
  if (!begun.ok()) {
    if (Reason(begun) == "LOGIN_DELAYED") AuditRefusal(std::move(event), "delayed");
    return begun;
  }
  const bool may_fit = found && request.password.size() <= kPasswordBytesMax;
  const std::string password = request.password.substr(0, kPasswordBytesMax);
  if (may_fit) proof.password_hash = found->password_hash;
  GH_ASSIGN_OR_RETURN(const Fit fit, hasher_.Verify(password, proof.password_hash));
  if (!found || fit == Fit::kNo || !found->is_active) {
    AuditRefusal(std::move(event), !found            ? "unknown_user"
                                   : fit == Fit::kNo ? "wrong_password"
                                                     : "disabled");
    return CredentialsInvalid();
  }
  if (fit == Fit::kOutdated) {
    // Under load the old hash must do once more.
    proof.fresh_hash = hasher_.Hash(password).value_or("");
  }
  absl::StatusOr<IssuedCredential> issued = Issue({.user_id = found->user_id,
                                                   .kind = request.kind,
                                                   .is_persistent = request.is_persistent,
                                                   .origin = request.origin},
                                                  proof, SuccessOf(event));
  // Disabled, or the password changed, while it was being checked.
  if (Reason(issued.status()) == kInvalid) AuditRefusal(std::move(event), "outdated");
  return issued;
}

absl::StatusOr<IssuedCredential> Login::AfterSignup(const User& user, CredentialKind kind,
                                                    const Origin& origin) {
  AuditEvent event = NewEvent("login_success", /*success=*/true, origin);
  event.actor_username = user.username;
  event.actor_user_id = user.id;
  event.tenant_id = user.tenant.id;
  event.target = "user/" + user.id;
  event.reason = "signup";
  return Issue({.user_id = user.id, .kind = kind, .origin = origin}, std::nullopt, event);
}

absl::StatusOr<IssuedCredential> Login::Issue(const IssueOrder& order,
                                              const std::optional<Proof>& proof,
                                              const AuditEvent& success) {
  return db_.InTransaction([&](pg::Tx& tx) -> absl::StatusOr<IssuedCredential> {
    const std::optional<Owner> owner = LockOwner(tx, order.user_id);
    if (!owner || !owner->is_active || (proof && proof->password_hash != owner->password_hash)) {
      return CredentialsInvalid();
    }
    if (proof) {
      if (!proof->fresh_hash.empty()) {
        UpgradePasswordHash(tx, order.user_id, proof->fresh_hash);
      }
      throttle_.Succeed(tx, proof->account, order.origin.client_address);
    }
    AppendEvent(tx, success);
    return issuer_.Issue(tx, order);
  });
}

void Login::AuditRefusal(AuditEvent failure, const std::string& cause) {
  failure.reason = cause;
  const absl::Status appended = db_.Statement([&](pg::Tx& tx) -> absl::Status {
    AppendEvent(tx, failure);
    return absl::OkStatus();
  });
  if (!appended.ok()) {
    log::Error("a failed login is not in the audit log", {{"reason", Reason(appended)}});
  }
}

}  // namespace gatehouse::auth
