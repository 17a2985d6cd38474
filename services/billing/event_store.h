// SQL for Stripe's events as they came and what became of them. Every function runs in the
// caller's transaction and decides nothing.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "libs/pg/database.h"
#include "services/billing/stripe_event.h"

namespace gatehouse::billing {

// Locks the event until the transaction ends; a twin that is being handled is waited for.
// False when it has been handled. An event that is new is kept, without outcome.
bool TakeEvent(pg::Tx& tx, const StripeEvent& event, const std::string& payload);

// What became of an event that was taken.
void SaveOutcome(pg::Tx& tx, const std::string& event_id, const EventOutcome& outcome);

// Keeps an event whose handling failed. False, and nothing is changed, when a twin has
// been handled meanwhile.
bool KeepFailure(pg::Tx& tx, const StripeEvent& event, const std::string& payload,
                 const std::string& error);

// Gives up an event whose handling failed: it counts as ignored, its error stays. False
// when there is none.
bool DismissEvent(pg::Tx& tx, const std::string& event_id);

struct FailedEvent {
  std::string id;
  std::string type;
  std::int64_t attempts = 0;
  std::string error;
  Time receive_time;
};
// In the order in which they came. `since` nullopt: all; `event_id` empty: any.
std::vector<FailedEvent> ListFailedEvents(pg::Tx& tx, std::optional<Time> since,
                                          const std::string& event_id);

struct KeptEvent {
  std::string payload;
  Time create_time;
};
std::optional<KeptEvent> FindEvent(pg::Tx& tx, const std::string& event_id);

}  // namespace gatehouse::billing
