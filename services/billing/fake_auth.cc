#include "services/billing/fake_auth.h"

#include <gtest/gtest.h>

#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gatehouse/auth/v1/tenant.methods.h"

namespace gatehouse::billing {

using auth::v1::SetTenantTierRequest;
using auth::v1::SetTenantTierResponse;
using auth::v1::TenantService;

FakeAuth::FakeAuth(const std::string& address, const std::string& billing_public_key)
    : tenants_(TenantService::kFullName),
      verifier_("auth", std::map<std::string, std::string>{{"billing", billing_public_key}},
                clock_) {
  tenants_.Unary(
      TenantService::kSetTenantTier, rpc::Policy{.callers = {"billing"}},
      [this](rpc::Call&, const SetTenantTierRequest& request) { return SetTier(request); });
  tenants_.Unary(
      TenantService::kListTenantContacts, rpc::Policy{.callers = {"billing"}},
      [this](rpc::Call&, const auth::v1::ListTenantContactsRequest&) { return ListContacts(); });
  auto server = rpc::Server::Start({.address = address}, {&tenants_}, verifier_);
  EXPECT_TRUE(server.ok()) << server.status();
  server_ = *std::move(server);
}

void FakeAuth::Fail(std::vector<absl::Status> faults) {
  const std::lock_guard lock(mutex_);
  faults_ = std::move(faults);
}

std::vector<std::string> FakeAuth::told() const {
  const std::lock_guard lock(mutex_);
  return told_;
}

void FakeAuth::SetContacts(const std::string& tenant_name, std::vector<std::string> emails) {
  const std::lock_guard lock(mutex_);
  contacts_.set_tenant_name(tenant_name);
  contacts_.clear_emails();
  for (const std::string& email : emails) contacts_.add_emails(email);
}

// Under the lock.
absl::Status FakeAuth::NextFault() {
  if (faults_.empty()) return absl::OkStatus();
  absl::Status fault = faults_.front();
  faults_.erase(faults_.begin());
  return fault;
}

absl::StatusOr<SetTenantTierResponse> FakeAuth::SetTier(const SetTenantTierRequest& request) {
  const std::lock_guard lock(mutex_);
  GH_RETURN_IF_ERROR(NextFault());
  told_.push_back(absl::StrCat(request.tenant_id(), " ", request.tier(), " ", request.version()));
  return SetTenantTierResponse();
}

absl::StatusOr<auth::v1::ListTenantContactsResponse> FakeAuth::ListContacts() {
  const std::lock_guard lock(mutex_);
  GH_RETURN_IF_ERROR(NextFault());
  return contacts_;
}

}  // namespace gatehouse::billing
