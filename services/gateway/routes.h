// The surfaces of the edge, one file each: routes_<surface>.cc adds its routes
// to the one table.
#pragma once

#include "services/gateway/route.h"

namespace gatehouse::gateway {

void AddHealthRoutes(RouteTable& table);
void AddAuthRoutes(RouteTable& table);
void AddAdminRoutes(RouteTable& table);
void AddBillingRoutes(RouteTable& table);
void AddJobRoutes(RouteTable& table);

// All of them.
void AddRoutes(RouteTable& table);

}  // namespace gatehouse::gateway
