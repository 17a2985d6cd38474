// What Stripe's events about payments lead to: credits, refunds, disputes, stored payment
// methods. Not which event goes where (event_handlers.h), nor the bookings
// (payment_store.h).
#pragma once

#include "libs/pg/database.h"
#include "services/billing/stripe_event.h"

namespace gatehouse::billing {

// All run in the caller's transaction and fail, for it to be rolled back, with
// INVALID_ARGUMENT / EVENT_MALFORMED where an event of ours says what cannot be.

// checkout.session.completed and .async_payment_succeeded: credits what was paid.
absl::StatusOr<EventOutcome> ApplyPaidSession(pg::Tx& tx, const StripeEvent& event);

// payment_intent.succeeded: credits an automatic top-up; of a session only the payment
// method is kept, for the session's own event credits it.
absl::StatusOr<EventOutcome> ApplyPaidIntent(pg::Tx& tx, const StripeEvent& event);

// payment_intent.payment_failed: an automatic top-up has failed. No more are made after a
// final decline or too many in a row.
absl::StatusOr<EventOutcome> ApplyFailedIntent(pg::Tx& tx, const StripeEvent& event);

// What is told of a payment that has not been credited is kept and deferred: whether it is
// ours is known when its credit comes, which then finds it.

// charge.refunded
absl::StatusOr<EventOutcome> ApplyRefund(pg::Tx& tx, const StripeEvent& event);
// refund.failed, and refund.updated or charge.refund.updated of one that has failed or was
// canceled: gives back what was taken for it.
absl::StatusOr<EventOutcome> ApplyFailedRefund(pg::Tx& tx, const StripeEvent& event);

// charge.dispute.funds_withdrawn and .funds_reinstated.
absl::StatusOr<EventOutcome> ApplyWithdrawal(pg::Tx& tx, const StripeEvent& event);
absl::StatusOr<EventOutcome> ApplyReinstatement(pg::Tx& tx, const StripeEvent& event);

// charge.dispute.created and .closed: an alert; no money moves.
absl::StatusOr<EventOutcome> TellDispute(pg::Tx& tx, const StripeEvent& event);

// customer.deleted and payment_method.detached: nothing is charged automatically any more.
absl::StatusOr<EventOutcome> ForgetCustomer(pg::Tx& tx, const StripeEvent& event);
absl::StatusOr<EventOutcome> ForgetMethod(pg::Tx& tx, const StripeEvent& event);

// customer.updated: another default payment method, as chosen in the portal, is charged
// from then on where one is stored.
absl::StatusOr<EventOutcome> FollowDefaultMethod(pg::Tx& tx, const StripeEvent& event);

}  // namespace gatehouse::billing
