#include "services/billing/low_balance.h"

#include "absl/strings/str_cat.h"
#include "libs/pg/feed.h"
#include "services/billing/money.h"

namespace gatehouse::billing {

absl::Status TellLowBalance(pg::Tx& tx, std::int64_t settled_before_nanos, const Account& account) {
  const std::int64_t threshold = account.low_threshold_nanos;
  if (settled_before_nanos < threshold || account.settled_nanos >= threshold) {
    return absl::OkStatus();
  }
  pg::Event event;
  event.tenant_id = account.tenant_id;
  event.type = "system.alert";
  event.subject = absl::StrCat("account/", account.tenant_id);
  event.data_json =
      absl::StrCat(R"({"kind":"low_balance","balance_cents":)", FloorCents(account.settled_nanos),
                   R"(,"threshold_cents":)", FloorCents(threshold), "}");
  return pg::AppendEvent(tx, "billing", event);
}

}  // namespace gatehouse::billing
