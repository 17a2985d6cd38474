// Passwords: what is refused as too weak, and argon2id hashing on threads of its
// own, so that a storm of logins cannot starve other calls. Passwords are never
// stored or logged.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

#include "libs/exec/pool.h"
#include "libs/status/status.h"

namespace gatehouse::auth {

// INVALID_ARGUMENT / PASSWORD_TOO_WEAK with a violation of "password": shorter
// than 8 characters or longer than 1,024 bytes, digits only, like the username
// or the email, or guessable. Pure.
absl::Status CheckPassword(const std::string& password, const std::string& username,
                           const std::string& email);

// What a check found.
enum class Fit {
  kNo,
  kYes,
  kOutdated,  // Fits, but the hash is foreign or weak: store a new one.
};

// Thread-safe. The calling thread waits; it must hold no database connection.
class PasswordHasher {
 public:
  struct Options {
    int threads = 0;  // 0: half of the cores, at least one.
    std::size_t queue_max = 32;
  };

  PasswordHasher() : PasswordHasher(Options{}) {}
  explicit PasswordHasher(Options options);

  // The argon2id hash (19 MiB, t = 2) as a PHC string. RESOURCE_EXHAUSTED /
  // OVERLOADED when too many are waiting.
  absl::StatusOr<std::string> Hash(const std::string& password);

  // Whether `password` is the one of `hash`: argon2id, bcrypt ("$2b$", "$2a$", "$2y$")
  // or Django's "pbkdf2_sha256$". An empty `hash` means that there is no such user:
  // the work of argon2id is done, and the answer is no.
  absl::StatusOr<Fit> Verify(const std::string& password, const std::string& hash);

  // How many hashes were computed, for either purpose.
  std::int64_t hash_count() const { return hash_count_; }

 private:
  // Runs `work` on the pool and waits for it.
  absl::Status RunOnPool(const std::function<void()>& work);

  std::atomic<std::int64_t> hash_count_ = 0;
  std::string decoy_hash_;
  exec::Pool pool_;  // last: stops before the rest goes
};

}  // namespace gatehouse::auth
