// Logging in with a password: one path for known and unknown names, the same
// work and one answer for every failure; the cause goes to the audit log only.
#pragma once

#include <optional>
#include <string>

#include "libs/pg/database.h"
#include "services/auth/audit.h"
#include "services/auth/password.h"
#include "services/auth/user.h"

namespace gatehouse::auth {

struct LoginRequest {
  std::string username;  // Or email.
  std::string password;
  Origin origin;
};

// A new credential, shown here only, and its owner.
struct IssuedToken {
  std::string token;
  User user;
  bool has_revoked = false;  // An older credential of the user was revoked for it.
};

// Thread-safe. Holds no database connection while the password is checked.
class Login {
 public:
  // Both must outlive this.
  Login(pg::Database& db, PasswordHasher& hasher) : db_(db), hasher_(hasher) {}

  // UNAUTHENTICATED / CREDENTIALS_INVALID, or RESOURCE_EXHAUSTED / OVERLOADED.
  absl::StatusOr<IssuedToken> WithPassword(const LoginRequest& request);

  // A credential for a newcomer, whose password was just checked.
  absl::StatusOr<IssuedToken> AfterSignup(const User& user, const Origin& origin);

 private:
  // `password_hash` is the one that was checked; nullopt: any.
  absl::StatusOr<IssuedToken> Issue(const std::string& user_id,
                                    const std::optional<std::string>& password_hash,
                                    AuditEvent success);
  absl::Status Refuse(AuditEvent failure, const std::string& cause);

  pg::Database& db_;
  PasswordHasher& hasher_;
};

}  // namespace gatehouse::auth
