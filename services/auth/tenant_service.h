// gatehouse.auth.v1.TenantService over RPC. Revoking a tenant's credentials is
// user_service.h.
#pragma once

#include "gatehouse/auth/v1/tenant.pb.h"
#include "libs/pg/database.h"
#include "libs/rpc/server.h"
#include "services/auth/control_hub.h"

namespace gatehouse::auth {

class TenantService {
 public:
  // Both must outlive this.
  TenantService(pg::Database& db, ControlHub& hub);

  rpc::Service& rpc() { return rpc_; }

 private:
  absl::StatusOr<v1::Tenant> GetTenant(const v1::GetTenantRequest& request);
  absl::StatusOr<v1::ListTenantsResponse> ListTenants(const v1::ListTenantsRequest& request);
  absl::StatusOr<v1::Tenant> CreateTenant(rpc::Call& call, const v1::CreateTenantRequest& request);
  absl::StatusOr<v1::SetTenantTierResponse> SetTenantTier(const v1::SetTenantTierRequest& request);
  absl::StatusOr<v1::ListTenantContactsResponse> ListTenantContacts(
      const v1::ListTenantContactsRequest& request);

  pg::Database& db_;
  ControlHub& hub_;
  rpc::Service rpc_;
};

}  // namespace gatehouse::auth
