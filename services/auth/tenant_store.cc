#include "services/auth/tenant_store.h"

#include "absl/strings/str_cat.h"
#include "libs/base/time_text.h"

namespace gatehouse::auth {
namespace {

std::string TenantSelect(const std::string& where) {
  return absl::StrCat("SELECT ", TenantColumns(), " FROM auth.tenants t ", where);
}

std::optional<Tenant> TenantFromRows(const pqxx::result& rows) {
  if (rows.empty()) return std::nullopt;
  return TenantFromRow(rows[0], 0);
}

}  // namespace

std::string TenantColumns() {
  return absl::StrCat("t.id, t.client_id, t.name, t.tier, ", pg::MicrosOf("t.create_time"));
}

Tenant TenantFromRow(const pqxx::row& row, int first) {
  Tenant tenant;
  tenant.id = row[first].as<std::int64_t>();
  tenant.client_id = row[first + 1].as<std::string>();
  tenant.name = row[first + 2].as<std::string>();
  tenant.tier = row[first + 3].as<std::string>();
  tenant.create_time = FromMicros(row[first + 4].as<std::int64_t>());
  return tenant;
}

std::optional<Tenant> FindTenant(pg::Tx& tx, std::int64_t id) {
  return TenantFromRows(tx.exec_params(TenantSelect("WHERE t.id = $1"), id));
}

std::optional<Tenant> FindTenantByClientId(pg::Tx& tx, const std::string& client_id) {
  return TenantFromRows(tx.exec_params(TenantSelect("WHERE t.client_id = $1"), client_id));
}

std::vector<Tenant> ListTenants(pg::Tx& tx, std::optional<std::int64_t> before, int limit) {
  static const std::string kList =
      TenantSelect("WHERE $1::bigint IS NULL OR t.id < $1 ORDER BY t.id DESC LIMIT $2");
  std::vector<Tenant> tenants;
  for (const pqxx::row& row : tx.exec_params(kList, before, limit)) {
    tenants.push_back(TenantFromRow(row, 0));
  }
  return tenants;
}

std::int64_t CountTenants(pg::Tx& tx) {
  return tx.exec("SELECT count(*) FROM auth.tenants")[0][0].as<std::int64_t>();
}

std::vector<std::string> ListContacts(pg::Tx& tx, std::int64_t tenant_id, int limit) {
  static constexpr char kList[] = R"(
  SELECT email FROM auth.users WHERE tenant_id = $1 AND is_active
  ORDER BY create_time, id LIMIT $2)";
  std::vector<std::string> emails;
  for (const pqxx::row& row : tx.exec_params(kList, tenant_id, limit)) {
    emails.push_back(row[0].as<std::string>());
  }
  return emails;
}

std::optional<Tenant> InsertTenant(pg::Tx& tx, const std::string& client_id,
                                   const std::string& name) {
  static const std::string kInsert = absl::StrCat(
      "INSERT INTO auth.tenants AS t (client_id, name) VALUES ($1, $2)"
      " ON CONFLICT (client_id) DO NOTHING RETURNING ",
      TenantColumns());
  return TenantFromRows(tx.exec_params(kInsert, client_id, name));
}

absl::StatusOr<Tenant> InsertOwnTenant(pg::Tx& tx, const std::string& username,
                                       const std::string& user_id, const std::string& name) {
  const std::string shown = name.empty() ? username + "'s Organization" : name;
  for (const std::string& client_id : ClientIdsFor(username, user_id)) {
    std::optional<Tenant> tenant = InsertTenant(tx, client_id, shown);
    if (tenant) return *std::move(tenant);
  }
  return Error(absl::StatusCode::kInternal, "CLIENT_ID_TAKEN", "no tenant name is free");
}

TierOutcome SetTier(pg::Tx& tx, std::int64_t tenant_id, const std::string& tier,
                    std::int64_t version) {
  static constexpr char kLock[] = R"(
  SELECT tier, tier_version FROM auth.tenants WHERE id = $1 FOR NO KEY UPDATE)";
  static constexpr char kSet[] = R"(
  UPDATE auth.tenants SET tier = $2, tier_version = $3 WHERE id = $1)";
  const pqxx::result kept = tx.exec_params(kLock, tenant_id);
  if (kept.empty()) return TierOutcome::kNoTenant;
  if (version <= kept[0][1].as<std::int64_t>()) return TierOutcome::kOutdated;
  tx.exec_params(kSet, tenant_id, tier, version);
  return kept[0][0].as<std::string>() == tier ? TierOutcome::kUnchanged : TierOutcome::kChanged;
}

}  // namespace gatehouse::auth
