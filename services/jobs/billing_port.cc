#include "services/jobs/billing_port.h"

#include "gatehouse/billing/v1/hold.methods.h"

namespace gatehouse::jobs {
namespace {

using billing::v1::HoldService;

// Deliveries have no caller; the outbox repeats what fails.
rpc::CallOptions DeliveryOptions() {
  rpc::CallOptions options;
  options.idempotent = true;
  return options;
}

}  // namespace

absl::StatusOr<billing::v1::Hold> RpcBilling::Reserve(const billing::v1::ReserveRequest& request,
                                                      const BillingCall& call) {
  rpc::CallOptions options;
  options.timeout = call.timeout;
  options.principal = call.principal;
  options.request_id = call.request_id;
  options.trace_parent = call.trace_parent;
  options.idempotent = true;  // The key makes it so.
  return client_.Call(HoldService::kReserve, request, options);
}

absl::StatusOr<billing::v1::Hold> RpcBilling::Bind(const billing::v1::BindRequest& request) {
  return client_.Call(HoldService::kBind, request, DeliveryOptions());
}

absl::StatusOr<billing::v1::CaptureResponse> RpcBilling::Capture(
    const billing::v1::CaptureRequest& request) {
  return client_.Call(HoldService::kCapture, request, DeliveryOptions());
}

absl::StatusOr<billing::v1::Hold> RpcBilling::Release(const billing::v1::ReleaseRequest& request) {
  return client_.Call(HoldService::kRelease, request, DeliveryOptions());
}

}  // namespace gatehouse::jobs
