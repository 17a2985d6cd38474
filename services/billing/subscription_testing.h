// Events about subscriptions for tests, applied without the inbox. Never part of the
// program.
#pragma once

#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "services/billing/billing_testing.h"
#include "services/billing/subscription.h"

namespace gatehouse::billing {

// What a subscription is at a moment; one monthly price.
struct SubscriptionText {
  std::string id = "sub_1";
  std::string customer = "cus_7";
  std::string status = "active";
  std::int64_t month_cents = 1000;
  std::string plan_tier = "";
  std::string metadata_tenant = "";
  std::string currency = "usd";
  std::string more = "";  // Further members, each behind a comma.

  std::string ToJson() const {
    return absl::StrCat(
        R"({"id":")", id, R"(","object":"subscription","customer":")", customer, R"(","status":")",
        status, R"(","currency":")", currency,
        R"(","current_period_start":1800000000,"current_period_end":1802592000,"metadata":{)",
        R"("plan_tier":")", plan_tier, R"(","tenant_id":")", metadata_tenant,
        R"("},"items":{"object":"list","has_more":false,"data":[{"quantity":1,"price":{)",
        R"("currency":")", currency, R"(","unit_amount":)", month_cents,
        R"(,"recurring":{"interval":"month","interval_count":1,"usage_type":"licensed"}}}]})", more,
        "}");
  }
};

inline StripeEvent EventOf(const std::string& id, const std::string& type, std::int64_t seconds,
                           const std::string& object_json) {
  const auto event =
      ParseStripeEvent(absl::StrCat(R"({"id":")", id, R"(","type":")", type, R"(","created":)",
                                    seconds, R"(,"data":{"object":)", object_json, "}}"));
  EXPECT_TRUE(event.ok()) << event.status();
  return *event;
}

// Tenant 7 is the customer cus_7 of Stripe.
class SubscriptionTest : public BillingTest {
 protected:
  SubscriptionTest() {
    Execute("INSERT INTO billing.stripe_customers (tenant_id, customer_id) VALUES (7, 'cus_7')");
  }

  // "processed", or why not.
  std::string Apply(const StripeEvent& event) {
    const auto outcome = db_.InTransaction([&](pg::Tx& tx) {
      return event.type.starts_with("customer.") ? ApplySubscriptionEvent(tx, event)
                                                 : ApplyInvoiceFailure(tx, event);
    });
    EXPECT_TRUE(outcome.ok()) << outcome.status();
    if (!outcome.ok()) return "failed";
    tenant_id_ = outcome->tenant_id;
    return outcome->reason.empty() ? outcome->status : outcome->reason;
  }

  // Type is created, updated or deleted; with an id of its own.
  std::string Tell(const std::string& type, std::int64_t seconds, const SubscriptionText& text) {
    return Apply(EventOf(absl::StrCat("evt_", ++events_), "customer.subscription." + type, seconds,
                         text.ToJson()));
  }

  std::int64_t tenant_id_ = 0;  // Of the last outcome.
  int events_ = 0;
};

}  // namespace gatehouse::billing
