#include "services/auth/login.h"

#include <utility>

#include "libs/log/log.h"
#include "libs/token/api_token.h"
#include "services/auth/audit_store.h"
#include "services/auth/token_store.h"
#include "services/auth/user_store.h"

namespace gatehouse::auth {
namespace {

constexpr std::size_t kNameBytesMax = 254;
constexpr std::size_t kPasswordBytesMax = 1024;
constexpr char kTokenPrefix[] = "ght";

absl::Status CredentialsInvalid() {
  return Error(absl::StatusCode::kUnauthenticated, "CREDENTIALS_INVALID", "invalid credentials");
}

// A name that no user can have is looked up as "", so that the path is the same.
std::string NameToFind(const std::string& given) {
  const bool possible = given.size() <= kNameBytesMax && given.find('\0') == std::string::npos;
  return possible ? given : "";
}

}  // namespace

absl::StatusOr<IssuedToken> Login::WithPassword(const LoginRequest& request) {
  AuditEvent event = NewEvent("login_failure", /*success=*/false, request.origin);
  event.actor_username = Clip(request.username, kNameBytesMax);
  using Found = std::optional<LoginRow>;
  GH_ASSIGN_OR_RETURN(const Found found, db_.Read([&](pg::Tx& tx) -> absl::StatusOr<Found> {
    return FindLogin(tx, NameToFind(request.username));
  }));
  const bool may_fit = found && request.password.size() <= kPasswordBytesMax;
  const std::string password = request.password.substr(0, kPasswordBytesMax);
  GH_ASSIGN_OR_RETURN(const bool fits,
                      hasher_.Verify(password, may_fit ? found->password_hash : ""));
  if (!found) return Refuse(std::move(event), "unknown_user");
  event.actor_user_id = found->user_id;
  event.tenant_id = found->tenant_id;
  event.target = "user/" + found->user_id;
  if (!fits) return Refuse(std::move(event), "wrong_password");
  if (!found->is_active) return Refuse(std::move(event), "disabled");
  event.type = "login_success";
  event.success = true;
  return Issue(found->user_id, found->password_hash, std::move(event));
}

absl::StatusOr<IssuedToken> Login::AfterSignup(const User& user, const Origin& origin) {
  AuditEvent event = NewEvent("login_success", /*success=*/true, origin);
  event.actor_username = user.username;
  event.actor_user_id = user.id;
  event.tenant_id = user.tenant.id;
  event.target = "user/" + user.id;
  event.reason = "signup";
  return Issue(user.id, std::nullopt, std::move(event));
}

absl::StatusOr<IssuedToken> Login::Issue(const std::string& user_id,
                                         const std::optional<std::string>& password_hash,
                                         AuditEvent success) {
  IssuedToken issued{.token = token::NewApiToken(kTokenPrefix), .user = {}};
  const std::string digest = token::TokenDigest(issued.token);
  GH_RETURN_IF_ERROR(db_.InTransaction([&](pg::Tx& tx) -> absl::Status {
    const std::optional<Issuer> issuer = LockIssuer(tx, user_id);
    // The account may have been disabled, or its password changed, while the
    // password was being checked.
    if (!issuer || !issuer->is_active ||
        (password_hash && *password_hash != issuer->password_hash)) {
      return CredentialsInvalid();
    }
    AppendEvent(tx, success);
    issued.user = *FindUserById(tx, user_id);
    issued.has_revoked = InsertToken(tx, user_id, issuer->epoch, digest);
    return absl::OkStatus();
  }));
  return issued;
}

absl::Status Login::Refuse(AuditEvent failure, const std::string& cause) {
  failure.reason = cause;
  const absl::Status appended = db_.Statement([&](pg::Tx& tx) -> absl::Status {
    AppendEvent(tx, failure);
    return absl::OkStatus();
  });
  if (!appended.ok()) {
    log::Error("a failed login is not in the audit log", {{"reason", Reason(appended)}});
  }
  return CredentialsInvalid();
}

}  // namespace gatehouse::auth
