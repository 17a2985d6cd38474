// Signed tokens: JWS compact serialization (RFC 7515) with EdDSA (RFC 8037), and
// the public keys that verify them as a JWK set (RFC 7517). The key fixes the
// algorithm; a header cannot choose it. Not a general JOSE library.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "libs/base/clock.h"
#include "libs/status/status.h"

namespace gatehouse::token {

struct Claims {
  std::string issuer;
  std::string audience;
  std::string subject;     // UUID of the user
  std::string id;          // jti, UUID
  std::string session_id;  // sid, UUID of the credential that it was issued for
  std::int64_t tenant_id = 0;
  std::int64_t epoch = 0;
  std::string role;
  std::vector<std::string> scopes;
  Time issue_time;   // whole seconds on the wire
  Time expire_time;  // whole seconds on the wire
};

// An Ed25519 key pair. Movable; zeroed when destroyed.
class SigningKey {
 public:
  // `seed`: 32 bytes. `kid`: printable, at most 64 bytes.
  static absl::StatusOr<SigningKey> FromSeed(const std::string& kid, const std::string& seed);
  static SigningKey Generate(const std::string& kid);

  const std::string& kid() const { return kid_; }
  const std::string& public_key() const { return public_key_; }  // 32 bytes
  const std::string& secret_key() const { return secret_key_; }  // libsodium's 64 bytes
  std::string Sign(const std::string& message) const;            // 64 bytes
  ~SigningKey();
  SigningKey(SigningKey&&) = default;
  SigningKey& operator=(SigningKey&&) = default;

 private:
  SigningKey() = default;
  std::string kid_, public_key_, secret_key_;
};

// Ed25519 over `message`. `public_key` is 32 bytes; false for anything malformed.
bool VerifySignature(const std::string& public_key, const std::string& message,
                     const std::string& signature);

std::string SignJwt(const SigningKey& key, const Claims& claims);

// Immutable set of public keys. Thread-safe.
class KeySet {
 public:
  KeySet() = default;
  void Add(const std::string& kid, const std::string& public_key);

  // {"keys":[{"kty":"OKP","crv":"Ed25519","alg":"EdDSA","use":"sig","kid":…,"x":…}]}
  std::string ToJson() const;
  static absl::StatusOr<KeySet> FromJson(const std::string& json);

  const std::string* Find(const std::string& kid) const;

 private:
  std::map<std::string, std::string> keys_;
};

// UNAUTHENTICATED / CREDENTIALS_INVALID with the precise cause in the message,
// which is for the log only. Refuses: not three parts, over 8 KiB, non-canonical
// base64url, unknown kid, alg other than EdDSA, crit, duplicate or wrongly typed
// claims, wrong iss or aud, exp reached, nbf or iat more than 30 s ahead.
absl::StatusOr<Claims> VerifyJwt(const KeySet& keys, const std::string& jwt,
                                 const std::string& issuer, const std::string& audience, Time now);

}  // namespace gatehouse::token
