// Domain types as messages of gatehouse.auth.v1, and kinds in either direction.
#pragma once

#include <optional>

#include "gatehouse/auth/v1/session.pb.h"
#include "gatehouse/auth/v1/tenant.pb.h"
#include "gatehouse/auth/v1/token.pb.h"
#include "gatehouse/auth/v1/user.pb.h"
#include "services/auth/credential.h"
#include "services/auth/credential_store.h"
#include "services/auth/user.h"

namespace gatehouse::auth {

v1::Tenant ToProto(const Tenant& tenant);
v1::User ToProto(const User& user);
v1::CredentialKind ToProto(CredentialKind kind);
v1::IssuedCredential ToProto(const IssuedCredential& issued);
v1::Session ToProto(const LoginSession& session);
// Without `was_extended`.
v1::LookupTokenResponse ToProto(const CredentialRow& credential);
// The principal of it, with its scopes if they narrow it.
type::v1::Principal PrincipalOf(const CredentialRow& credential);

// nullopt for CREDENTIAL_KIND_UNSPECIFIED and unknown numbers.
std::optional<CredentialKind> FromProto(v1::CredentialKind kind);

}  // namespace gatehouse::auth
