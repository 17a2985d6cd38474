#include "services/billing/subscription.h"

#include "services/billing/subscription_testing.h"

namespace gatehouse::billing {
namespace {

constexpr std::int64_t kNow = 1'800'000'000;

// The row of sub_1: status, cents a year, plan.
std::string Row(const std::string& status, std::int64_t cents, const std::string& tier) {
  return absl::StrCat("(SELECT (status, annual_cents, plan_tier) = ('", status, "', ", cents, ", '",
                      tier, "') FROM billing.subscriptions WHERE subscription_id = 'sub_1')");
}

// Cents a year of sub_1 in the order of Stripe's times.
std::string History(const std::string& cents) {
  return absl::StrCat("(SELECT array_agg(annual_cents ORDER BY change_time, stripe_rank, id) = '{",
                      cents, "}' FROM billing.subscription_changes)");
}

TEST_F(SubscriptionTest, ASubscriptionIsFollowedFromItsStartToItsEnd) {
  EXPECT_EQ(Tell("created", kNow, {.status = "incomplete", .plan_tier = "starter"}), "processed");
  ExpectSql(Row("incomplete", 0, "starter"));
  EXPECT_EQ(AccountOf(7).plan_tier(), "free") << "nothing is paid yet";
  EXPECT_EQ(Tell("updated", kNow + 1, {.plan_tier = "starter"}), "processed");
  ExpectSql(Row("active", 12'000, "starter"));
  EXPECT_EQ(AccountOf(7).plan_tier(), "starter");
  EXPECT_EQ(Tell("updated", kNow + 2, {.month_cents = 5000, .plan_tier = "Professional"}),
            "processed");
  EXPECT_EQ(AccountOf(7).plan_tier(), "professional");
  EXPECT_EQ(Tell("deleted", kNow + 3, {.month_cents = 5000, .plan_tier = "professional"}),
            "processed");
  ExpectSql(Row("canceled", 0, "professional"));
  ExpectSql(History("0,12000,60000,0"));
  ExpectSql(
      "(SELECT (current_period_start, current_period_end) = "
      "(to_timestamp(1800000000), to_timestamp(1802592000)) FROM billing.subscriptions)");
  EXPECT_EQ(AccountOf(7).plan_tier(), "free");
  EXPECT_EQ(tenant_id_, 7);
  ExpectSql("(SELECT count(*) = 3 FROM billing.outbox WHERE kind LIKE '%tier%')");
}

TEST_F(SubscriptionTest, TheTenantIsFoundByCustomerOrMetadata) {
  EXPECT_EQ(Tell("created", kNow, {.customer = "cus_other"}), "customer_not_found");
  EXPECT_EQ(Tell("created", kNow, {.customer = "cus_other", .metadata_tenant = "x"}),
            "customer_not_found");
  EXPECT_EQ(Tell("created", kNow, {.customer = "cus_other", .metadata_tenant = "8"}), "processed");
  EXPECT_EQ(tenant_id_, 8);
  EXPECT_EQ(Tell("updated", kNow + 1, {.customer = "cus_other"}), "processed")
      << "known by its id from now on";
  EXPECT_EQ(tenant_id_, 8);
  EXPECT_EQ(Tell("created", kNow, {.id = "sub_2", .metadata_tenant = "8"}), "processed");
  EXPECT_EQ(tenant_id_, 7) << "the customer counts before what is written on it";
}

TEST_F(SubscriptionTest, ALateEventOnlyCompletesTheHistory) {
  EXPECT_EQ(Tell("updated", kNow + 2, {.month_cents = 3000, .plan_tier = "enterprise"}),
            "processed");
  EXPECT_EQ(Tell("created", kNow, {.status = "incomplete"}), "stale");
  EXPECT_EQ(Tell("updated", kNow + 1, {.plan_tier = "starter"}), "stale");
  EXPECT_EQ(tenant_id_, 7) << "known all the same";
  ExpectSql(Row("active", 36'000, "enterprise"));
  ExpectSql(History("0,12000,36000"));
  EXPECT_EQ(AccountOf(7).plan_tier(), "enterprise");
}

TEST_F(SubscriptionTest, NothingFollowsADeletion) {
  EXPECT_EQ(Tell("deleted", kNow, {}), "processed");
  EXPECT_EQ(Tell("updated", kNow, {.plan_tier = "starter"}), "stale");
  EXPECT_EQ(Tell("updated", kNow + 5, {.plan_tier = "starter"}), "stale");
  EXPECT_EQ(Tell("created", kNow - 5, {.plan_tier = "starter"}), "stale");
  EXPECT_EQ(Tell("deleted", kNow + 6, {}), "stale");
  ExpectSql(Row("canceled", 0, ""));
  EXPECT_EQ(AccountOf(7).plan_tier(), "free");
}

TEST_F(SubscriptionTest, WithinASecondRanksAndThenArrivalDecide) {
  EXPECT_EQ(Tell("updated", kNow, {.month_cents = 1000}), "processed");
  EXPECT_EQ(Tell("created", kNow, {.month_cents = 9000}), "stale");
  EXPECT_EQ(Tell("updated", kNow, {.month_cents = 2000}), "processed") << "the same rank";
  ExpectSql(Row("active", 24'000, ""));
  ExpectSql(History("108000,12000,24000"));
}

TEST_F(SubscriptionTest, TheSameEventTwiceChangesNothing) {
  const StripeEvent event = EventOf("evt_twice", "customer.subscription.updated", kNow,
                                    SubscriptionText{.month_cents = 1000}.ToJson());
  EXPECT_EQ(Apply(event), "processed");
  EXPECT_EQ(Apply(event), "stale");
  EXPECT_EQ(Tell("updated", kNow, {.month_cents = 2000}), "processed");
  EXPECT_EQ(Apply(event), "stale") << "also when it would win by its time";
  ExpectSql(Row("active", 24'000, ""));
  ExpectSql(History("12000,24000"));
}

TEST_F(SubscriptionTest, WhatCannotBeTakenOverIsIgnored) {
  EXPECT_EQ(Tell("created", kNow, {.id = ""}), "subscription_invalid");
  EXPECT_EQ(Tell("created", kNow, {.status = ""}), "subscription_invalid");
  ExpectSql("(SELECT count(*) = 0 FROM billing.subscriptions)");
  ExpectSql("(SELECT count(*) = 0 FROM billing.subscription_changes)");
  EXPECT_EQ(Tell("created", kNow, {.status = "trialing", .currency = "eur"}), "processed")
      << "nothing is paid in it";
}

TEST_F(SubscriptionTest, WithoutAnAmountStatusAndPlanAreTakenOver) {
  EXPECT_EQ(Tell("created", kNow, {.plan_tier = "starter", .currency = "eur"}),
            "subscription_invalid");
  ExpectSql(Row("active", 0, "starter"));
  EXPECT_EQ(AccountOf(7).plan_tier(), "starter");
  EXPECT_EQ(Tell("updated", kNow + 1, {.month_cents = 2000, .plan_tier = "starter"}), "processed");
  EXPECT_EQ(
      Tell("updated", kNow + 2,
           {.status = "past_due", .plan_tier = "enterprise", .more = R"(,"discounts":["di_1"])"}),
      "discounts_not_expanded");
  ExpectSql(Row("past_due", 24'000, "enterprise"));
  EXPECT_EQ(AccountOf(7).plan_tier(), "enterprise");
  EXPECT_EQ(Tell("updated", kNow + 3, {.status = "unpaid", .currency = "eur"}), "processed")
      << "nothing is paid";
  ExpectSql(Row("unpaid", 0, ""));
  EXPECT_EQ(Tell("deleted", kNow + 4, {.currency = "eur"}), "processed");
  ExpectSql(Row("canceled", 0, ""));
  EXPECT_EQ(AccountOf(7).plan_tier(), "free");
}

TEST_F(SubscriptionTest, AnAmountThatComesLateHoldsUntilTheNextOne) {
  EXPECT_EQ(Tell("created", kNow, {.month_cents = 1000}), "processed");
  EXPECT_EQ(Tell("updated", kNow + 2, {.currency = "eur"}), "subscription_invalid");
  ExpectSql(Row("active", 12'000, ""));
  EXPECT_EQ(Tell("updated", kNow + 1, {.month_cents = 3000}), "stale");
  ExpectSql(Row("active", 36'000, ""));
  EXPECT_EQ(Tell("deleted", kNow + 3, {}), "processed");
  EXPECT_EQ(Tell("updated", kNow + 1, {.month_cents = 5000}), "stale");
  ExpectSql(Row("canceled", 0, ""));
}

TEST_F(SubscriptionTest, TheBestPlanOfAllSubscriptionsCounts) {
  EXPECT_EQ(Tell("created", kNow, {.plan_tier = "professional"}), "processed");
  EXPECT_EQ(Tell("created", kNow, {.id = "sub_2", .plan_tier = "starter"}), "processed");
  EXPECT_EQ(AccountOf(7).plan_tier(), "professional");
  EXPECT_EQ(Tell("deleted", kNow + 1, {}), "processed");
  EXPECT_EQ(AccountOf(7).plan_tier(), "starter") << "one is left";
  EXPECT_EQ(Tell("updated", kNow + 1, {.id = "sub_2", .status = "unpaid"}), "processed");
  EXPECT_EQ(AccountOf(7).plan_tier(), "starter") << "until it is given up";
  EXPECT_EQ(Tell("deleted", kNow + 2, {.id = "sub_2"}), "processed");
  EXPECT_EQ(AccountOf(7).plan_tier(), "free");
}

TEST_F(SubscriptionTest, APlanThatStaffGaveStaysWithoutAPlanOfTheSubscription) {
  v1::UpdateAccountRequest request;
  request.set_tenant_id(7);
  request.set_plan_tier("enterprise");
  ASSERT_TRUE(accounts_.UpdateAccount(request).ok());
  EXPECT_EQ(Tell("created", kNow, {.plan_tier = "unheard-of"}), "processed");
  EXPECT_EQ(AccountOf(7).plan_tier(), "enterprise");
}

TEST_F(SubscriptionTest, PlansAreReadFromThePriceToo) {
  const std::string object =
      R"({"id":"sub_1","customer":{"id":"cus_7"},"status":"active","items":{"data":[{)"
      R"("current_period_start":1800000000,"current_period_end":1800086400,)"
      R"("price":{"currency":"usd","unit_amount":100,"metadata":{"plan_tier":"starter"},)"
      R"("recurring":{"interval":"year"}}}]}})";
  EXPECT_EQ(Apply(EventOf("evt_1", "customer.subscription.created", kNow, object)), "processed");
  ExpectSql(Row("active", 100, "starter"));
  ExpectSql("(SELECT current_period_end = to_timestamp(1800086400) FROM billing.subscriptions)");
}

TEST_F(SubscriptionTest, EventsOfOneSubscriptionAtTheSameMomentAllCount) {
  constexpr int kEvents = 8;
  Together(kEvents, [&](int i) {
    const StripeEvent event =
        EventOf(absl::StrCat("evt_", i), "customer.subscription.updated", kNow + i,
                SubscriptionText{.month_cents = 100 * (i + 1), .plan_tier = "starter"}.ToJson());
    const auto outcome =
        db_.InTransaction([&](pg::Tx& tx) { return ApplySubscriptionEvent(tx, event); });
    EXPECT_TRUE(outcome.ok()) << outcome.status();
  });
  ExpectSql(Row("active", 9600, "starter"));
  ExpectSql(History("1200,2400,3600,4800,6000,7200,8400,9600"));
}

TEST_F(SubscriptionTest, AFailedInvoiceIsToldToTheTenant) {
  EXPECT_EQ(Apply(EventOf("evt_1", "invoice.payment_failed", kNow,
                          R"({"customer":"cus_7","amount_due":1234,"currency":"usd"})")),
            "processed");
  EXPECT_EQ(tenant_id_, 7);
  ExpectSql(
      "(SELECT (tenant_id, kind, data->>'amount_cents') = (7, 'payment_failed', '1234') "
      "FROM billing.notices)");
  ExpectSql(
      "(SELECT (tenant_id, type, data->>'kind') = (7, 'system.alert', 'payment_failed') "
      "FROM billing.events)");
  ExpectSql("(SELECT count(*) = 0 FROM billing.ledger_entries)");
}

TEST_F(SubscriptionTest, AFailedInvoiceIsFoundByItsSubscription) {
  ASSERT_EQ(Tell("created", kNow, {.customer = "cus_x", .metadata_tenant = "9"}), "processed");
  EXPECT_EQ(Apply(EventOf("evt_a", "invoice.payment_failed", kNow,
                          R"({"customer":"cus_x","subscription":"sub_1","currency":"eur",)"
                          R"("amount_due":5})")),
            "processed");
  EXPECT_EQ(tenant_id_, 9);
  ExpectSql("(SELECT count(*) = 1 FROM billing.notices WHERE NOT data ? 'amount_cents')");
  EXPECT_EQ(Apply(EventOf("evt_b", "invoice.payment_failed", kNow,
                          R"({"customer":"cus_x","parent":{"subscription_details":)"
                          R"({"subscription":"sub_1"}}})")),
            "processed");
  EXPECT_EQ(Apply(EventOf("evt_c", "invoice.payment_failed", kNow, R"({"customer":"cus_x"})")),
            "customer_not_found");
}

}  // namespace
}  // namespace gatehouse::billing
