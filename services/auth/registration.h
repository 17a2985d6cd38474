// Registering without an invitation, where the operator allows it: a user in a
// new tenant of the user's own, in one transaction. Not signup by passkey
// (signup_saga.h), and logs nobody in.
#pragma once

#include <string>

#include "libs/pg/database.h"
#include "services/auth/audit.h"
#include "services/auth/password.h"
#include "services/auth/user.h"

namespace gatehouse::auth {

struct RegistrationRequest {
  std::string username = "";  // Empty: made of the email.
  std::string email;
  std::string password;
  std::string first_name = "";
  std::string last_name = "";
  std::string company = "";  // Name of the new tenant; empty: made of the username.
  Origin origin = {};
};

// INVALID_ARGUMENT / USERNAME_INVALID (unless empty), EMAIL_INVALID,
// PASSWORD_TOO_WEAK or NAME_INVALID.
absl::Status Check(const RegistrationRequest& request);

// A username that fits the rules, from what stands before the "@".
std::string UsernameFor(const std::string& email);

// Thread-safe.
class Registration {
 public:
  // `db` and `hasher` must outlive this. `is_open`: the setting OPEN_REGISTRATION.
  Registration(pg::Database& db, PasswordHasher& hasher, bool is_open);

  // The new user. PERMISSION_DENIED / REGISTRATION_CLOSED; the errors of Check;
  // ALREADY_EXISTS / USERNAME_TAKEN or EMAIL_TAKEN.
  absl::StatusOr<User> Register(const RegistrationRequest& request);

 private:
  pg::Database& db_;
  PasswordHasher& hasher_;
  const bool is_open_;
};

}  // namespace gatehouse::auth
