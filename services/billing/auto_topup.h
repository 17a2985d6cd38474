// Automatic top-ups: charges the stored payment method of tenants whose booked balance
// is below their threshold. A row is written before Stripe is asked and its id is
// Stripe's idempotency key, so that a charge is made once whatever dies when. Not the
// SQL (auto_topup_store.h) and not the terms (profile.h).
#pragma once

#include <atomic>
#include <chrono>
#include <functional>

#include "libs/exec/pool.h"
#include "libs/pg/database.h"
#include "services/billing/stripe_client.h"

namespace gatehouse::billing {

// Begins what is due, at most a hundred; how many. Any number of processes may do so:
// each tenant has one at a time. A tenant whose turn fails, as one whose account is busy
// for long, is logged and passed over. Ends early when `is_cancelled` says so.
absl::StatusOr<int> BeginAutoTopups(pg::Database& db,
                                    const std::function<bool()>& is_cancelled = nullptr);

// Asks Stripe about one that was begun and books what came of it; false when none has
// its turn. It asks for 20 seconds at most, so that nobody else has that turn meanwhile. What stays
// unknown is asked again, later and later:
// - For 20 hours under the same idempotency key, which Stripe keeps for 24.
// - After that, when the key itself is no use any more, and when the tenant has switched
//   them off, the charge is looked up among the customer's. One that is not there after
//   the 20 hours was never made, since nobody asks for it any more: it has failed, and
//   another may begin.
// - A charge that Stripe has named is asked for by its name, as long as it takes.
absl::StatusOr<bool> AdvanceAutoTopup(pg::Database& db, StripeClient& stripe,
                                      const StripeCall& call = {});

// Does both each second, from a thread of its own.
class AutoTopups {
 public:
  // Both must outlive this.
  AutoTopups(pg::Database& db, StripeClient& stripe);
  ~AutoTopups();

 private:
  std::chrono::milliseconds Step();

  pg::Database& db_;
  StripeClient& stripe_;
  std::atomic<bool> stopping_ = false;
  exec::Ticker ticker_;  // last: stops before the rest goes
};

}  // namespace gatehouse::billing
