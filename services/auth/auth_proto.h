// Domain types as messages of gatehouse.auth.v1. One direction only.
#pragma once

#include "gatehouse/auth/v1/auth.pb.h"
#include "services/auth/token_store.h"
#include "services/auth/user.h"

namespace gatehouse::auth {

v1::Tenant ToProto(const Tenant& tenant);
v1::User ToProto(const User& user);
v1::LookupTokenResponse ToProto(const TokenRow& token);

}  // namespace gatehouse::auth
