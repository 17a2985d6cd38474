#include "services/auth/tenant_service.h"

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "gatehouse/auth/v1/tenant.methods.h"
#include "libs/rpc/page.h"
#include "services/auth/audit_store.h"
#include "services/auth/auth_proto.h"
#include "services/auth/call_actor.h"
#include "services/auth/control_store.h"
#include "services/auth/tenant_store.h"

namespace gatehouse::auth {
namespace {

constexpr int kPageSizeDefault = 50;
constexpr int kPageSizeMax = 1000;
constexpr int kContactsMax = 10;

absl::Status TenantNotFound() {
  return Error(absl::StatusCode::kNotFound, "TENANT_NOT_FOUND", "there is no such tenant");
}

// Tenants are in the order of their ids; page tokens speak of UUIDs.
std::string PageTokenAfter(const Tenant& last) {
  const auto id = static_cast<std::uint64_t>(last.id);
  return rpc::PageToken(
      {last.create_time, absl::StrFormat("00000000-0000-0000-%04x-%012x", id >> 48,
                                         id & ((std::uint64_t{1} << 48) - 1))});
}

std::int64_t TenantIdOf(const rpc::PagePosition& position) {
  std::uint64_t id = 0;
  const bool is_hex = absl::SimpleHexAtoi(position.id.substr(19, 4) + position.id.substr(24), &id);
  return is_hex ? static_cast<std::int64_t>(id) : 0;
}

}  // namespace

TenantService::TenantService(pg::Database& db, ControlHub& hub)
    : db_(db), hub_(hub), rpc_(v1::TenantService::kFullName) {
  using Api = v1::TenantService;
  const rpc::Policy gateway{.callers = {"gateway"}};
  const rpc::Policy billing{.callers = {"billing"}};
  rpc_.Unary(Api::kGetTenant, gateway,
             [this](rpc::Call&, const v1::GetTenantRequest& r) { return GetTenant(r); })
      .Unary(Api::kListTenants, gateway,
             [this](rpc::Call&, const v1::ListTenantsRequest& r) { return ListTenants(r); })
      .Unary(Api::kCreateTenant, gateway,
             [this](rpc::Call& call, const v1::CreateTenantRequest& r) {
               return CreateTenant(call, r);
             })
      .Unary(Api::kSetTenantTier, billing,
             [this](rpc::Call&, const v1::SetTenantTierRequest& r) { return SetTenantTier(r); })
      .Unary(Api::kListTenantContacts, billing,
             [this](rpc::Call&, const v1::ListTenantContactsRequest& r) {
               return ListTenantContacts(r);
             });
}

absl::StatusOr<v1::Tenant> TenantService::GetTenant(const v1::GetTenantRequest& request) {
  using Found = std::optional<Tenant>;
  GH_ASSIGN_OR_RETURN(const Found found, db_.Read([&](pg::Tx& tx) -> absl::StatusOr<Found> {
    return FindTenant(tx, request.id());
  }));
  if (!found) return TenantNotFound();
  return ToProto(*found);
}

absl::StatusOr<v1::ListTenantsResponse> TenantService::ListTenants(
    const v1::ListTenantsRequest& request) {
  GH_ASSIGN_OR_RETURN(const int limit,
                      rpc::PageLimit(request.page_size(), kPageSizeDefault, kPageSizeMax));
  GH_ASSIGN_OR_RETURN(const std::optional<rpc::PagePosition> after,
                      rpc::ParsePageToken(request.page_token()));
  std::optional<std::int64_t> before;
  if (after) before = TenantIdOf(*after);
  struct Page {
    std::vector<Tenant> tenants;
    std::int64_t total = 0;
  };
  // One more than asked for shows whether there is a next page.
  GH_ASSIGN_OR_RETURN(Page page, db_.Read([&](pg::Tx& tx) -> absl::StatusOr<Page> {
    return Page{auth::ListTenants(tx, before, limit + 1), CountTenants(tx)};
  }));
  v1::ListTenantsResponse response;
  if (page.tenants.size() > static_cast<std::size_t>(limit)) {
    page.tenants.resize(limit);
    response.set_next_page_token(PageTokenAfter(page.tenants.back()));
  }
  for (const Tenant& tenant : page.tenants) *response.add_tenants() = ToProto(tenant);
  response.set_total(page.total);
  return response;
}

absl::StatusOr<v1::Tenant> TenantService::CreateTenant(rpc::Call& call,
                                                       const v1::CreateTenantRequest& request) {
  GH_RETURN_IF_ERROR(CheckClientId(request.client_id()));
  GH_RETURN_IF_ERROR(CheckTenantName(request.name()));
  GH_ASSIGN_OR_RETURN(
      const Tenant tenant, db_.InTransaction([&](pg::Tx& tx) -> absl::StatusOr<Tenant> {
        GH_RETURN_IF_ERROR(CheckPresented(tx, call));
        std::optional<Tenant> made = InsertTenant(tx, request.client_id(), request.name());
        if (!made) {
          return Error(absl::StatusCode::kAlreadyExists, "CLIENT_ID_TAKEN",
                       "the client id already exists");
        }
        AppendEvent(
            tx, EventBy(call, "tenant_created", "tenant/" + std::to_string(made->id), made->id));
        return *std::move(made);
      }));
  return ToProto(tenant);
}

absl::StatusOr<v1::SetTenantTierResponse> TenantService::SetTenantTier(
    const v1::SetTenantTierRequest& request) {
  GH_RETURN_IF_ERROR(CheckTier(request.tier()));
  if (request.version() < 1) {
    return FieldError("VERSION_INVALID", "version", "must be positive");
  }
  const auto set = [&](pg::Tx& tx) -> absl::Status {
    switch (SetTier(tx, request.tenant_id(), request.tier(), request.version())) {
      case TierOutcome::kNoTenant:
        return TenantNotFound();
      case TierOutcome::kChanged:
        AppendSubjectChange(tx, "tenant/" + std::to_string(request.tenant_id()));
        return absl::OkStatus();
      case TierOutcome::kOutdated:
      case TierOutcome::kUnchanged:
        return absl::OkStatus();
    }
    return absl::OkStatus();
  };
  GH_RETURN_IF_ERROR(pg::RepeatInDoubt([&] { return db_.InTransaction(set); }));
  hub_.Wake();
  return v1::SetTenantTierResponse();
}

absl::StatusOr<v1::ListTenantContactsResponse> TenantService::ListTenantContacts(
    const v1::ListTenantContactsRequest& request) {
  struct Contacts {
    std::optional<Tenant> tenant;
    std::vector<std::string> emails;
  };
  GH_ASSIGN_OR_RETURN(const Contacts found, db_.Read([&](pg::Tx& tx) -> absl::StatusOr<Contacts> {
    return Contacts{FindTenant(tx, request.tenant_id()),
                    ListContacts(tx, request.tenant_id(), kContactsMax)};
  }));
  if (!found.tenant) return TenantNotFound();
  v1::ListTenantContactsResponse response;
  response.set_tenant_name(found.tenant->name);
  for (const std::string& email : found.emails) response.add_emails(email);
  return response;
}

}  // namespace gatehouse::auth
