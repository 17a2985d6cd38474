// Stripe's own Node library on the real programs: it signs events in every order, number
// and shape, and is a client of the Stripe that the other tests pay at.
#include <gmock/gmock.h>

#include "tests/billing_flow.h"

namespace gatehouse {
namespace {

using StripeFlow = BillingFlow;

TEST_F(StripeFlow, EachPaymentIsCreditedOnceWhateverStripeSays) {
  const std::string line = "node " GATEHOUSE_SOURCE "/tests/clients/stripe.mjs " +
                           stack_->http().address() + " " + stack_->AdminToken() + " " + kSecret +
                           " " + stripe_->address();
  EXPECT_EQ(Shell(line), "stripe: ok\n");
  EXPECT_THAT(Shell("billing verify-ledger 2>/dev/null"),
              ::testing::Not(::testing::HasSubstr("exit")));
}

}  // namespace
}  // namespace gatehouse
