// Whom a credential stands for, as auth said when it was looked up. Not proof
// that the credential still lives: ControlState judges that on every use.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "gatehouse/auth/v1/token.pb.h"
#include "gatehouse/type/v1/passport.pb.h"
#include "libs/base/clock.h"

namespace gatehouse::gateway {

struct Identity {
  Identity() = default;
  // The same, but to be checked anew.
  Identity(const Identity& other)
      : digest(other.digest),
        token_id(other.token_id),
        kind(other.kind),
        principal(other.principal),
        password_change_required(other.password_change_required),
        rate_limit_per_second(other.rate_limit_per_second),
        rate_limit_burst(other.rate_limit_burst),
        sequence(other.sequence),
        epoch(other.epoch),
        keys_version(other.keys_version),
        expire_time(other.expire_time),
        keep_until(other.keep_until) {}

  std::string digest;    // Of the credential; never logged.
  std::string token_id;  // Of the credential: the session, for a signed access token.
  auth::v1::CredentialKind kind = auth::v1::CREDENTIAL_KIND_UNSPECIFIED;
  type::v1::Principal principal;
  // Every route but the change of the password is closed.
  bool password_change_required = false;
  int rate_limit_per_second = 0;
  int rate_limit_burst = 0;
  std::int64_t sequence = 0;       // Of the control counter, when it was read.
  std::int64_t epoch = 0;          // Of a signed token, as it says itself.
  std::uint64_t keys_version = 0;  // PublicKeys that verified a signed one; 0: opaque.
  Time expire_time = Time::max();
  Time keep_until = Time::max();  // When it must be looked up again at the latest.

  // ControlState::changes() at which it was last found good. Saves the look into
  // the maps for as long as nothing changes.
  mutable std::atomic<std::uint64_t> checked_at{0};
};

}  // namespace gatehouse::gateway
