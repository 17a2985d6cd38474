// SQL for subscriptions and for what they came to over time. Every function runs in the
// caller's transaction, in which the tenant's account is locked, and decides nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "libs/base/clock.h"
#include "libs/pg/database.h"

namespace gatehouse::billing {

// As the newest event told.
struct Subscription {
  std::string id;  // "sub_…"
  std::int64_t tenant_id = 0;
  std::string status;                            // Stripe's word.
  std::optional<std::int64_t> annual_cents = 0;  // None: the event could not tell.
  std::string plan_tier;                         // Empty when it names none.
  std::optional<Time> period_start = {};
  std::optional<Time> period_end = {};
  Time stripe_time = {};  // Of that event; with its rank: 0 created, 1 updated, 2 deleted.
  int stripe_rank = 0;
};

// Whose it is; needs no lock, for it never changes.
std::optional<std::int64_t> FindSubscriptionTenant(pg::Tx& tx, const std::string& id);

std::optional<Subscription> LockSubscription(pg::Tx& tx, const std::string& id);

// All of a tenant.
std::vector<Subscription> ListSubscriptions(pg::Tx& tx, std::int64_t tenant_id);

// Stores it, whether it was known or not. An amount that is not told leaves the one before.
void SaveSubscription(pg::Tx& tx, const Subscription& subscription);

// Sets the amount to the last that was told, by Stripe's times; nothing after a deletion.
void FollowAmount(pg::Tx& tx, const std::string& id);

// Appends what the event `event_id` told of its amount. False, and nothing is appended,
// when the same event was there before.
bool AppendChange(pg::Tx& tx, const std::string& event_id, const Subscription& told);

}  // namespace gatehouse::billing
