#include "services/billing/topup_failure.h"

#include "absl/strings/str_cat.h"
#include "libs/pg/feed.h"
#include "services/billing/account_store.h"
#include "services/billing/auto_topup_store.h"
#include "services/billing/money.h"
#include "services/billing/notice.h"

namespace gatehouse::billing {
namespace {

// After so many failures in a row the tenant has to switch them on again.
constexpr std::int64_t kFailuresMax = 8;

absl::Status Tell(pg::Tx& tx, const TopupFailure& failure, bool is_off) {
  const std::string facts = absl::StrCat(R"("amount_cents":)", FloorCents(failure.amount_nanos),
                                         R"(,"reason":")", failure.why, R"("})");
  GH_RETURN_IF_ERROR(AppendNotice(tx, failure.tenant_id, "auto_topup_failed", "{" + facts));
  if (!is_off) return absl::OkStatus();
  pg::Event event;
  event.tenant_id = failure.tenant_id;
  event.type = "system.alert";
  event.subject = absl::StrCat("account/", failure.tenant_id);
  event.data_json = R"({"kind":"auto_topup_failed",)" + facts;
  return pg::AppendEvent(tx, "billing", event);
}

}  // namespace

absl::Status BookTopupFailure(pg::Tx& tx, const TopupFailure& failure) {
  LockAccount(tx, failure.tenant_id);
  const bool is_new = SaveTopupFailed(tx, failure.topup_id, failure.payment_intent_id, failure.why);
  const bool is_off = failure.is_final || CountTopupFailures(tx, failure.tenant_id) >= kFailuresMax;
  // Also when it is not new: whoever told of it first may not have known that it is final.
  if (is_off) EndTopups(tx, failure.tenant_id);
  return is_new && failure.is_told ? Tell(tx, failure, is_off) : absl::OkStatus();
}

}  // namespace gatehouse::billing
