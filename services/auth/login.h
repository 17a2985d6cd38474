// Logging in with a password: one path for known and unknown names, the same
// work and one answer for every failure; the cause goes to the audit log only.
#pragma once

#include <optional>
#include <string>

#include "libs/pg/database.h"
#include "services/auth/audit.h"
#include "services/auth/credential_issuer.h"
#include "services/auth/login_throttle.h"
#include "services/auth/password.h"
#include "services/auth/user.h"

namespace gatehouse::auth {

struct LoginRequest {
  std::string username;  // Or email. Empty: the first administrator.
  std::string password;
  CredentialKind kind = CredentialKind::kToken;
  bool is_persistent = false;  // Of kSession.
  Origin origin = {};
};

// Thread-safe. Holds no database connection while a password is hashed.
class Login {
 public:
  // All must outlive this. `first_admin`: ADMIN_USERNAME.
  Login(pg::Database& db, PasswordHasher& hasher, LoginThrottle& throttle, CredentialIssuer& issuer,
        std::string first_admin);

  // UNAUTHENTICATED / CREDENTIALS_INVALID, or RESOURCE_EXHAUSTED / LOGIN_DELAYED or
  // OVERLOADED.
  absl::StatusOr<IssuedCredential> WithPassword(const LoginRequest& request);

  // A credential for a newcomer, whose password was just checked.
  absl::StatusOr<IssuedCredential> AfterSignup(const User& user, CredentialKind kind,
                                               const Origin& origin);

 private:
  // A password that was checked, and what it was checked against.
  struct Proof {
    std::string account;        // Of the throttle.
    std::string password_hash;  // The one that was checked.
    std::string fresh_hash;     // To be stored instead of it, or empty.
  };
  // Without a proof the owner need only be active.
  absl::StatusOr<IssuedCredential> Issue(const IssueOrder& order, const std::optional<Proof>& proof,
                                         const AuditEvent& success);
  void AuditRefusal(AuditEvent failure, const std::string& cause);

  pg::Database& db_;
  PasswordHasher& hasher_;
  LoginThrottle& throttle_;
  CredentialIssuer& issuer_;
  const std::string first_admin_;
};

}  // namespace gatehouse::auth
