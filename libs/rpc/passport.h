// Who calls whom, on whose behalf: a passport signed by the caller's own key
// (libs/rpc puts it on every call and checks it on every call). Plain metadata
// identities are never believed.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "gatehouse/type/v1/passport.pb.h"
#include "libs/base/clock.h"
#include "libs/status/status.h"
#include "libs/token/jwt.h"

namespace gatehouse::rpc {

inline constexpr char kPassportKey[] = "x-gatehouse-passport-bin";

// Signs passports of one process. Caches a signed passport per (audience,
// principal) for 20 of its 30 seconds. Thread-safe.
class PassportIssuer {
 public:
  PassportIssuer(std::string issuer, token::SigningKey key, const Clock& clock);
  ~PassportIssuer();

  // The serialized SignedPassport.
  std::string Issue(const std::string& audience, const type::v1::Principal& principal);

  const std::string& issuer() const { return issuer_; }

 private:
  struct Cache;
  const std::string issuer_;
  const token::SigningKey key_;
  const Clock& clock_;
  std::unique_ptr<Cache> cache_;
};

// Checks passports for one process; remembers those it has checked until they
// expire. Thread-safe.
class PassportVerifier {
 public:
  // `keys`: process name → 32-byte public key.
  PassportVerifier(std::string audience, std::map<std::string, std::string> keys,
                   const Clock& clock);
  ~PassportVerifier();

  // UNAUTHENTICATED / PASSPORT_INVALID, the cause in the message.
  absl::StatusOr<std::shared_ptr<const type::v1::Passport>> Verify(const std::string& wire);

 private:
  struct Cache;
  const std::string audience_;
  const std::map<std::string, std::string> keys_;
  const Clock& clock_;
  std::unique_ptr<Cache> cache_;
};

// Reads the mounted list of public keys: lines "name base64url", # comments.
absl::StatusOr<std::map<std::string, std::string>> ReadKeyList(const std::string& path);

}  // namespace gatehouse::rpc
