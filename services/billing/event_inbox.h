// Takes in the events that Stripe posts: each is handled once, in the transaction that
// keeps it; one whose handling fails is kept and handled again. Not what events lead to
// (event_handlers.h), nor the SQL (event_store.h).
#pragma once

#include <string>
#include <vector>

#include "gatehouse/billing/v1/payment.pb.h"
#include "libs/base/clock.h"
#include "libs/pg/database.h"
#include "services/billing/stripe_event.h"

namespace gatehouse::billing {

inline constexpr std::size_t kEventBytesMax = 1 << 20;

// Thread-safe; any number of processes may share the database.
class EventInbox {
 public:
  // Both must outlive this. `secrets`: any of them signs.
  EventInbox(pg::Database& db, std::vector<std::string> secrets, const Clock& clock);

  // See payment.proto, ReceiveEvent. UNAVAILABLE and RESOURCE_EXHAUSTED: nothing is kept.
  absl::StatusOr<v1::ReceiveEventResponse> Receive(const v1::ReceiveEventRequest& request);

  // Handles an event that is kept again, unless that has been done: skipped. NOT_FOUND /
  // EVENT_NOT_FOUND; otherwise as Receive.
  absl::StatusOr<v1::ReceiveEventResponse> HandleKept(const std::string& event_id);

 private:
  absl::StatusOr<v1::ReceiveEventResponse> Handle(const StripeEvent& event,
                                                  const std::string& payload);
  absl::StatusOr<EventOutcome> KeepFailed(const StripeEvent& event, const std::string& payload,
                                          const absl::Status& failure);

  pg::Database& db_;
  const std::vector<std::string> secrets_;
  const Clock& clock_;
};

}  // namespace gatehouse::billing
