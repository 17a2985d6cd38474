#include "services/invitations/invitation.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "libs/base/secret.h"

namespace gatehouse::invitations {
namespace {

constexpr std::int64_t kTtlSecondsMin = 60;
constexpr std::int64_t kTtlSecondsMax = 31536000;  // a year
constexpr int kUsesMax = 1000;
constexpr std::size_t kNotesBytesMax = 2000;
constexpr std::size_t kEmailBytesMax = 254;
constexpr std::size_t kTokenBytes = 24;

// PostgreSQL's text cannot hold a NUL.
bool HasNul(const std::string& text) { return text.find('\0') != std::string::npos; }

absl::Status Refuse(const std::string& reason, const std::string& field,
                    const std::string& message) {
  return WithFieldViolation(Error(absl::StatusCode::kInvalidArgument, reason, message), field,
                            message);
}

// A plausible address; whether it exists shows only mail that arrives.
bool IsEmail(const std::string& email) {
  const std::size_t at = email.find('@');
  if (at == 0 || at == std::string::npos || at + 1 == email.size()) return false;
  if (email.find('@', at + 1) != std::string::npos || email.size() > kEmailBytesMax) return false;
  for (unsigned char c : email) {
    if (c <= ' ' || c == 0x7f) return false;
  }
  return true;
}

absl::Status Precondition(const std::string& reason, const std::string& message) {
  return Error(absl::StatusCode::kFailedPrecondition, reason, message);
}

}  // namespace

State Invitation::state() const {
  if (revoked) return State::kRevoked;
  if (uses >= uses_max) return State::kRedeemed;
  return expire_time <= read_time ? State::kExpired : State::kPending;
}

absl::Status Invitation::CheckUse(const std::string& redeemer_email) const {
  switch (state()) {
    case State::kRevoked:
      return Precondition("INVITATION_REVOKED", "the invitation was revoked");
    case State::kRedeemed:
      return Precondition("INVITATION_ALREADY_REDEEMED", "the invitation has already been used");
    case State::kExpired:
      return Precondition("INVITATION_EXPIRED", "the invitation has expired; ask for a new one");
    case State::kPending:
      break;
  }
  if (!email.empty() && !absl::EqualsIgnoreCase(email, redeemer_email)) {
    return Precondition("INVITATION_EMAIL_MISMATCH", "the invitation is for another address");
  }
  return absl::OkStatus();
}

absl::Status Invitation::Redeem(const std::string& redeemer_email) {
  GH_RETURN_IF_ERROR(CheckUse(redeemer_email));
  ++uses;
  return absl::OkStatus();
}

bool Invitation::Revoke() {
  if (state() != State::kPending) return false;
  revoked = true;
  return true;
}

absl::Status Check(const Draft& draft) {
  if (draft.ttl_seconds < kTtlSecondsMin || draft.ttl_seconds > kTtlSecondsMax) {
    return Refuse("TTL_OUT_OF_RANGE", "ttl_seconds", "must be between 60 and 31536000 seconds");
  }
  if (draft.uses_max < 1 || draft.uses_max > kUsesMax) {
    return Refuse("USES_OUT_OF_RANGE", "uses_max", "must be between 1 and 1000");
  }
  if (draft.notes.size() > kNotesBytesMax) {
    return Refuse("NOTES_TOO_LONG", "notes", "must be at most 2,000 bytes");
  }
  if (HasNul(draft.notes)) {
    return Refuse("NOTES_INVALID", "notes", "must not contain a NUL character");
  }
  if (!draft.email.empty() && !IsEmail(draft.email)) {
    return Refuse("EMAIL_INVALID", "email", "must be an email address");
  }
  if (draft.tenant_id < 0) return Refuse("TENANT_INVALID", "tenant_id", "must not be negative");
  return absl::OkStatus();
}

std::string NewToken() { return Base64UrlEncode(RandomBytes(kTokenBytes)); }

}  // namespace gatehouse::invitations
