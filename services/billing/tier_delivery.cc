#include "services/billing/tier_delivery.h"

#include "absl/strings/str_cat.h"
#include "gatehouse/auth/v1/tenant.methods.h"
#include "libs/base/failpoint.h"
#include "libs/log/log.h"

namespace gatehouse::billing {
namespace {

constexpr char kSetTenantTier[] = "auth.set_tenant_tier";

bool IsRefusedForGood(const absl::Status& status) {
  const std::string reason = Reason(status);
  return reason == "TENANT_NOT_FOUND" || reason == "TIER_INVALID";
}

}  // namespace

absl::Status AppendTier(pg::Tx& tx, const Account& account) {
  auth::v1::SetTenantTierRequest request;
  request.set_tenant_id(account.tenant_id);
  request.set_tier(account.plan_tier);
  request.set_version(account.tier_version);
  return pg::AppendOutbox(tx, "billing", absl::StrCat("tenant/", account.tenant_id), kSetTenantTier,
                          request.SerializeAsString());
}

absl::Status TierDelivery::operator()(const pg::OutboxMessage& message) {
  if (message.kind != kSetTenantTier) {
    return Error(absl::StatusCode::kUnimplemented, "OUTBOX_KIND_UNKNOWN",
                 "no such kind of message: " + message.kind);
  }
  auth::v1::SetTenantTierRequest request;
  if (!request.ParseFromString(message.payload)) {
    return Error(absl::StatusCode::kDataLoss, "OUTBOX_UNREADABLE",
                 "a message of kind auth.set_tenant_tier cannot be parsed");
  }
  rpc::CallOptions options;
  options.idempotent = true;
  const absl::Status told =
      auth_.Call(auth::v1::TenantService::kSetTenantTier, request, options).status();
  if (IsRefusedForGood(told)) {
    log::Error("auth refused a plan tier for good",
               {{"subject", message.subject}, {"reason", Reason(told)}});
    return absl::OkStatus();
  }
  GH_RETURN_IF_ERROR(told);
  if (Failpoint("billing.tier.delivered")) return absl::UnavailableError("failpoint");
  return absl::OkStatus();
}

}  // namespace gatehouse::billing
