// Users and tenants, and the rules for their names. Pure: no I/O, no protobuf.
// Not credentials (password.h, credential.h), nor what a change may do (user_change.h).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "libs/base/clock.h"
#include "libs/status/status.h"

namespace gatehouse::auth {

// A customer: the unit of billing and of isolation.
struct Tenant {
  std::int64_t id = 0;
  std::string client_id;  // As in X-Client-ID; unique.
  std::string name;
  std::string tier;
  Time create_time;
};

// Somebody who can log in. The password's hash is not here.
struct User {
  std::string id;  // UUID
  std::int64_t number = 0;
  std::string username;
  std::string email;
  Tenant tenant;
  std::string role;
  std::vector<std::string> permissions;  // Of the role now, sorted.
  bool is_active = true;
  bool is_revoked = false;  // Marked; says nothing of credentials issued since.
  bool password_change_required = false;
  int rate_limit_per_second = 0;  // In force: the user's own, else the role's.
  int rate_limit_burst = 0;       // In force: the user's own, else the role's.
  std::string first_name;
  std::string last_name;
  std::string settings_json;
  std::int64_t profile_number = 0;
  std::string notes;           // For administrators only.
  std::string disable_reason;  // For administrators only.
  std::string stripe_customer_id;
  std::int64_t epoch = 0;  // Credentials issued under a smaller one are dead.
  Time create_time;
  Time update_time;
};

// An INVALID_ARGUMENT with the reason, and the message as the field's violation.
absl::Status FieldError(const std::string& reason, const std::string& field,
                        const std::string& message);

// INVALID_ARGUMENT / USERNAME_INVALID unless 3–50 characters of [A-Za-z0-9_.-].
absl::Status CheckUsername(const std::string& username);

// INVALID_ARGUMENT / EMAIL_INVALID unless a dot-atom addr-spec of RFC 5322, with
// a domain of at least two labels, at most 254 bytes.
absl::Status CheckEmail(const std::string& email);

// INVALID_ARGUMENT / CLIENT_ID_INVALID unless 3–50 characters of [A-Za-z0-9_-].
absl::Status CheckClientId(const std::string& client_id);

// INVALID_ARGUMENT / NAME_INVALID unless 1–200 bytes that are not all blank.
absl::Status CheckTenantName(const std::string& name);

// INVALID_ARGUMENT / TIER_INVALID unless 1–50 characters of [a-z0-9_-].
absl::Status CheckTier(const std::string& tier);

// Names that a tenant of `username`'s own may have: the first that is free is
// taken, and the last, made of `user_id`, always is.
std::vector<std::string> ClientIdsFor(const std::string& username, const std::string& user_id);

}  // namespace gatehouse::auth
