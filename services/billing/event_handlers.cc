#include "services/billing/event_handlers.h"

#include <string_view>

#include "services/billing/payment_events.h"
#include "services/billing/subscription.h"

namespace gatehouse::billing {
namespace {

// Nothing was paid, so nothing is to be done; the tenant saw it on Stripe's page.
absl::StatusOr<EventOutcome> NotePaymentFailed(pg::Tx&, const StripeEvent&) {
  return EventOutcome{.status = "ignored", .reason = "payment_failed"};
}

absl::StatusOr<EventOutcome> NoteSessionExpired(pg::Tx&, const StripeEvent&) {
  return EventOutcome{.status = "ignored", .reason = "session_expired"};
}

struct Row {
  std::string_view type;
  absl::StatusOr<EventOutcome> (*handle)(pg::Tx&, const StripeEvent&);
};
constexpr Row kRows[] = {
    {"checkout.session.completed", ApplyPaidSession},
    {"checkout.session.async_payment_succeeded", ApplyPaidSession},
    {"checkout.session.async_payment_failed", NotePaymentFailed},
    {"checkout.session.expired", NoteSessionExpired},
    {"payment_intent.succeeded", ApplyPaidIntent},
    {"payment_intent.payment_failed", ApplyFailedIntent},
    {"charge.refunded", ApplyRefund},
    {"charge.refund.updated", ApplyFailedRefund},
    {"refund.failed", ApplyFailedRefund},
    {"refund.updated", ApplyFailedRefund},
    {"charge.dispute.created", TellDispute},
    {"charge.dispute.funds_withdrawn", ApplyWithdrawal},
    {"charge.dispute.funds_reinstated", ApplyReinstatement},
    {"charge.dispute.closed", TellDispute},
    {"customer.subscription.created", ApplySubscriptionEvent},
    {"customer.subscription.updated", ApplySubscriptionEvent},
    {"customer.subscription.deleted", ApplySubscriptionEvent},
    {"invoice.payment_failed", ApplyInvoiceFailure},
    {"customer.deleted", ForgetCustomer},
    {"customer.updated", FollowDefaultMethod},
    {"payment_method.detached", ForgetMethod},
};

}  // namespace

absl::StatusOr<EventOutcome> HandleEvent(pg::Tx& tx, const StripeEvent& event) {
  for (const Row& row : kRows) {
    if (row.type == event.type) return row.handle(tx, event);
  }
  return EventOutcome{.status = "ignored", .reason = "unhandled_event_type"};
}

}  // namespace gatehouse::billing
