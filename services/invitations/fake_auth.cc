#include "services/invitations/fake_auth.h"

#include <gtest/gtest.h>

#include <map>
#include <utility>

#include "gatehouse/auth/v1/audit.methods.h"

namespace gatehouse::invitations {

using auth::v1::AppendAuditRequest;
using auth::v1::AppendAuditResponse;
using auth::v1::AuditEvent;
using auth::v1::AuditService;

FakeAuth::FakeAuth(const std::string& invitations_public_key)
    : audit_(AuditService::kFullName),
      verifier_("auth", std::map<std::string, std::string>{{"invitations", invitations_public_key}},
                clock_) {
  audit_.Unary(AuditService::kAppendAudit, rpc::Policy{.callers = {"invitations"}},
               [this](rpc::Call&, const AppendAuditRequest& request) { return Append(request); });
  auto server = rpc::Server::Start({.address = "127.0.0.1:0"}, {&audit_}, verifier_);
  EXPECT_TRUE(server.ok()) << server.status();
  server_ = *std::move(server);
}

void FakeAuth::Fail(std::vector<absl::Status> faults) {
  const std::lock_guard lock(mutex_);
  faults_ = std::move(faults);
}

std::vector<AuditEvent> FakeAuth::asked() const {
  const std::lock_guard lock(mutex_);
  return asked_;
}

std::vector<AuditEvent> FakeAuth::told() const {
  const std::lock_guard lock(mutex_);
  return told_;
}

absl::StatusOr<AppendAuditResponse> FakeAuth::Append(const AppendAuditRequest& request) {
  const std::lock_guard lock(mutex_);
  asked_.push_back(request.event());
  if (!faults_.empty()) {
    const absl::Status fault = faults_.front();
    faults_.erase(faults_.begin());
    return fault;
  }
  told_.push_back(request.event());
  return AppendAuditResponse();
}

}  // namespace gatehouse::invitations
