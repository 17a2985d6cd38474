// SQL for automatic top-ups: who needs one, and the rows of those that were begun. Every
// function runs in the caller's transaction.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "libs/base/clock.h"
#include "libs/pg/database.h"

namespace gatehouse::billing {

// One that was begun; how it ended is not known.
struct PendingTopup {
  std::string id;  // UUID; Stripe's idempotency key.
  std::int64_t tenant_id = 0;
  std::int64_t amount_nanos = 0;
  std::string customer_id;
  std::string payment_method_id;
  std::string payment_intent_id;  // Empty until Stripe has named it.
  Time create_time;
  bool is_key_kept = true;  // Stripe is sure to remember the key still.
  bool is_first = false;    // Stripe has never been asked.
  bool is_wanted = true;    // They have not been switched off meanwhile.
};

// SQL of what a tenant was charged in this calendar month (UTC), or is being charged now,
// in nanos. `tenant_id`: a column.
std::string ChargedThisMonth(const std::string& tenant_id);

// Tenants that need one now: switched on, booked balance below the threshold, a stored
// payment method, none pending, within the month's cap (see ChargedThisMonth), and not put off by
// failures (an hour after the first in a row, twice as long after each, a day at most).
std::vector<std::int64_t> FindTopupsDue(pg::Tx& tx, int limit);

inline constexpr std::chrono::seconds kClaimTime{30};

// Begins one, if it is still due. The account must be locked.
bool InsertTopup(pg::Tx& tx, std::int64_t tenant_id, const std::string& id);

// Takes one whose turn it is, and puts its next turn off far enough to ask Stripe
// meanwhile: kClaimTime, twice as long each time, an hour at most. One statement.
std::optional<PendingTopup> ClaimTopup(pg::Tx& tx);

struct TopupState {
  std::int64_t tenant_id = 0;
  bool is_pending = false;
};
std::optional<TopupState> FindTopup(pg::Tx& tx, const std::string& id);

// The accounts of these must be locked. False when the row was in that state before.
bool SaveTopupCharged(pg::Tx& tx, const std::string& id, const std::string& payment_intent_id);
// Of a pending one only.
bool SaveTopupFailed(pg::Tx& tx, const std::string& id, const std::string& payment_intent_id,
                     const std::string& failure);

// Of a pending one: what Stripe calls it.
void SaveTopupIntent(pg::Tx& tx, const std::string& id, const std::string& payment_intent_id);

// How many have failed since the last one that did not.
std::int64_t CountTopupFailures(pg::Tx& tx, std::int64_t tenant_id);

// Switches them off.
void EndTopups(pg::Tx& tx, std::int64_t tenant_id);

}  // namespace gatehouse::billing
