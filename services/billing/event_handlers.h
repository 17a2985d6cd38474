// Which event of Stripe leads to what: one table by type. Not the signature and not the
// inbox (event_inbox.h).
#pragma once

#include "libs/pg/database.h"
#include "services/billing/stripe_event.h"

namespace gatehouse::billing {

// Does what the event asks for, in the caller's transaction, which is to be rolled back
// when this fails. What nobody here cares for is ignored with a reason.
absl::StatusOr<EventOutcome> HandleEvent(pg::Tx& tx, const StripeEvent& event);

}  // namespace gatehouse::billing
