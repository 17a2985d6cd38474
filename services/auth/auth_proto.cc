#include "services/auth/auth_proto.h"

#include "libs/rpc/timestamp.h"

namespace gatehouse::auth {
v1::Tenant ToProto(const Tenant& tenant) {
  v1::Tenant proto;
  proto.set_id(tenant.id);
  proto.set_client_id(tenant.client_id);
  proto.set_name(tenant.name);
  proto.set_tier(tenant.tier);
  *proto.mutable_create_time() = rpc::ToTimestamp(tenant.create_time);
  return proto;
}

v1::User ToProto(const User& user) {
  v1::User proto;
  proto.set_id(user.id);
  proto.set_number(user.number);
  proto.set_username(user.username);
  proto.set_email(user.email);
  *proto.mutable_tenant() = ToProto(user.tenant);
  proto.set_role(user.role);
  proto.set_is_active(user.is_active);
  proto.set_rate_limit_per_second(user.rate_limit_per_second);
  proto.set_rate_limit_burst(user.rate_limit_burst);
  proto.set_first_name(user.first_name);
  proto.set_last_name(user.last_name);
  proto.set_settings_json(user.settings_json);
  proto.set_profile_number(user.profile_number);
  *proto.mutable_create_time() = rpc::ToTimestamp(user.create_time);
  *proto.mutable_update_time() = rpc::ToTimestamp(user.update_time);
  return proto;
}

v1::LookupTokenResponse ToProto(const TokenRow& token) {
  v1::LookupTokenResponse proto;
  proto.set_token_id(token.token_id);
  type::v1::Principal& principal = *proto.mutable_principal();
  principal.set_user_id(token.user_id);
  principal.set_user_number(token.user_number);
  principal.set_username(token.username);
  principal.set_tenant_id(token.tenant_id);
  principal.set_client_id(token.client_id);
  principal.set_role(token.role);
  for (const std::string& permission : token.permissions) principal.add_permissions(permission);
  principal.set_tier(token.tier);
  principal.set_email(token.email);
  proto.set_epoch(token.epoch);
  if (token.expire_time) *proto.mutable_expire_time() = rpc::ToTimestamp(*token.expire_time);
  proto.set_rate_limit_per_second(token.rate_limit_per_second);
  proto.set_rate_limit_burst(token.rate_limit_burst);
  proto.set_control_sequence(token.control_sequence);
  return proto;
}

}  // namespace gatehouse::auth
