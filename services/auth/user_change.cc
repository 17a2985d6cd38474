#include "services/auth/user_change.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <cmath>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace gatehouse::auth {
namespace {

namespace json = boost::json;

constexpr char kAdmin[] = "admin";
constexpr int kRateMax = 10000;
constexpr std::size_t kPersonNameBytesMax = 150;
constexpr std::size_t kSettingsBytesMax = 16384;
constexpr std::size_t kSettingsDepthMax = 16;
constexpr std::size_t kReasonBytesMax = 512;
constexpr std::size_t kNotesBytesMax = 2000;
constexpr std::size_t kStripeIdBytesMax = 255;

bool HasNul(const std::string& text) { return text.find('\0') != std::string::npos; }

absl::Status CheckText(const std::string& field, const std::optional<std::string>& text,
                       std::size_t bytes_max) {
  if (!text || (text->size() <= bytes_max && !HasNul(*text))) return absl::OkStatus();
  return FieldError("TEXT_INVALID", field,
                    absl::StrCat("must be at most ", bytes_max, " bytes, without NUL characters"));
}

// Whether PostgreSQL's jsonb can hold it: it knows neither NUL nor infinity.
bool IsStorable(const json::value& value) {
  if (const auto* text = value.if_string()) return text->find('\0') == json::string::npos;
  if (const auto* number = value.if_double()) return std::isfinite(*number);
  if (const auto* array = value.if_array()) {
    return std::all_of(array->begin(), array->end(), IsStorable);
  }
  const auto* object = value.if_object();
  return object == nullptr ||
         std::all_of(object->begin(), object->end(), [](const json::key_value_pair& member) {
           return member.key().find('\0') == json::string_view::npos && IsStorable(member.value());
         });
}

absl::Status NormalizeSettings(std::optional<std::string>& settings) {
  if (!settings) return absl::OkStatus();
  json::error_code error;
  json::parse_options options;
  options.max_depth = kSettingsDepthMax;
  json::value value;
  if (settings->size() <= kSettingsBytesMax) value = json::parse(*settings, error, {}, options);
  if (error || !value.is_object() || !IsStorable(value)) {
    return FieldError("SETTINGS_INVALID", "settings", "must be a JSON object of at most 16 KiB");
  }
  settings = json::serialize(value);
  return absl::OkStatus();
}

// 0, too, for it follows the role.
absl::Status CheckRateChange(const std::string& field, const std::optional<int>& rate) {
  return !rate || *rate == 0 ? absl::OkStatus() : CheckRate(field, *rate);
}

template <typename T>
void DropIfEqual(std::optional<T>& field, const T& present) {
  if (field && *field == present) field.reset();
}

absl::Status AdminRequired() {
  return Error(absl::StatusCode::kPermissionDenied, "ADMIN_REQUIRED",
               "only an administrator may do that");
}

}  // namespace

absl::Status CheckChange(UserChange& change) {
  if (change.username) GH_RETURN_IF_ERROR(CheckUsername(*change.username));
  if (change.email) GH_RETURN_IF_ERROR(CheckEmail(*change.email));
  if (change.role) GH_RETURN_IF_ERROR(CheckRole(*change.role));
  GH_RETURN_IF_ERROR(CheckRateChange("rate_limit_per_second", change.rate_limit_per_second));
  GH_RETURN_IF_ERROR(CheckRateChange("rate_limit_burst", change.rate_limit_burst));
  GH_RETURN_IF_ERROR(CheckPersonName("first_name", change.first_name.value_or("")));
  GH_RETURN_IF_ERROR(CheckPersonName("last_name", change.last_name.value_or("")));
  GH_RETURN_IF_ERROR(CheckText("disable_reason", change.disable_reason, kReasonBytesMax));
  GH_RETURN_IF_ERROR(CheckText("notes", change.notes, kNotesBytesMax));
  GH_RETURN_IF_ERROR(CheckText("stripe_customer_id", change.stripe_customer_id, kStripeIdBytesMax));
  return NormalizeSettings(change.settings_json);
}

absl::Status CheckRole(const std::string& role) {
  if (role == "user" || role == "moderator" || role == kAdmin) return absl::OkStatus();
  return FieldError("ROLE_UNKNOWN", "role", "must be user, moderator or admin");
}

absl::Status CheckRate(const std::string& field, int rate) {
  if (rate >= 1 && rate <= kRateMax) return absl::OkStatus();
  return FieldError("RATE_OUT_OF_RANGE", field, "must be from 1 to 10000");
}

absl::Status CheckPersonName(const std::string& field, const std::string& name) {
  if (name.size() <= kPersonNameBytesMax && !HasNul(name)) return absl::OkStatus();
  return FieldError("NAME_INVALID", field, "must be at most 150 bytes, without NUL characters");
}

bool IsTrusted(const Actor& actor) { return actor.user_id.empty() || actor.is_admin; }

absl::Status CheckMayTouch(const Actor& actor, const User& user) {
  const bool is_hidden = user.role == kAdmin && !IsTrusted(actor) && actor.user_id != user.id;
  return is_hidden ? UserNotFound() : absl::OkStatus();
}

absl::Status CheckMayGiveRole(const Actor& actor, const std::string& role) {
  return role == kAdmin && !IsTrusted(actor) ? AdminRequired() : absl::OkStatus();
}

absl::Status CheckMayGrant(const Actor& actor, const std::vector<std::string>& permissions) {
  if (IsTrusted(actor)) return absl::OkStatus();
  for (const std::string& permission : permissions) {
    if (std::find(actor.holds.begin(), actor.holds.end(), permission) == actor.holds.end()) {
      return AdminRequired();
    }
  }
  return absl::OkStatus();
}

absl::Status CheckAdmin(const Actor& actor) {
  return IsTrusted(actor) ? absl::OkStatus() : AdminRequired();
}

absl::Status UserNotFound() {
  return Error(absl::StatusCode::kNotFound, "USER_NOT_FOUND", "there is no such user");
}

UserChange Effective(const User& user, UserChange change) {
  DropIfEqual(change.username, user.username);
  DropIfEqual(change.email, user.email);
  DropIfEqual(change.role, user.role);
  DropIfEqual(change.is_active, user.is_active);
  if (change.is_active == true && !change.disable_reason) change.disable_reason = "";
  DropIfEqual(change.disable_reason, user.disable_reason);
  DropIfEqual(change.tenant_id, user.tenant.id);
  DropIfEqual(change.first_name, user.first_name);
  DropIfEqual(change.last_name, user.last_name);
  DropIfEqual(change.notes, user.notes);
  DropIfEqual(change.stripe_customer_id, user.stripe_customer_id);
  return change;
}

bool IsEmpty(const UserChange& change) {
  return !KillsCredentials(change) && !IsVisible(change) && !change.is_active &&
         !change.disable_reason && !change.settings_json && !change.notes &&
         !change.stripe_customer_id;
}

bool KillsCredentials(const UserChange& change) {
  return change.role || change.tenant_id || change.password || change.is_active == false;
}

bool IsVisible(const UserChange& change) {
  return change.username || change.email || change.rate_limit_per_second ||
         change.rate_limit_burst || change.first_name || change.last_name;
}

bool MayEndAdmin(const UserChange& change) {
  return (change.role && *change.role != kAdmin) || change.is_active == false;
}

absl::Status CheckLeavesAnAdmin(const User& user, const UserChange& change,
                                const std::vector<std::string>& active_admins) {
  if (user.role != kAdmin || !user.is_active || !MayEndAdmin(change)) return absl::OkStatus();
  for (const std::string& id : active_admins) {
    if (id != user.id) return absl::OkStatus();
  }
  return Error(absl::StatusCode::kFailedPrecondition, "LAST_ADMIN",
               "this is the last active administrator");
}

std::vector<ChangeEvent> EventsOf(const User& user, const UserChange& change) {
  std::vector<ChangeEvent> events;
  if (change.is_active) {
    events.push_back({*change.is_active ? "user_enabled" : "user_disabled", "{}"});
  }
  if (change.tenant_id) {
    events.push_back({"tenant_changed", json::serialize(json::object{{"from", user.tenant.id},
                                                                     {"to", *change.tenant_id}})});
  }
  if (change.role) {
    events.push_back(
        {"role_changed", json::serialize(json::object{{"from", user.role}, {"to", *change.role}})});
  }
  if (change.password) events.push_back({"password_reset", "{}"});
  json::array fields;
  const std::pair<const char*, bool> others[] = {
      {"username", change.username.has_value()},
      {"email", change.email.has_value()},
      {"disable_reason", change.disable_reason.has_value()},
      {"rate_limit_per_second", change.rate_limit_per_second.has_value()},
      {"rate_limit_burst", change.rate_limit_burst.has_value()},
      {"first_name", change.first_name.has_value()},
      {"last_name", change.last_name.has_value()},
      {"settings", change.settings_json.has_value()},
      {"notes", change.notes.has_value()},
      {"stripe_customer_id", change.stripe_customer_id.has_value()}};
  for (const auto& [field, is_changed] : others) {
    // The reason belongs to the block or its end.
    const bool is_told = change.is_active && field == std::string("disable_reason");
    if (is_changed && !is_told) fields.emplace_back(field);
  }
  if (!fields.empty()) {
    events.push_back({"profile_updated", json::serialize(json::object{{"fields", fields}})});
  }
  return events;
}

}  // namespace gatehouse::auth
