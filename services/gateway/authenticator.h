// Turns a credential into an identity: from the cache of verified credentials,
// or from the answer of a look-up at auth that the caller makes. What comes out
// has been judged by ControlState at that moment.
#pragma once

#include <memory>
#include <string>
#include <variant>

#include "gatehouse/auth/v1/auth.pb.h"
#include "libs/status/status.h"
#include "libs/token/cache.h"
#include "services/gateway/control_state.h"
#include "services/gateway/identity.h"

namespace gatehouse::gateway {

using IdentityPtr = std::shared_ptr<const Identity>;

// Thread-safe.
class Authenticator {
 public:
  static constexpr std::chrono::seconds kCacheLife{60};
  static constexpr std::chrono::seconds kUnknownLife{5};

  // Must outlive this.
  Authenticator(const ControlState& control, const Clock& clock)
      : control_(control), clock_(clock) {}

  // What is known without a call: an identity; or an error for what cannot be a
  // token or was unknown a moment ago; or nullptr: `digest` must be looked up.
  absl::StatusOr<IdentityPtr> Recall(const std::string& token, std::string* digest) const;

  // The identity that auth answered with, cached unless auth has read it at a
  // sequence that this gateway has not seen. nullptr: something changed while
  // the answer was on its way, look it up again.
  absl::StatusOr<IdentityPtr> Accept(const std::string& digest,
                                     const auth::v1::LookupTokenResponse& answer);

  // Auth does not know `digest`; returns the error for the client.
  absl::Status Refuse(const std::string& digest);

  void Clear();

 private:
  const ControlState& control_;
  const Clock& clock_;
  token::Cache<Identity> known_{65536};
  token::Cache<std::monostate> unknown_{16384};
};

// UNAUTHENTICATED / CREDENTIALS_INVALID; one text for every cause.
absl::Status InvalidCredentials();

}  // namespace gatehouse::gateway
