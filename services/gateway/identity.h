// Whom a credential stands for, as auth said when it was looked up. Not proof
// that the credential still lives: ControlState judges that on every use.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "gatehouse/type/v1/passport.pb.h"
#include "libs/base/clock.h"

namespace gatehouse::gateway {

struct Identity {
  std::string digest;  // Of the credential; never logged.
  std::string token_id;
  type::v1::Principal principal;
  std::int64_t epoch = 0;     // The user's, when it was read.
  std::int64_t sequence = 0;  // Of the control counter, when it was read.
  Time expire_time = Time::max();

  // ControlState::changes() at which it was last found good. Saves the look into
  // the maps for as long as nothing changes.
  mutable std::atomic<std::uint64_t> checked_at{0};
};

}  // namespace gatehouse::gateway
