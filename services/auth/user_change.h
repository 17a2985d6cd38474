// What may be set of a user, and by whom: the rules of an administrator's changes.
// Pure: no I/O, no protobuf. The rules for names are in user.h, for passwords in
// password.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "services/auth/user.h"

namespace gatehouse::auth {

// What is absent stays as it is.
struct UserChange {
  std::optional<std::string> username = {};
  std::optional<std::string> email = {};
  std::optional<std::string> password = {};
  std::optional<std::string> role = {};
  std::optional<bool> is_active = {};
  std::optional<std::string> disable_reason = {};
  std::optional<std::int64_t> tenant_id = {};
  std::optional<int> rate_limit_per_second = {};  // 0 follows the role again.
  std::optional<int> rate_limit_burst = {};       // 0 follows the role again.
  std::optional<std::string> first_name = {};
  std::optional<std::string> last_name = {};
  std::optional<std::string> settings_json = {};
  std::optional<std::string> notes = {};
  std::optional<std::string> stripe_customer_id = {};
};

// INVALID_ARGUMENT with a violation of the field: USERNAME_INVALID, EMAIL_INVALID,
// ROLE_UNKNOWN, RATE_OUT_OF_RANGE, NAME_INVALID, SETTINGS_INVALID or TEXT_INVALID.
// Brings `settings_json` into one form. Not the password, which is judged beside the
// names in force.
absl::Status CheckChange(UserChange& change);

// INVALID_ARGUMENT / ROLE_UNKNOWN unless "user", "moderator" or "admin".
absl::Status CheckRole(const std::string& role);
// INVALID_ARGUMENT / RATE_OUT_OF_RANGE unless in [1, 10000].
absl::Status CheckRate(const std::string& field, int rate);
// INVALID_ARGUMENT / NAME_INVALID when longer than 150 bytes or with a NUL.
absl::Status CheckPersonName(const std::string& field, const std::string& name);

// Who asks, and what they hold. A credential that is narrowed to less than the scope
// admin does not speak as an administrator.
struct Actor {
  std::string user_id = "";  // Empty: a service acts for itself, and is trusted.
  bool is_admin = false;
  bool is_narrowed = false;
  std::vector<std::string> holds = {};  // Permissions, or the scopes of a narrowed credential.
};
bool IsTrusted(const Actor& actor);  // An administrator, or a service for itself.

// NOT_FOUND / USER_NOT_FOUND when the user is an administrator, and the actor neither
// one nor that user.
absl::Status CheckMayTouch(const Actor& actor, const User& user);
// PERMISSION_DENIED / ADMIN_REQUIRED when the actor may not give this role, or not
// these permissions: nobody but an administrator gives what they do not hold.
absl::Status CheckMayGiveRole(const Actor& actor, const std::string& role);
absl::Status CheckMayGrant(const Actor& actor, const std::vector<std::string>& permissions);
// PERMISSION_DENIED / ADMIN_REQUIRED unless trusted.
absl::Status CheckAdmin(const Actor& actor);

absl::Status UserNotFound();

// What `change` alters of `user`: without what is so already, and with the reason of
// a block taken away when it ends. A password, rates and settings always alter.
UserChange Effective(const User& user, UserChange change);
bool IsEmpty(const UserChange& change);

// Of effective changes.
// Whether the user's credentials die of it: role, tenant, password, a block.
bool KillsCredentials(const UserChange& change);
// Whether what gateways know of the user changes: names and rates.
bool IsVisible(const UserChange& change);
// Whether it could take an administrator away.
bool MayEndAdmin(const UserChange& change);

// FAILED_PRECONDITION / LAST_ADMIN when no active administrator would be left.
// `active_admins`: the ids of all there are, locked.
absl::Status CheckLeavesAnAdmin(const User& user, const UserChange& change,
                                const std::vector<std::string>& active_admins);

// An audit event of a change: "user_disabled", "user_enabled", "tenant_changed",
// "role_changed", "password_reset", and "profile_updated" with the names of the other
// fields. Texts that people wrote are not in the details.
struct ChangeEvent {
  std::string type;
  std::string details_json;
};
std::vector<ChangeEvent> EventsOf(const User& user, const UserChange& change);

}  // namespace gatehouse::auth
