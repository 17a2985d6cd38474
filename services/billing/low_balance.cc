#include "services/billing/low_balance.h"

#include "absl/strings/str_cat.h"
#include "libs/pg/feed.h"
#include "services/billing/money.h"
#include "services/billing/notice.h"

namespace gatehouse::billing {

absl::Status TellLowBalance(pg::Tx& tx, std::int64_t settled_before_nanos, const Account& account) {
  const std::int64_t threshold = account.low_threshold_nanos;
  if (settled_before_nanos < threshold || account.settled_nanos >= threshold) {
    return absl::OkStatus();
  }
  const std::string amounts = absl::StrCat(R"("balance_cents":)", FloorCents(account.settled_nanos),
                                           R"(,"threshold_cents":)", FloorCents(threshold), "}");
  GH_RETURN_IF_ERROR(AppendLowBalanceNotice(tx, account.tenant_id, "{" + amounts));
  pg::Event event;
  event.tenant_id = account.tenant_id;
  event.type = "system.alert";
  event.subject = absl::StrCat("account/", account.tenant_id);
  event.data_json = R"({"kind":"low_balance",)" + amounts;
  return pg::AppendEvent(tx, "billing", event);
}

}  // namespace gatehouse::billing
