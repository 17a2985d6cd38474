// Top-ups and portal sessions as Stripe is asked for them. Pure. Not the calls
// (stripe_client.h).
#pragma once

#include <cstdint>
#include <string>

#include "gatehouse/billing/v1/payment.pb.h"
#include "libs/status/status.h"
#include "services/billing/stripe_client.h"

namespace gatehouse::billing {

struct TopupOrder {
  std::string key;  // UUID; of this tenant only, whatever keys others choose.
  std::int64_t tenant_id = 0;
  std::int64_t cents = 0;
  bool save_payment_method = false;
  std::string tenant_name;
  std::string request_hash;
};

// INVALID_ARGUMENT / REQUEST_INVALID, CURRENCY_UNKNOWN or AMOUNT_OUT_OF_RANGE, with the
// field.
absl::StatusOr<TopupOrder> CheckTopup(const v1::CreateTopupSessionRequest& request);

// The forms; `public_url` is where the browser comes back to.
StripeForm CustomerForm(std::int64_t tenant_id, const std::string& tenant_name);
StripeForm TopupForm(const TopupOrder& order, const std::string& customer_id,
                     const std::string& public_url);
// Without plan changes the portal offers the payment method only, and leads back then.
StripeForm PortalForm(const std::string& customer_id, bool allow_plan_changes,
                      const std::string& public_url);

// Stripe's idempotency key of `form`, sent on behalf of `subject`: the same after a
// crash, another one for another form, which Stripe would refuse under the same key.
std::string StripeKey(const std::string& subject, const StripeForm& form);

}  // namespace gatehouse::billing
