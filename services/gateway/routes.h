// The surfaces of the edge, one file each: routes_<surface>.cc adds its routes
// to the one table.
#pragma once

#include "services/gateway/route.h"

namespace gatehouse::gateway {

void AddHealthRoutes(RouteTable& table);
void AddAuthRoutes(RouteTable& table);      // /api/auth, /api/me
void AddPlatformRoutes(RouteTable& table);  // /platform/authorization, /platform/user
void AddV1AuthRoutes(RouteTable& table);    // /api/v1/auth
void AddV1UserRoutes(RouteTable& table);    // /api/v1/users
void AddKeyRoutes(RouteTable& table);       // /auth, /admin/keys, /.well-known/jwks.json
void AddAdminRoutes(RouteTable& table);     // /api/admin: users, audit log
void AddTenantRoutes(RouteTable& table);    // /api/admin: tenants, roles, revocation
void AddPasskeyRoutes(RouteTable& table);   // /api/admin/passkeys
void AddBillingRoutes(RouteTable& table);
void AddJobRoutes(RouteTable& table);

// All of them.
void AddRoutes(RouteTable& table);

}  // namespace gatehouse::gateway
