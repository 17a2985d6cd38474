// The keys that sign access tokens: made, sealed under SECRET_KEY, published,
// activated and retired by times in the database, so that a rotation is one
// transaction and no process need restart. Does not decide what a token says.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <string>

#include "libs/pg/database.h"
#include "libs/token/jwt.h"

namespace gatehouse::auth {

inline constexpr char kIssuer[] = "gatehouse";    // iss
inline constexpr char kAudience[] = "gatehouse";  // aud

struct KeyRow;

// Thread-safe.
class KeyRing {
 public:
  // `secret_key`: SECRET_KEY, of any length; the sealing key is derived from it.
  explicit KeyRing(const std::string& secret_key);
  ~KeyRing();

  // Makes the first key, active at once, if there is none. Safe to run in parallel.
  // FAILED_PRECONDITION / SECRET_KEY_WRONG when a key cannot be unsealed,
  // SECRET_KEY_MISSING when the secret key is empty.
  absl::Status Ensure(pg::Database& db);

  // Signs with the newest key that is active at the transaction's time. Fills in
  // issuer and audience. INTERNAL / SIGNING_KEY_MISSING before the first Ensure.
  absl::StatusOr<std::string> Sign(pg::Tx& tx, token::Claims claims);

  // Publishes a new key that becomes active after `wait`, and retires the present
  // ones once no token of theirs can live. Returns the new kid. In the caller's
  // transaction; appends to the control log: call last. With a wait of zero,
  // gateways that have not heard of the key yet refuse its tokens.
  absl::StatusOr<std::string> Rotate(pg::Tx& tx, std::chrono::seconds wait);

 private:
  using Key = std::shared_ptr<const token::SigningKey>;
  absl::StatusOr<Key> Unseal(const KeyRow& row) const;
  absl::StatusOr<std::string> Publish(pg::Tx& tx, std::chrono::seconds wait) const;

  const bool has_secret_;
  std::string sealing_key_;  // 32 bytes
  std::mutex mutex_;
  Key active_;  // guarded by mutex_; the one that has signed last.
};

// What verifies an access token now or soon: every key that is not retired.
token::KeySet PublishedKeys(pg::Tx& tx);

// A key for one purpose, derived from SECRET_KEY: HMAC-SHA-256 of `purpose`.
std::string DeriveKey(const std::string& secret_key, const std::string& purpose);

}  // namespace gatehouse::auth
