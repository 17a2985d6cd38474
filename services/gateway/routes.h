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
void AddLedgerRoutes(RouteTable& table);   // /api/billing/admin: accounts, summary, ledger
void AddPaymentRoutes(RouteTable& table);  // top-ups, portal, and the pages to come back to
void AddProfileRoutes(RouteTable& table);  // /api/billing/profile
void AddWebhookRoutes(RouteTable& table);  // /api/billing/webhook
void AddPriceRoutes(RouteTable& table);    // /api/billing/admin/prices
void AddMetricsRoutes(RouteTable& table);  // /api/system/metrics
void AddUsageRoutes(RouteTable& table);    // /api/billing/admin/usage, /api/status/bar
void AddJobRoutes(RouteTable& table);
void AddConfigRoutes(RouteTable& table);   // /platform/config
void AddCacheRoutes(RouteTable& table);    // /api/caches
void AddMonitorRoutes(RouteTable& table);  // /platform/monitor/metrics
void AddLiveRoutes(RouteTable& table);     // /api/v1/ws, /ws, /api/v1/events, /api/v1/ws/status
void AddAnnouncementRoutes(RouteTable& table);  // /api/admin/announcements
void AddDocumentRoutes(RouteTable& table);      // /openapi.json, /docs, /redoc
// The 39 routes to core-manager; `group` null: each answers the documented 502.
void AddCoreManagerRoutes(RouteTable& table, const std::shared_ptr<http::UpstreamGroup>& group);

// All of them.
void AddRoutes(RouteTable& table);

}  // namespace gatehouse::gateway
