#include "services/gateway/user_update.h"

#include <vector>

#include "gatehouse/auth/v1/user.methods.h"

namespace gatehouse::gateway {
namespace {

using auth::v1::UpdateUserRequest;
using auth::v1::User;
using auth::v1::UserService;

constexpr int kRateMax = 10000;

std::vector<std::string> FieldsOf(const UpdateUserRequest& change) {
  std::vector<const google::protobuf::FieldDescriptor*> present;
  UpdateUserRequest::GetReflection()->ListFields(change, &present);
  std::vector<std::string> names;
  for (const auto* field : present) {
    const bool is_settings = field->number() == UpdateUserRequest::kSettingsJsonFieldNumber;
    if (field->number() == UpdateUserRequest::kIdFieldNumber) continue;
    names.push_back(is_settings ? "settings" : std::string(field->name()));
  }
  return names;
}

// Which fields, and the new values of those that decide about rights. Never a
// password, which a value of `fields` only says to have been set.
std::string DetailsOf(const User& user, const UpdateUserRequest& change) {
  JsonWriter json;
  json.BeginObject().Field("action", "user_updated").Field("username", user.username());
  json.Key("fields").BeginArray();
  for (const std::string& field : FieldsOf(change)) json.Text(field);
  json.EndArray();
  if (change.has_username()) json.Field("new_username", change.username());
  if (change.has_email()) json.Field("email", change.email());
  if (change.has_role()) json.Field("role", change.role());
  if (change.has_is_active()) json.Field("is_active", change.is_active());
  if (change.has_disable_reason()) json.Field("disable_reason", change.disable_reason());
  if (change.has_tenant_id()) json.Field("tenant_id", change.tenant_id());
  if (change.has_rate_limit_per_second()) {
    json.Field("rate_limit_per_second", change.rate_limit_per_second());
  }
  if (change.has_rate_limit_burst()) json.Field("rate_limit_burst", change.rate_limit_burst());
  return json.EndObject().Take();
}

std::optional<int> ReadRate(JsonBody& body, const char* name) {
  if (body.IsNull(name)) return 0;
  return body.Int(name, 1, kRateMax);
}

}  // namespace

void WithUser(const Context& context, UserDone done) {
  const auto id = context->PathUser();
  if (!id.ok()) return context->Fail(id.status());
  auth::v1::GetUserRequest request;
  request.set_id(*id);
  context->CallOrFail(*context->upstreams().auth, UserService::kGetUser, request, std::move(done));
}

auth::v1::AuditEvent MakeUserEvent(const RequestContext& context, const User& user,
                                   const std::string& details_json) {
  const bool is_own = context.principal().user_id() == user.id();
  auto event = MakeAuditEvent(context, is_own ? "user_action" : "admin_action", "user/" + user.id(),
                              details_json);
  event.set_tenant_id(user.tenant().id());
  return event;
}

void ReadCommonUpdate(JsonBody& body, UpdateUserRequest* change) {
  if (const auto email = body.Text("email", 254)) change->set_email(*email);
  if (const auto is_active = body.Bool("is_active")) change->set_is_active(*is_active);
  const auto rate = ReadRate(body, "rate_limit_per_second");
  const auto burst = ReadRate(body, "rate_limit_burst");
  if (rate) change->set_rate_limit_per_second(*rate);
  if (burst) change->set_rate_limit_burst(*burst);
}

void UpdateUser(const Context& context, const User& user, UpdateUserRequest change, Wording wording,
                UserDone done) {
  if (FieldsOf(change).empty()) return done(user);
  change.set_id(user.id());
  auto event = MakeUserEvent(*context, user, DetailsOf(user, change));
  event.set_reason(change.disable_reason());
  AuditThenCall(context, event, *context->upstreams().auth, UserService::kUpdateUser, change,
                std::move(done), wording);
}

}  // namespace gatehouse::gateway
