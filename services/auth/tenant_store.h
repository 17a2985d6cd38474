// SQL for tenants. Every function runs in the caller's transaction.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "libs/pg/database.h"
#include "services/auth/user.h"

namespace gatehouse::auth {

std::optional<Tenant> FindTenant(pg::Tx& tx, std::int64_t id);
std::optional<Tenant> FindTenantByClientId(pg::Tx& tx, const std::string& client_id);

// Up to `limit` tenants, newest first: those whose id is smaller than `before`.
std::vector<Tenant> ListTenants(pg::Tx& tx, std::optional<std::int64_t> before, int limit);
std::int64_t CountTenants(pg::Tx& tx);

// The addresses of up to `limit` active users of a tenant, the longest-standing first.
std::vector<std::string> ListContacts(pg::Tx& tx, std::int64_t tenant_id, int limit);

// The new tenant, or nullopt when `client_id` is taken.
std::optional<Tenant> InsertTenant(pg::Tx& tx, const std::string& client_id,
                                   const std::string& name);

// A new tenant of a user's own, under the first of its client ids (ClientIdsFor) that is
// free. `name`: for people; empty: made of the username. INTERNAL / CLIENT_ID_TAKEN when
// none is free.
absl::StatusOr<Tenant> InsertOwnTenant(pg::Tx& tx, const std::string& username,
                                       const std::string& user_id, const std::string& name = "");

// What became of a tier that billing has sent.
enum class TierOutcome {
  kNoTenant,
  kOutdated,   // The kept version is as new, or newer.
  kUnchanged,  // The version is taken over; the tier was that already.
  kChanged,
};

// Keeps the newer of the two versions. The row stays locked until the end.
TierOutcome SetTier(pg::Tx& tx, std::int64_t tenant_id, const std::string& tier,
                    std::int64_t version);

// The columns of a tenant whose alias is "t", and the tenant of a row that has them
// from column `first` on. For the selects of users.
std::string TenantColumns();
Tenant TenantFromRow(const pqxx::row& row, int first);

}  // namespace gatehouse::auth
