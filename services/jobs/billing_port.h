// The part of billing that jobs needs, as an interface so that tests can make it
// refuse, stall and repeat. One real implementation: RpcBilling.
#pragma once

#include <chrono>
#include <string>

#include "gatehouse/billing/v1/hold.pb.h"
#include "gatehouse/type/v1/passport.pb.h"
#include "libs/rpc/client.h"
#include "libs/status/status.h"

namespace gatehouse::jobs {

// On whose behalf and within what time.
struct BillingCall {
  std::chrono::milliseconds timeout{3000};
  type::v1::Principal principal;
  std::string request_id;
  std::string trace_parent;
};

// Thread-safe; blocks. Errors as in gatehouse/billing/v1/hold.proto.
class BillingPort {
 public:
  virtual ~BillingPort() = default;
  virtual absl::StatusOr<billing::v1::Hold> Reserve(const billing::v1::ReserveRequest& request,
                                                    const BillingCall& call) = 0;
  virtual absl::StatusOr<billing::v1::Hold> Bind(const billing::v1::BindRequest& request) = 0;
  virtual absl::StatusOr<billing::v1::CaptureResponse> Capture(
      const billing::v1::CaptureRequest& request) = 0;
  virtual absl::StatusOr<billing::v1::Hold> Release(const billing::v1::ReleaseRequest& request) = 0;
};

class RpcBilling final : public BillingPort {
 public:
  // `client` must outlive this.
  explicit RpcBilling(rpc::Client& client) : client_(client) {}

  absl::StatusOr<billing::v1::Hold> Reserve(const billing::v1::ReserveRequest& request,
                                            const BillingCall& call) override;
  absl::StatusOr<billing::v1::Hold> Bind(const billing::v1::BindRequest& request) override;
  absl::StatusOr<billing::v1::CaptureResponse> Capture(
      const billing::v1::CaptureRequest& request) override;
  absl::StatusOr<billing::v1::Hold> Release(const billing::v1::ReleaseRequest& request) override;

 private:
  rpc::Client& client_;
};

}  // namespace gatehouse::jobs
