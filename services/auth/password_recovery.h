// New passwords for people: change by the old one, reset by a mailed code. Not the
// administrator's reset (user_service.h).
#pragma once

#include <optional>
#include <string>

#include "libs/mail/mail.h"
#include "libs/pg/database.h"
#include "libs/pg/outbox.h"
#include "services/auth/audit.h"
#include "services/auth/credential_issuer.h"
#include "services/auth/login_throttle.h"
#include "services/auth/password.h"

namespace gatehouse::auth {

struct PasswordChange {
  std::string user_id;
  std::string credential_id;  // Presented; lives on.
  std::string old_password;
  std::string new_password;
  Origin origin;
};

// Thread-safe. Holds no database connection while a password is hashed. After a
// change that succeeded the control hub must wake.
class PasswordRecovery {
 public:
  // All must outlive this. `secret_key`: SECRET_KEY.
  PasswordRecovery(pg::Database& db, PasswordHasher& hasher, LoginThrottle& throttle,
                   CredentialIssuer& issuer, mail::Mailer& mailer, const std::string& secret_key);
  ~PasswordRecovery();

  // Errors: CREDENTIALS_INVALID, LOGIN_DELAYED, PASSWORD_TOO_WEAK,
  // PASSWORD_UNCHANGED, OVERLOADED. The new access token when the presented
  // credential is a signed one.
  absl::StatusOr<std::optional<IssuedCredential>> Change(const PasswordChange& change);

  // INVALID_ARGUMENT / EMAIL_INVALID. The same statements for any address.
  absl::Status RequestReset(const std::string& email, const Origin& origin);

  // Mails at once what RequestReset has left for the next second.
  void DeliverNow() { relay_.Wake(); }

  // INVALID_ARGUMENT / RESET_TOKEN_INVALID or PASSWORD_TOO_WEAK.
  absl::Status ConfirmReset(const std::string& token, const std::string& new_password,
                            const Origin& origin);

 private:
  absl::Status Deliver(const pg::OutboxMessage& message);

  pg::Database& db_;
  PasswordHasher& hasher_;
  LoginThrottle& throttle_;
  CredentialIssuer& issuer_;
  mail::Mailer& mailer_;
  const std::string reset_key_;
  pg::OutboxRelay relay_;  // last: stops before the rest goes
};

}  // namespace gatehouse::auth
