#include "services/gateway/user_json.h"

namespace gatehouse::gateway {
namespace {

void WriteUpdateTime(const auth::v1::User& user, JsonWriter& json) {
  json.TimeField("updated_at", user.has_update_time(), user.update_time());
}

void WriteTimes(const auth::v1::User& user, JsonWriter& json) {
  json.TimeField("created_at", user.has_create_time(), user.create_time());
  WriteUpdateTime(user, json);
}

void WriteRates(const auth::v1::User& user, JsonWriter& json) {
  json.Field("rate_limit_per_second", user.rate_limit_per_second());
  json.Field("rate_limit_burst", user.rate_limit_burst());
}

void WritePermissions(const auth::v1::User& user, JsonWriter& json) {
  json.Key("permissions").BeginArray();
  for (const std::string& permission : user.permissions()) json.Text(permission);
  json.EndArray();
}

void WriteProfile(const auth::v1::User& user, bool is_for_staff, JsonWriter& json) {
  json.Key("profile").BeginObject().Field("id", user.profile_number());
  json.Field("username", user.username()).Field("email", user.email());
  if (user.has_tenant()) {
    json.Field("tenant", user.tenant().id()).Field("tenant_name", user.tenant().name());
  } else {
    json.NullField("tenant").NullField("tenant_name");
  }
  json.TextOrNull("stripe_customer_id", user.stripe_customer_id());
  json.Key("settings").Raw(user.settings_json().empty() ? "{}" : user.settings_json());
  if (is_for_staff) json.Field("notes", user.notes());
  WriteTimes(user, json);
  json.EndObject();
}

void WriteV1Members(const auth::v1::User& user, JsonWriter& json) {
  json.Field("id", user.id()).Field("username", user.username()).Field("email", user.email());
  json.Field("is_active", user.is_active()).Field("is_admin", user.role() == "admin");
  WriteRates(user, json);
  json.TimeField("created_at", user.has_create_time(), user.create_time());
}

}  // namespace

void WriteUser(const auth::v1::User& user, bool is_for_staff, JsonWriter& json) {
  json.BeginObject().Field("id", user.number()).Field("uuid", user.id());
  json.Field("username", user.username()).Field("email", user.email());
  json.Field("first_name", user.first_name()).Field("last_name", user.last_name());
  json.Field("role", user.role()).Field("is_staff", user.role() == "admin");
  json.Field("is_active", user.is_active());
  if (is_for_staff) json.TextOrNull("disable_reason", user.disable_reason());
  WriteProfile(user, is_for_staff, json);
  json.EndObject();
}

void WriteV1User(const auth::v1::User& user, JsonWriter& json) {
  json.BeginObject();
  WriteV1Members(user, json);
  WriteUpdateTime(user, json);
  json.EndObject();
}

void WriteV1Me(const auth::v1::User& user, JsonWriter& json) {
  json.BeginObject();
  WriteV1Members(user, json);
  json.EndObject();
}

void WriteLoginUser(const auth::v1::User& user, JsonWriter& json) {
  json.BeginObject();
  WriteV1Members(user, json);
  WriteUpdateTime(user, json);
  json.Field("first_name", user.first_name()).Field("last_name", user.last_name());
  json.TextOrNull("client_id", user.tenant().client_id()).Field("role", user.role());
  json.TextOrNull("tier", user.tenant().tier());
  json.Field("email_verified", false);  // Nobody's address is verified.
  WritePermissions(user, json);
  json.EndObject();
}

void WritePlatformUser(const auth::v1::User& user, JsonWriter& json) {
  json.BeginObject().Field("id", user.id()).Field("username", user.username());
  json.Field("email", user.email()).Field("first_name", user.first_name());
  json.Field("last_name", user.last_name()).Field("role", user.role());
  json.Field("active", user.is_active()).Field("revoked", user.is_revoked());
  json.TextOrNull("client_id", user.tenant().client_id());
  WriteRates(user, json);
  WritePermissions(user, json);
  WriteTimes(user, json);
  json.EndObject();
}

}  // namespace gatehouse::gateway
