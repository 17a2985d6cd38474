#include "services/auth/password_recovery.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/secret.h"
#include "libs/base/uuid.h"
#include "libs/log/log.h"
#include "libs/token/api_token.h"
#include "services/auth/audit_store.h"
#include "services/auth/owner_store.h"
#include "services/auth/password_reset_store.h"
#include "services/auth/revocation.h"
#include "services/auth/user_store.h"

namespace gatehouse::auth {
namespace {

constexpr char kPurpose[] = "gatehouse password resets";
constexpr char kMailKind[] = "mail.password_reset";
constexpr char kCodePrefix[] = "ghp_";
constexpr std::size_t kCodeBytes = 32;
constexpr std::size_t kPasswordBytesMax = 1024;

using Found = std::optional<LoginRow>;

absl::Status CredentialsInvalid() {
  return Error(absl::StatusCode::kUnauthenticated, "CREDENTIALS_INVALID", "invalid credentials");
}

absl::Status ResetTokenInvalid() {
  return FieldError("RESET_TOKEN_INVALID", "token",
                    "is unknown, used or older than 30 minutes; ask for a new one");
}

// As CheckPassword, of the field "new_password".
absl::Status CheckNew(const std::string& password, const LoginRow& user) {
  const absl::Status fit = CheckPassword(password, user.username, user.email);
  return fit.ok() ? fit : FieldError(Reason(fit), "new_password", std::string(fit.message()));
}

AuditEvent EventOf(const std::string& type, const Found& user, const Origin& origin) {
  AuditEvent event = NewEvent(type, /*success=*/user.has_value(), origin);
  if (user) {
    event.actor_user_id = user->user_id;
    event.actor_username = user->username;
    event.target = "user/" + user->user_id;
    event.tenant_id = user->tenant_id;
  }
  return event;
}

void AuditRefusal(pg::Database& db, AuditEvent event, const std::string& cause) {
  event.success = false;
  event.reason = cause;
  const absl::Status appended = db.Statement([&](pg::Tx& tx) -> absl::Status {
    AppendEvent(tx, event);
    return absl::OkStatus();
  });
  if (!appended.ok()) {
    log::Error("a refused change of a password is not in the audit log",
               {{"reason", Reason(appended)}});
  }
}

// What is mailed for a reset. Made again from its id whenever it is needed, so that
// it is kept nowhere.
std::string CodeOf(const std::string& key, const std::string& reset_id) {
  return kCodePrefix + Base64UrlEncode(HmacSha256(key, reset_id));
}

bool LooksLikeCode(const std::string& text) {
  if (!absl::StartsWith(text, kCodePrefix) || text.size() > 64) return false;
  const auto bytes = Base64UrlDecode(text.substr(sizeof(kCodePrefix) - 1));
  return bytes && bytes->size() == kCodeBytes;
}

mail::Message MailOf(const ResetMail& reset, const std::string& code) {
  return {.to = reset.email,
          .subject = "Reset your password",
          .text = absl::StrCat(
              "Hello ", reset.username,
              ",\n\nsomebody, probably you, has asked for a new password for your account."
              " This is the code\nto set one:\n\n",
              code, "\n\nIt is valid for ", kResetLife.count(),
              " minutes and works once. Send it together with the new password as\n\n"
              "POST /api/auth/password/reset/confirm/\n"
              "{\"token\": \"THE CODE\", \"new_password\": \"YOUR NEW PASSWORD\"}\n\n"
              "Afterwards log in again: every session and token of your account ends.\n\n"
              "If you did not ask, ignore this mail; your password stays as it is.\n")};
}

}  // namespace

PasswordRecovery::PasswordRecovery(pg::Database& db, PasswordHasher& hasher,
                                   LoginThrottle& throttle, CredentialIssuer& issuer,
                                   mail::Mailer& mailer, const std::string& secret_key)
    : db_(db),
      hasher_(hasher),
      throttle_(throttle),
      issuer_(issuer),
      mailer_(mailer),
      reset_key_(DeriveKey(secret_key, kPurpose)),
      relay_(db, "auth", [this](const pg::OutboxMessage& message) { return Deliver(message); }) {}

PasswordRecovery::~PasswordRecovery() = default;

absl::StatusOr<std::optional<IssuedCredential>> PasswordRecovery::Change(
    const PasswordChange& change) {
  GH_ASSIGN_OR_RETURN(const Found user, db_.Read([&](pg::Tx& tx) -> absl::StatusOr<Found> {
    return FindLoginById(tx, change.user_id);
  }));
  if (!user) return CredentialsInvalid();
  // Before the old password: what is refused here is no guess, and must not count.
  GH_RETURN_IF_ERROR(CheckNew(change.new_password, *user));
  if (change.new_password == change.old_password) {
    return FieldError("PASSWORD_UNCHANGED", "new_password", "must differ from the old password");
  }
  const std::string account = throttle_.AccountOf(user->username);
  GH_RETURN_IF_ERROR(throttle_.Begin(account, change.origin.client_address));
  const bool may_fit = change.old_password.size() <= kPasswordBytesMax;
  GH_ASSIGN_OR_RETURN(const Fit fit,
                      hasher_.Verify(change.old_password.substr(0, kPasswordBytesMax),
                                     may_fit ? user->password_hash : ""));
  const AuditEvent event = EventOf("password_change", user, change.origin);
  if (fit == Fit::kNo || !user->is_active) {
    AuditRefusal(db_, event, fit == Fit::kNo ? "wrong_password" : "disabled");
    return CredentialsInvalid();
  }
  GH_ASSIGN_OR_RETURN(const std::string hash, hasher_.Hash(change.new_password));
  using Kept = std::optional<IssuedCredential>;
  return db_.InTransaction([&](pg::Tx& tx) -> absl::StatusOr<Kept> {
    const std::optional<Owner> owner = LockOwner(tx, user->user_id);
    // Disabled, or the password changed, while it was being checked.
    if (!owner || !owner->is_active || owner->password_hash != user->password_hash) {
      return CredentialsInvalid();
    }
    throttle_.Succeed(tx, account, change.origin.client_address);
    SetPassword(tx, user->user_id, hash, /*must_change=*/false);
    DropResets(tx, user->user_id);
    AppendEvent(tx, event);
    RaiseUserEpoch(tx, user->user_id);
    GH_ASSIGN_OR_RETURN(Kept kept, issuer_.Keep(tx, user->user_id, change.credential_id));
    if (kept && kept->token.empty()) kept.reset();
    return kept;
  });
}

absl::Status PasswordRecovery::RequestReset(const std::string& email, const Origin& origin) {
  GH_RETURN_IF_ERROR(CheckEmail(email));
  const std::string id = UuidV7();
  const std::string digest = token::TokenDigest(CodeOf(reset_key_, id));
  GH_RETURN_IF_ERROR(db_.InTransaction([&](pg::Tx& tx) -> absl::Status {
    const Found holder = FindLogin(tx, email);
    const bool is_known = holder && holder->is_active;
    InsertReset(tx, id, is_known ? std::optional(holder->user_id) : std::nullopt, digest);
    AuditEvent event = EventOf("password_reset_request", holder, origin);
    event.success = is_known;
    if (!is_known) event.reason = holder ? "disabled" : "unknown_user";
    if (!holder) event.actor_username = email;
    AppendEvent(tx, event);
    return pg::AppendOutbox(tx, "auth", "password_reset/" + id, kMailKind, id);
  }));
  // The relay is not woken: what it does for a known address would delay this answer.
  return absl::OkStatus();
}

absl::Status PasswordRecovery::Deliver(const pg::OutboxMessage& message) {
  if (message.kind != kMailKind) {
    return Error(absl::StatusCode::kUnimplemented, "OUTBOX_KIND_UNKNOWN", "nobody delivers this");
  }
  const std::string& id = message.payload;
  using Mail = std::optional<ResetMail>;
  GH_ASSIGN_OR_RETURN(const Mail reset, db_.Read([&](pg::Tx& tx) -> absl::StatusOr<Mail> {
    return FindResetMail(tx, id);
  }));
  if (!reset) return absl::OkStatus();
  if (reset->open_before >= kOpenResetsMax) {
    return db_.Statement([&](pg::Tx& tx) -> absl::Status {
      DropReset(tx, id);
      return absl::OkStatus();
    });
  }
  absl::Status sent = mailer_.Send(MailOf(*reset, CodeOf(reset_key_, id)));
  if (Reason(sent) != "MAIL_REJECTED") return sent;
  log::Warning("the mail of a password reset was refused for good",
               {{"reset", id}, {"text", std::string(sent.message())}});
  return absl::OkStatus();
}

absl::Status PasswordRecovery::ConfirmReset(const std::string& token,
                                            const std::string& new_password, const Origin& origin) {
  const std::string digest = token::TokenDigest(LooksLikeCode(token) ? token : "");
  GH_ASSIGN_OR_RETURN(Found user, db_.Read([&](pg::Tx& tx) -> absl::StatusOr<Found> {
    const std::optional<std::string> user_id = FindOpenReset(tx, digest);
    return user_id ? FindLoginById(tx, *user_id) : std::nullopt;
  }));
  if (user && !user->is_active) user.reset();
  if (user) GH_RETURN_IF_ERROR(CheckNew(new_password, *user));
  GH_ASSIGN_OR_RETURN(const std::string hash,
                      hasher_.Hash(new_password.substr(0, kPasswordBytesMax)));
  const AuditEvent event = EventOf("password_reset_complete", user, origin);
  absl::Status done = ResetTokenInvalid();
  if (user) {
    done = db_.InTransaction([&](pg::Tx& tx) -> absl::Status {
      const std::optional<Owner> owner = LockOwner(tx, user->user_id);
      if (!owner || !owner->is_active || !UseReset(tx, digest)) return ResetTokenInvalid();
      DropResets(tx, user->user_id);
      SetPassword(tx, user->user_id, hash, /*must_change=*/false);
      AppendEvent(tx, event);
      RaiseUserEpoch(tx, user->user_id);
      return absl::OkStatus();
    });
  }
  if (Reason(done) == "RESET_TOKEN_INVALID") AuditRefusal(db_, event, "token_invalid");
  return done;
}

}  // namespace gatehouse::auth
