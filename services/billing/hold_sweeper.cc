#include "services/billing/hold_sweeper.h"

#include "libs/base/failpoint.h"
#include "libs/log/log.h"
#include "services/billing/batch_plan.h"
#include "services/billing/batch_store.h"

namespace gatehouse::billing {

using std::chrono::milliseconds;

absl::StatusOr<int> ExpireHolds(pg::Database& db) {
  // Nobody waits for the answer: one that is in doubt is looked for again.
  absl::StatusOr<int> expired = db.InTransaction([](pg::Tx& tx) -> absl::StatusOr<int> {
    PlanByIndex(tx);
    OverdueHolds overdue = LockOverdue(tx, kExpireMax);
    // An account that is hardly ever free must not keep what is overdue.
    if (overdue.keys.empty()) overdue = AwaitOverdue(tx, kExpireMax);
    if (overdue.keys.empty()) return 0;
    // Again, under the locks: what was found may have been bound meanwhile.
    const ReadHolds read = FindHolds(tx, overdue.keys);
    const PriceBook no_prices;
    BatchPlan plan(read.now, no_prices);
    for (const Account& account : overdue.accounts) plan.AddAccount(account);
    for (const Hold& hold : read.holds) plan.AddHold(hold);
    int count = 0;
    for (const std::string& key : overdue.keys) {
      if (plan.Expire(key)) ++count;
    }
    if (!plan.empty()) GH_RETURN_IF_ERROR(SavePlan(tx, plan));
    Failpoint("billing.expire.commit");
    return count;
  });
  if (expired.ok() && *expired > 0) Failpoint("billing.expire.committed");
  return expired;
}

HoldSweeper::HoldSweeper(pg::Database& db)
    : db_(db),
      expired_(metrics::GetCounter("gatehouse_billing_holds_expired_total",
                                   "Reservations given back because their time was over.")),
      ticker_("hold-sweeper", [this] { return Sweep(); }) {}

milliseconds HoldSweeper::Sweep() {
  const absl::StatusOr<int> expired = ExpireHolds(db_);
  if (!expired.ok()) {
    log::Warning("holds could not be expired",
                 {{"error", std::string(expired.status().message())}});
    return milliseconds(2000);
  }
  expired_.Increment(*expired);
  // There may be more, or some that were bound just then.
  return *expired > 0 ? milliseconds(0) : milliseconds(500);
}

}  // namespace gatehouse::billing
