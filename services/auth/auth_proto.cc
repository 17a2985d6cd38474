#include "services/auth/auth_proto.h"

#include <cstdlib>
#include <string>
#include <vector>

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
  proto.set_is_revoked(user.is_revoked);
  proto.set_password_change_required(user.password_change_required);
  proto.set_notes(user.notes);
  proto.set_disable_reason(user.disable_reason);
  proto.set_stripe_customer_id(user.stripe_customer_id);
  for (const std::string& permission : user.permissions) proto.add_permissions(permission);
  return proto;
}

v1::CredentialKind ToProto(CredentialKind kind) {
  switch (kind) {
    case CredentialKind::kToken:
      return v1::CREDENTIAL_KIND_TOKEN;
    case CredentialKind::kSession:
      return v1::CREDENTIAL_KIND_SESSION;
    case CredentialKind::kLogin:
      return v1::CREDENTIAL_KIND_LOGIN;
    case CredentialKind::kAccess:
      return v1::CREDENTIAL_KIND_ACCESS;
    case CredentialKind::kPlatform:
      return v1::CREDENTIAL_KIND_PLATFORM;
    case CredentialKind::kApi:
      return v1::CREDENTIAL_KIND_API;
    case CredentialKind::kKey:
      return v1::CREDENTIAL_KIND_KEY;
  }
  std::abort();
}

std::optional<CredentialKind> FromProto(v1::CredentialKind kind) {
  switch (kind) {
    case v1::CREDENTIAL_KIND_TOKEN:
      return CredentialKind::kToken;
    case v1::CREDENTIAL_KIND_SESSION:
      return CredentialKind::kSession;
    case v1::CREDENTIAL_KIND_LOGIN:
      return CredentialKind::kLogin;
    case v1::CREDENTIAL_KIND_ACCESS:
      return CredentialKind::kAccess;
    case v1::CREDENTIAL_KIND_PLATFORM:
      return CredentialKind::kPlatform;
    case v1::CREDENTIAL_KIND_API:
      return CredentialKind::kApi;
    case v1::CREDENTIAL_KIND_KEY:
      return CredentialKind::kKey;
    default:
      return std::nullopt;
  }
}

v1::IssuedCredential ToProto(const IssuedCredential& issued) {
  v1::IssuedCredential proto;
  proto.set_credential_id(issued.credential_id);
  proto.set_token(issued.token);
  proto.set_refresh_token(issued.refresh_token);
  if (issued.expire_time) *proto.mutable_expire_time() = rpc::ToTimestamp(*issued.expire_time);
  *proto.mutable_user() = ToProto(issued.user);
  for (const std::string& scope : issued.scopes) proto.add_scopes(scope);
  return proto;
}

v1::Session ToProto(const LoginSession& session) {
  v1::Session proto;
  proto.set_id(session.id);
  proto.set_kind(ToProto(session.kind));
  proto.set_client_address(session.client_address);
  proto.set_user_agent(session.user_agent);
  *proto.mutable_create_time() = rpc::ToTimestamp(session.create_time);
  if (session.expire_time) *proto.mutable_expire_time() = rpc::ToTimestamp(*session.expire_time);
  if (session.last_used_time) {
    *proto.mutable_last_used_time() = rpc::ToTimestamp(*session.last_used_time);
  }
  return proto;
}

type::v1::Principal PrincipalOf(const CredentialRow& credential) {
  type::v1::Principal principal;
  principal.set_user_id(credential.user_id);
  principal.set_user_number(credential.user_number);
  principal.set_username(credential.username);
  principal.set_tenant_id(credential.tenant_id);
  principal.set_client_id(credential.client_id);
  principal.set_role(credential.role);
  for (const std::string& permission : credential.permissions) {
    principal.add_permissions(permission);
  }
  const std::optional<std::vector<std::string>> scopes =
      EffectiveScopes(credential.scopes, credential.permissions, credential.role_scopes);
  principal.set_is_narrowed(scopes.has_value());
  if (scopes) {
    for (const std::string& scope : *scopes) principal.add_scopes(scope);
  }
  principal.set_tier(credential.tier);
  principal.set_email(credential.email);
  principal.set_credential_id(credential.credential_id);
  return principal;
}

v1::LookupTokenResponse ToProto(const CredentialRow& credential) {
  v1::LookupTokenResponse proto;
  proto.set_token_id(credential.credential_id);
  *proto.mutable_principal() = PrincipalOf(credential);
  proto.set_kind(ToProto(credential.kind));
  if (credential.expire_time) {
    *proto.mutable_expire_time() = rpc::ToTimestamp(*credential.expire_time);
  }
  proto.set_rate_limit_per_second(credential.rate_limit_per_second);
  proto.set_rate_limit_burst(credential.rate_limit_burst);
  proto.set_control_sequence(credential.control_sequence);
  proto.set_password_change_required(credential.password_change_required);
  return proto;
}

}  // namespace gatehouse::auth
