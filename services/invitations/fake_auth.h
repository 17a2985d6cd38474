// A stand-in for auth in tests: takes audit events behind a real RPC server, with faults
// on demand. Never part of the program.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "gatehouse/auth/v1/audit.pb.h"
#include "libs/base/clock.h"
#include "libs/rpc/server.h"

namespace gatehouse::invitations {

// Thread-safe.
class FakeAuth {
 public:
  // Invitations signs with this key.
  explicit FakeAuth(const std::string& invitations_public_key);

  std::string address() const { return server_->address(); }

  // The next calls fail with these, one each.
  void Fail(std::vector<absl::Status> faults);

  // The events of all calls, and of those that were answered with OK.
  std::vector<auth::v1::AuditEvent> asked() const;
  std::vector<auth::v1::AuditEvent> told() const;

 private:
  absl::StatusOr<auth::v1::AppendAuditResponse> Append(const auth::v1::AppendAuditRequest& request);

  SystemClock clock_;
  mutable std::mutex mutex_;
  std::vector<absl::Status> faults_;         // guarded by mutex_
  std::vector<auth::v1::AuditEvent> asked_;  // guarded by mutex_
  std::vector<auth::v1::AuditEvent> told_;   // guarded by mutex_
  rpc::Service audit_;
  rpc::PassportVerifier verifier_;
  std::unique_ptr<rpc::Server> server_;
};

}  // namespace gatehouse::invitations
