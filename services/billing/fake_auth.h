// A stand-in for auth in tests: takes plan tiers and tells contacts behind a real RPC
// server, with faults on demand. Never part of the program.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "gatehouse/auth/v1/tenant.pb.h"
#include "libs/base/clock.h"
#include "libs/rpc/server.h"

namespace gatehouse::billing {

// Thread-safe.
class FakeAuth {
 public:
  // Serves at `address`; "127.0.0.1:0" is any free port. Billing signs with this key.
  FakeAuth(const std::string& address, const std::string& billing_public_key);

  std::string address() const { return server_->address(); }

  // The next calls fail with these, one each.
  void Fail(std::vector<absl::Status> faults);

  // What it tells of every tenant's contacts.
  void SetContacts(const std::string& tenant_name, std::vector<std::string> emails);

  // "tenant tier version" of every call that was answered with OK.
  std::vector<std::string> told() const;

 private:
  absl::StatusOr<auth::v1::SetTenantTierResponse> SetTier(
      const auth::v1::SetTenantTierRequest& request);
  absl::StatusOr<auth::v1::ListTenantContactsResponse> ListContacts();
  absl::Status NextFault();

  SystemClock clock_;
  mutable std::mutex mutex_;
  std::vector<absl::Status> faults_;               // guarded by mutex_
  std::vector<std::string> told_;                  // guarded by mutex_
  auth::v1::ListTenantContactsResponse contacts_;  // guarded by mutex_
  rpc::Service tenants_;
  rpc::PassportVerifier verifier_;
  std::unique_ptr<rpc::Server> server_;
};

}  // namespace gatehouse::billing
