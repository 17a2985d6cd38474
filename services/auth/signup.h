// What a newcomer asks for, and what is kept while the signup is under way. Pure.
// The steps are in signup_saga.h.
#pragma once

#include <string>

#include "libs/status/status.h"
#include "services/auth/audit.h"

namespace gatehouse::auth {

struct SignupRequest {
  std::string username;
  std::string email;
  std::string password;
  std::string passkey;
  Origin origin;
};

// INVALID_ARGUMENT / USERNAME_INVALID, EMAIL_INVALID, PASSWORD_TOO_WEAK or
// PASSKEY_INVALID.
absl::Status Check(const SignupRequest& request);

// Names that are reserved for a user to be.
struct Signup {
  std::string id;  // UUID: the redemption id, and then the user's id.
  std::string username;
  std::string email;
  std::string password_hash;
  std::string passkey_digest = "";  // SHA-256: all that is kept of the passkey.
  Origin origin = {};
};

// Whether `signup` was made for the same names, regardless of case, and passkey.
// The password is for the hasher to compare.
bool IsSame(const Signup& signup, const SignupRequest& request);

// Whether the invitation was refused for good: the same call would be refused
// again. Any other error leaves open whether it was redeemed.
bool IsDefiniteRefusal(const absl::Status& status);

}  // namespace gatehouse::auth
