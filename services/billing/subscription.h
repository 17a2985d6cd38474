// Subscriptions as Stripe's events tell of them: status, plan and the yearly amount,
// and how the amount moved. Events may come twice and out of order.
#pragma once

#include <cstdint>
#include <string>

#include "libs/pg/database.h"
#include "services/billing/stripe_event.h"

namespace gatehouse::billing {

// What the items of a subscription object (at `path` of `document`) come to in whole
// cents a year after recurring discounts: month × 12, week × 52, day × 365, quarter
// (3 months) × 4; rounded once, half up. One-off and metered prices are 0, and so is all
// unless status is active or past_due. Discounts count that are written out, last (forever,
// repeating) and have not ended by the document's "created". INVALID_ARGUMENT /
// SUBSCRIPTION_INVALID for what cannot be an amount: another currency than usd, a price by
// tiers, items that the document does not tell; DISCOUNTS_NOT_EXPANDED when it only names
// discounts by their ids.
absl::StatusOr<std::int64_t> AnnualCents(const JsonDocument& document, const std::string& path);

// Takes over customer.subscription.created, .updated or .deleted: the subscription, its
// amount from that time on, and the tenant's plan tier: the best that its active, trialing
// and past due subscriptions name (metadata plan_tier of the subscription or its first
// price), and "free" after .deleted when none of these is left. Without an amount (see
// AnnualCents) all the rest is taken over and the amount stays as it was last told, 0 at
// first: processed with reason subscription_invalid or discounts_not_expanded. Ignored
// with reason subscription_invalid (no id or status), customer_not_found, or stale: an
// event that is older than what is known, or follows a deletion, only completes the
// history of amounts.
absl::StatusOr<EventOutcome> ApplySubscriptionEvent(pg::Tx& tx, const StripeEvent& event);

// invoice.payment_failed: tells the tenant (event and notice); changes no amount.
absl::StatusOr<EventOutcome> ApplyInvoiceFailure(pg::Tx& tx, const StripeEvent& event);

}  // namespace gatehouse::billing
