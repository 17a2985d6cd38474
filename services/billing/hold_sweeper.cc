#include "services/billing/hold_sweeper.h"

#include <optional>

#include "libs/base/failpoint.h"
#include "libs/log/log.h"
#include "services/billing/hold_store.h"

namespace gatehouse::billing {

using std::chrono::milliseconds;

absl::StatusOr<bool> ExpireOneHold(pg::Database& db) {
  // Nobody waits for the answer: one that is in doubt is looked for again.
  absl::StatusOr<bool> expired = db.InTransaction([](pg::Tx& tx) -> absl::StatusOr<bool> {
    std::optional<LockedHold> locked = LockOverdueHold(tx);
    if (!locked) return false;
    locked->hold.ExpireAt(locked->now, &locked->account);
    SaveHold(tx, *locked);
    Failpoint("billing.expire.commit");
    return true;
  });
  if (expired.ok() && *expired) Failpoint("billing.expire.committed");
  return expired;
}

HoldSweeper::HoldSweeper(pg::Database& db)
    : db_(db),
      expired_(metrics::GetCounter("gatehouse_billing_holds_expired_total",
                                   "Reservations given back because their time was over.")),
      ticker_("hold-sweeper", [this] { return Sweep(); }) {}

milliseconds HoldSweeper::Sweep() {
  const absl::StatusOr<bool> expired = ExpireOneHold(db_);
  if (!expired.ok()) {
    log::Warning("holds could not be expired",
                 {{"error", std::string(expired.status().message())}});
    return milliseconds(2000);
  }
  if (!*expired) return milliseconds(500);
  expired_.Increment();
  return milliseconds(0);  // There may be more.
}

}  // namespace gatehouse::billing
