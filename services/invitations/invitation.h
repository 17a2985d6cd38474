// An invitation and its rules. Pure: times come in, no I/O and no protobuf. The
// secret token is not here; it exists only in the answer of CreateInvitation.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "libs/base/clock.h"
#include "libs/status/status.h"

namespace gatehouse::invitations {

enum class State { kPending, kRedeemed, kExpired, kRevoked };

// The newest redemption.
struct LastUse {
  std::string redeemer_user_id;
  std::string redeemer_username;
  Time redeem_time;
};

struct Invitation {
  std::string id;  // UUIDv7
  std::string notes;
  int uses_max = 1;
  int uses = 0;
  std::int64_t tenant_id = 0;   // Redeemers join it; 0: each gets a tenant of their own.
  std::string email;            // The only address that may redeem; empty: any.
  std::string creator_user_id;  // Empty when unknown.
  std::string creator_username;
  Time create_time;
  Time expire_time;
  bool revoked = false;
  std::optional<LastUse> last_use = std::nullopt;
  Time read_time;  // The database's time when this was read; what "now" means.

  State state() const;

  // Whether the owner of `redeemer_email` could redeem it. FAILED_PRECONDITION /
  // INVITATION_ALREADY_REDEEMED, INVITATION_EXPIRED, INVITATION_REVOKED or
  // INVITATION_EMAIL_MISMATCH.
  absl::Status CheckUse(const std::string& redeemer_email) const;

  // Counts one more use, or refuses as CheckUse does.
  absl::Status Redeem(const std::string& redeemer_email);

  // Revokes a pending invitation. False, and nothing changes, in a final state.
  bool Revoke();
};

// What a creator asks for.
struct Draft {
  std::int64_t ttl_seconds = 0;
  int uses_max = 1;
  std::string notes = "";
  std::int64_t tenant_id = 0;
  std::string email = "";
  std::string creator_user_id = "";
  std::string creator_username = "";
};

// INVALID_ARGUMENT / TTL_OUT_OF_RANGE, USES_OUT_OF_RANGE, NOTES_TOO_LONG,
// NOTES_INVALID, EMAIL_INVALID or TENANT_INVALID, with the field.
absl::Status Check(const Draft& draft);

// 32 characters of base64url, from 24 random bytes.
std::string NewToken();

}  // namespace gatehouse::invitations
