// Turns a credential into an identity: from the cache of verified credentials,
// or from the answer of a look-up at auth that the caller makes. What comes out
// has been judged by ControlState at that moment.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <variant>

#include "gatehouse/auth/v1/token.pb.h"
#include "libs/metrics/metrics.h"
#include "libs/status/status.h"
#include "libs/token/cache.h"
#include "services/gateway/control_state.h"
#include "services/gateway/identity.h"

namespace gatehouse::gateway {

using IdentityPtr = std::shared_ptr<const Identity>;

// A credential that only auth can tell about.
struct PendingLookUp {
  std::string digest;                         // Of its text; never logged.
  auth::v1::LookupTokenRequest request = {};  // What to ask.
  Time expire_time = Time::max();             // Its own end, as a signed one says itself.
  std::uint64_t keys_version = 0;             // PublicKeys that verified it; 0: opaque.
};

// Thread-safe.
class Authenticator {
 public:
  // Unless SetCache says otherwise.
  static constexpr std::chrono::seconds kCacheLife{60};
  static constexpr std::size_t kCacheSizeMax = 65536;
  static constexpr std::chrono::seconds kUnknownLife{5};
  static constexpr std::size_t kTokenBytesMax = 8192;

  // Must outlive this.
  Authenticator(const ControlState& control, const Clock& clock);

  // What is known without a call: an identity; or what to look up; or an error for
  // what cannot be a credential, was unknown a moment ago, or is a signed token
  // whose signature, claims or epoch refuse it.
  absl::StatusOr<std::variant<IdentityPtr, PendingLookUp>> Recall(const std::string& token) const;

  // The identity that auth answered with, cached unless auth has read it at a
  // sequence that this gateway has not seen. nullptr: something changed while
  // the answer was on its way, recall it again.
  absl::StatusOr<IdentityPtr> Accept(const PendingLookUp& pending,
                                     const auth::v1::LookupTokenResponse& answer);

  // Auth does not know it; returns the error for the client.
  absl::Status Refuse(const PendingLookUp& pending);

  // How long, and how many, verified credentials are remembered, at once. A life of 0:
  // each request asks auth.
  void SetCache(std::chrono::seconds life, std::size_t size_max);

  void Clear();

 private:
  IdentityPtr RecallSession(const PendingLookUp& verified, Time now) const;
  absl::StatusOr<PendingLookUp> Verify(const std::string& jwt, PendingLookUp pending) const;

  const ControlState& control_;
  const Clock& clock_;
  std::atomic<std::chrono::seconds::rep> cache_life_{kCacheLife.count()};
  std::atomic<std::size_t> cache_size_max_{kCacheSizeMax};
  mutable token::Cache<Identity> known_{kCacheSizeMax};
  // By session id, of signed tokens: their next ones need no look-up.
  token::Cache<Identity> sessions_{kCacheSizeMax};
  token::Cache<std::monostate> unknown_{16384};
  metrics::Counter& signed_good_;
  metrics::Counter& signed_bad_;
  metrics::Counter& hits_;
  metrics::Counter& looked_up_;
  metrics::Counter& refused_;
};

// UNAUTHENTICATED / CREDENTIALS_INVALID; one text for every cause.
absl::Status InvalidCredentials();

}  // namespace gatehouse::gateway
