// Hashes of passwords that other programs made: bcrypt and Django's PBKDF2. Pure.
// Checks only; what auth stores itself is argon2id (password.h).
#pragma once

#include <string>

namespace gatehouse::auth {

enum class HashForm {
  kArgon2id,  // Of bounded cost.
  kBcrypt,    // "$2a$", "$2b$", "$2y$"
  kDjango,    // "pbkdf2_sha256$iterations$salt$base64"
  kMalformed,
};

// Costs that would hold a thread for seconds are malformed, too: above 64 MiB, ten
// passes or one lane of argon2id, bcrypt's 15, and 2,000,000 rounds of PBKDF2.
HashForm FormOf(const std::string& hash);

// Each takes a hash of its form only. A password that contains a NUL fits neither.

// bcrypt never sees more than the first 72 bytes of a password, so neither can this.
bool FitsBcrypt(const std::string& password, const std::string& hash);

bool FitsDjango(const std::string& password, const std::string& hash);

}  // namespace gatehouse::auth
