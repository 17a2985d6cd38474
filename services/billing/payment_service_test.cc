// Top-ups, the portal and the profile, with a scripted Stripe.
#include "services/billing/payment_service.h"

#include <map>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "services/billing/billing_testing.h"
#include "services/billing/fake_stripe.h"
#include "services/billing/messages.h"

namespace gatehouse::billing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Asked = FakeStripe::Asked;
using Reply = FakeStripe::Reply;

constexpr std::int64_t kTenant = 7;
constexpr std::int64_t kDollar = 1'000'000'000;
constexpr char kCustomers[] = "/v1/customers";
constexpr char kSessions[] = "/v1/checkout/sessions";
constexpr char kPortals[] = "/v1/billing_portal/sessions";

class PaymentServiceTest : public BillingTest {
 protected:
  // Like Stripe: one object per idempotency key.
  Reply Make(const Asked& asked) {
    const auto [made, is_new] = made_.try_emplace(asked.key, made_.size() + 1);
    const std::string id = absl::StrCat(asked.path == kCustomers ? "cus_" : "cs_", made->second);
    return {.body =
                absl::StrCat(R"({"id":")", id, R"(","url":"https://stripe.example/)", id, R"("})")};
  }

  static v1::CreateTopupSessionRequest TopupOf(std::int64_t nanos,
                                               const std::string& key = UuidV7(),
                                               std::int64_t tenant_id = kTenant) {
    v1::CreateTopupSessionRequest request;
    request.set_tenant_id(tenant_id);
    *request.mutable_amount() = ToMoney(nanos);
    request.set_idempotency_key(key);
    request.set_tenant_name("Acme & Söhne");
    return request;
  }

  absl::StatusOr<v1::CreatePortalSessionResponse> OpenPortal() {
    v1::CreatePortalSessionRequest request;
    request.set_tenant_id(kTenant);
    return payments_.CreatePortalSession(request);
  }

  v1::Profile ProfileOf(std::int64_t tenant_id = kTenant) {
    v1::GetProfileRequest request;
    request.set_tenant_id(tenant_id);
    const auto profile = payments_.GetProfile(request);
    EXPECT_TRUE(profile.ok()) << profile.status();
    return profile.ok() ? *profile : v1::Profile();
  }

  void StorePaymentMethod() {
    Execute(
        "INSERT INTO billing.stripe_customers (tenant_id, customer_id, payment_method_id) "
        "VALUES (7, 'cus_7', 'pm_7')");
  }

  static v1::UpdateProfileRequest Change() {
    v1::UpdateProfileRequest request;
    request.set_tenant_id(kTenant);
    return request;
  }

  std::map<std::string, std::size_t> made_;  // By idempotency key; guarded by the fake.
  FakeStripe stripe_{[this](const Asked& asked) { return Make(asked); }};
  StripeClient client_{{.api_base = stripe_.base(), .secret_key = "sk_test_1"}};
  PaymentService payments_{db_, &client_, nullptr, "https://gate.example/"};
  PaymentService unconfigured_{db_, nullptr, nullptr, "https://gate.example"};
};

TEST_F(PaymentServiceTest, ATopupMakesACustomerAndASession) {
  v1::CreateTopupSessionRequest request = TopupOf(50 * kDollar);
  request.set_save_payment_method(true);
  const auto session = payments_.CreateTopupSession(request);
  ASSERT_TRUE(session.ok()) << session.status();
  EXPECT_EQ(session->session_id(), "cs_2");
  EXPECT_EQ(session->checkout_url(), "https://stripe.example/cs_2");
  const Asked customer = stripe_.asked(kCustomers).at(0);
  EXPECT_EQ(customer.form.at("metadata[tenant_id]"), "7");
  EXPECT_EQ(customer.form.at("metadata[tenant_name]"), "Acme & Söhne");
  const std::map<std::string, std::string> expected = {
      {"mode", "payment"},
      {"customer", "cus_1"},
      {"client_reference_id", "7"},
      {"payment_method_types[0]", "card"},
      {"line_items[0][quantity]", "1"},
      {"line_items[0][price_data][currency]", "usd"},
      {"line_items[0][price_data][unit_amount]", "5000"},
      {"line_items[0][price_data][product_data][name]", "Reserve top-up"},
      {"success_url",
       "https://gate.example/billing/topup/success/?session_id={CHECKOUT_SESSION_ID}"},
      {"cancel_url", "https://gate.example/billing/topup/cancel/"},
      {"metadata[tenant_id]", "7"},
      {"metadata[purpose]", "reserve_topup"},
      {"metadata[amount_cents]", "5000"},
      {"metadata[save_payment_method]", "true"},
      {"payment_intent_data[metadata][tenant_id]", "7"},
      {"payment_intent_data[metadata][purpose]", "reserve_topup"},
      {"payment_intent_data[metadata][amount_cents]", "5000"},
      {"payment_intent_data[metadata][save_payment_method]", "true"},
      {"payment_intent_data[setup_future_usage]", "off_session"}};
  EXPECT_EQ(stripe_.asked(kSessions).at(0).form, expected);
}

TEST_F(PaymentServiceTest, ATenantHasOneCustomer) {
  ASSERT_TRUE(payments_.CreateTopupSession(TopupOf(kDollar)).ok());
  ASSERT_TRUE(payments_.CreateTopupSession(TopupOf(kDollar)).ok());
  EXPECT_THAT(stripe_.asked(kCustomers), SizeIs(1));
  EXPECT_THAT(stripe_.asked(kSessions), SizeIs(2));
  ASSERT_TRUE(payments_.CreateTopupSession(TopupOf(kDollar, UuidV7(), kTenant + 1)).ok());
  EXPECT_THAT(stripe_.asked(kCustomers), SizeIs(2));
}

TEST_F(PaymentServiceTest, ParallelFirstTopupsShareACustomer) {
  Together(8, [&](int) {
    const auto session = payments_.CreateTopupSession(TopupOf(kDollar));
    EXPECT_TRUE(session.ok()) << session.status();
  });
  for (const Asked& asked : stripe_.asked(kSessions)) {
    EXPECT_EQ(asked.form.at("customer"), stripe_.asked(kSessions)[0].form.at("customer"));
  }
  ExpectSql("(SELECT count(*) = 1 FROM billing.stripe_customers)");
}

TEST_F(PaymentServiceTest, TheSameKeyIsTheSameSession) {
  const std::string key = UuidV7();
  const auto first = payments_.CreateTopupSession(TopupOf(5 * kDollar, key));
  ASSERT_TRUE(first.ok()) << first.status();
  const auto again = payments_.CreateTopupSession(TopupOf(5 * kDollar, key));
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->SerializeAsString(), first->SerializeAsString());
  EXPECT_THAT(stripe_.asked(kSessions), SizeIs(1));
  EXPECT_EQ(Reason(payments_.CreateTopupSession(TopupOf(6 * kDollar, key)).status()),
            "IDEMPOTENCY_KEY_REUSED");
  EXPECT_TRUE(payments_.CreateTopupSession(TopupOf(6 * kDollar, key, kTenant + 1)).ok())
      << "another tenant's key is another key";
}

TEST_F(PaymentServiceTest, ACrashBeforeTheCommitLeadsToTheSameSession) {
  const std::string key = UuidV7();
  const auto first = payments_.CreateTopupSession(TopupOf(5 * kDollar, key));
  ASSERT_TRUE(first.ok()) << first.status();
  Execute("TRUNCATE billing.idempotency_keys");
  const auto again = payments_.CreateTopupSession(TopupOf(5 * kDollar, key));
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->session_id(), first->session_id());
  EXPECT_THAT(stripe_.asked(kSessions), SizeIs(2));
}

TEST_F(PaymentServiceTest, AmountsAreCheckedBeforeStripeIsAsked) {
  for (const std::int64_t nanos : {std::int64_t{0}, kDollar - 10'000'000, kDollar + 1,
                                   10'000 * kDollar + 10'000'000, -50 * kDollar}) {
    EXPECT_EQ(Reason(payments_.CreateTopupSession(TopupOf(nanos)).status()), "AMOUNT_OUT_OF_RANGE")
        << nanos;
  }
  v1::CreateTopupSessionRequest euros = TopupOf(kDollar);
  euros.mutable_amount()->set_currency_code("EUR");
  EXPECT_EQ(Reason(payments_.CreateTopupSession(euros).status()), "CURRENCY_UNKNOWN");
  EXPECT_EQ(Reason(payments_.CreateTopupSession(TopupOf(kDollar, "x")).status()),
            "REQUEST_INVALID");
  EXPECT_THAT(stripe_.asked(), IsEmpty());
}

TEST_F(PaymentServiceTest, WhatStripeRefusesIsNotKept) {
  const std::string key = UuidV7();
  stripe_.Do([](const Asked&) {
    return Reply{.status = 400, .body = StripeErrorText("invalid_request_error", "url_invalid")};
  });
  EXPECT_EQ(Reason(payments_.CreateTopupSession(TopupOf(kDollar, key)).status()), "STRIPE_REFUSED");
  stripe_.Do([this](const Asked& asked) { return Make(asked); });
  EXPECT_TRUE(payments_.CreateTopupSession(TopupOf(kDollar, key)).ok());
}

TEST_F(PaymentServiceTest, AServerErrorThatStripeRepeatsBlocksNobody) {
  // Like Stripe: the first answer under a key is the answer under it for a day.
  for (const char* path : {kCustomers, kSessions}) {
    std::map<std::string, int> first;
    int errors = 2;
    stripe_.Do([&](const Asked& asked) {
      const auto [kept, is_new] = first.try_emplace(asked.key, 200);
      if (is_new && asked.path == path && errors-- > 0) kept->second = 500;
      if (kept->second == 200) return Make(asked);
      return is_new ? Reply{.status = 500}
                    : Reply{.status = 500, .headers = {{"Idempotent-Replayed", "true"}}};
    });
    const std::string key = UuidV7();
    EXPECT_EQ(Reason(payments_.CreateTopupSession(TopupOf(kDollar, key)).status()),
              "STRIPE_UNAVAILABLE")
        << path;
    const auto again = payments_.CreateTopupSession(TopupOf(kDollar, key));
    EXPECT_TRUE(again.ok()) << path << again.status();
  }
}

TEST_F(PaymentServiceTest, WhereTheAnswerWasLostTheKeyStays) {
  const std::string key = UuidV7();
  stripe_.Do([this](const Asked& asked) {
    const Reply lost{.status = 409, .headers = {{"Stripe-Should-Retry", "false"}}};
    return asked.path == kSessions ? lost : Make(asked);
  });
  EXPECT_FALSE(payments_.CreateTopupSession(TopupOf(kDollar, key)).ok());
  EXPECT_FALSE(payments_.CreateTopupSession(TopupOf(kDollar, key)).ok());
  const auto asked = stripe_.asked(kSessions);
  ASSERT_THAT(asked, SizeIs(2));
  EXPECT_EQ(asked[0].key, asked[1].key);
}

TEST_F(PaymentServiceTest, ACustomerThatIsGoneIsReplaced) {
  StorePaymentMethod();
  Credit(kTenant, kDollar);
  Execute("UPDATE billing.accounts SET auto_topup_enabled = true WHERE tenant_id = 7");
  stripe_.Do([this](const Asked& asked) {
    const auto customer = asked.form.find("customer");
    if (customer == asked.form.end() || customer->second != "cus_7") return Make(asked);
    return Reply{.status = 400,
                 .body = StripeErrorText("invalid_request_error", "resource_missing",
                                         R"(,"param":"customer")")};
  });
  const auto session = payments_.CreateTopupSession(TopupOf(kDollar));
  ASSERT_TRUE(session.ok()) << session.status();
  EXPECT_THAT(stripe_.asked(kCustomers), SizeIs(1));
  EXPECT_THAT(stripe_.asked(kSessions), SizeIs(2));
  const auto portal = OpenPortal();
  ASSERT_TRUE(portal.ok()) << portal.status();
  EXPECT_THAT(stripe_.asked(kPortals), SizeIs(1)) << "from now on it is the new one";
  EXPECT_FALSE(ProfileOf().has_auto_topup()) << "the method went with the customer";
  ExpectSql("(SELECT NOT auto_topup_enabled FROM billing.accounts WHERE tenant_id = 7)");
  ExpectSql(
      "(SELECT count(*) = 1 FROM billing.stripe_customers WHERE tenant_id = 7 AND gone_time IS "
      "NULL)");
  // Its last events may still come.
  const auto payer = db_.Read([](pg::Tx& tx) -> absl::StatusOr<std::optional<Customer>> {
    return FindCustomerById(tx, "cus_7");
  });
  ASSERT_TRUE(payer.ok() && *payer);
  EXPECT_EQ((*payer)->tenant_id, kTenant);
}

TEST_F(PaymentServiceTest, ACustomerThatIsGoneAgainAndAgainIsNotReplacedForEver) {
  stripe_.Do([this](const Asked& asked) {
    if (asked.path == kCustomers) return Make(asked);
    return Reply{.status = 400,
                 .body = StripeErrorText("invalid_request_error", "resource_missing",
                                         R"(,"param":"customer")")};
  });
  EXPECT_EQ(Reason(payments_.CreateTopupSession(TopupOf(kDollar)).status()), "STRIPE_REFUSED");
  EXPECT_THAT(stripe_.asked(kCustomers), SizeIs(2));
  EXPECT_THAT(stripe_.asked(kSessions), SizeIs(2));
}

TEST_F(PaymentServiceTest, WhatElseIsMissingLeavesTheCustomer) {
  StorePaymentMethod();
  stripe_.Do([](const Asked&) {
    return Reply{.status = 400,
                 .body = StripeErrorText("invalid_request_error", "resource_missing",
                                         R"(,"param":"configuration")")};
  });
  EXPECT_EQ(Reason(OpenPortal().status()), "STRIPE_REFUSED");
  EXPECT_THAT(stripe_.asked(kCustomers), IsEmpty());
  EXPECT_TRUE(ProfileOf().has_auto_topup());
}

TEST_F(PaymentServiceTest, ADeletedCustomerTakesNothingFromTheNext) {
  const auto mark = [&](const std::string& customer_id) {
    EXPECT_TRUE(db_.InTransaction([&](pg::Tx& tx) {
                     MarkCustomerGone(tx, customer_id);
                     return absl::OkStatus();
                   })
                    .ok());
  };
  StorePaymentMethod();
  mark("cus_nobody");
  EXPECT_TRUE(ProfileOf().has_auto_topup());
  mark("cus_7");
  EXPECT_FALSE(ProfileOf().has_auto_topup());
  const auto kept = db_.InTransaction([](pg::Tx& tx) -> absl::StatusOr<Customer> {
    EXPECT_EQ(KeepCustomer(tx, kTenant, "cus_7").customer_id, "") << "it stays gone";
    EXPECT_EQ(KeepCustomer(tx, kTenant + 1, "cus_7").customer_id, "") << "and the tenant's";
    const Customer next = KeepCustomer(tx, kTenant, "cus_8");
    SavePaymentMethod(tx, kTenant, "pm_8");
    return next;
  });
  ASSERT_TRUE(kept.ok()) << kept.status();
  EXPECT_EQ(kept->customer_id, "cus_8");
  mark("cus_7");
  EXPECT_TRUE(ProfileOf().has_auto_topup()) << "told twice";
}

TEST_F(PaymentServiceTest, ASilentStripeIsGivenUpInTime) {
  stripe_.Do([](const Asked&) { return Reply{.never = true}; });
  const SteadyTime deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(700);
  EXPECT_EQ(Reason(payments_.CreateTopupSession(TopupOf(kDollar), deadline).status()),
            "STRIPE_UNAVAILABLE");
}

TEST_F(PaymentServiceTest, WithoutAKeyNobodyPays) {
  EXPECT_EQ(Reason(unconfigured_.CreateTopupSession(TopupOf(kDollar)).status()),
            "STRIPE_NOT_CONFIGURED");
  v1::CreatePortalSessionRequest portal;
  portal.set_tenant_id(kTenant);
  EXPECT_EQ(Reason(unconfigured_.CreatePortalSession(portal).status()), "STRIPE_NOT_CONFIGURED");
  EXPECT_EQ(Reason(unconfigured_.ReceiveEvent({}).status()), "STRIPE_NOT_CONFIGURED");
}

TEST_F(PaymentServiceTest, ThePortalIsOfTheTenantsCustomer) {
  StorePaymentMethod();
  const auto portal = OpenPortal();
  ASSERT_TRUE(portal.ok()) << portal.status();
  EXPECT_THAT(portal->portal_url(), HasSubstr("https://stripe.example/"));
  const Asked asked = stripe_.asked(kPortals).at(0);
  EXPECT_EQ(asked.form.at("customer"), "cus_7");
  EXPECT_EQ(asked.form.at("return_url"), "https://gate.example/");
  EXPECT_EQ(asked.form.count("flow_data[type]"), 0u);
}

TEST_F(PaymentServiceTest, ThePortalIsOpenAsFarAsStaffAllow) {
  v1::UpdateProfileRequest change = Change();
  change.set_allow_plan_changes(false);
  ASSERT_TRUE(payments_.UpdateProfile(change).ok());
  ASSERT_TRUE(OpenPortal().ok());
  std::map<std::string, std::string> form = stripe_.asked(kPortals).at(0).form;
  EXPECT_EQ(form["flow_data[type]"], "payment_method_update");
  EXPECT_EQ(form["flow_data[after_completion][type]"], "redirect");
  EXPECT_EQ(form["flow_data[after_completion][redirect][return_url]"], "https://gate.example/");
  change.set_allow_portal_access(false);
  ASSERT_TRUE(payments_.UpdateProfile(change).ok());
  const absl::Status refused = OpenPortal().status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(Reason(refused), "PORTAL_NOT_ALLOWED");
  EXPECT_FALSE(ProfileOf().allow_portal_access());
}

TEST_F(PaymentServiceTest, AnUnknownTenantHasTheDefaults) {
  const v1::Profile profile = ProfileOf();
  EXPECT_EQ(profile.plan_tier(), "free");
  EXPECT_EQ(profile.subscription_status(), "");
  EXPECT_FALSE(profile.has_current_period_end());
  EXPECT_TRUE(profile.allow_portal_access());
  EXPECT_TRUE(profile.allow_plan_changes());
  EXPECT_FALSE(profile.has_auto_topup());
}

TEST_F(PaymentServiceTest, TheSubscriptionShownIsTheNewestThatLives) {
  const auto insert = [&](const std::string& id, const std::string& status, int age_days) {
    Execute(absl::StrCat(
        "INSERT INTO billing.subscriptions (subscription_id, tenant_id, status, annual_cents, "
        "current_period_end, stripe_time, stripe_rank, create_time) VALUES ('",
        id, "', 7, '", status, "', 0, to_timestamp(1800000000), now(), 0, now() - interval '",
        age_days, " days')"));
  };
  insert("sub_old", "canceled", 9);
  EXPECT_EQ(ProfileOf().stripe_subscription_id(), "sub_old");
  insert("sub_live", "past_due", 5);
  insert("sub_new", "incomplete_expired", 1);
  const v1::Profile profile = ProfileOf();
  EXPECT_EQ(profile.stripe_subscription_id(), "sub_live");
  EXPECT_EQ(profile.subscription_status(), "past_due");
  EXPECT_EQ(profile.current_period_end().seconds(), 1'800'000'000);
  EXPECT_FALSE(profile.has_current_period_start());
  EXPECT_EQ(ProfileOf(kTenant + 1).stripe_subscription_id(), "");
}

TEST_F(PaymentServiceTest, AutomaticTopupsNeedAStoredMethod) {
  v1::UpdateProfileRequest change = Change();
  change.set_auto_topup_enabled(true);
  EXPECT_EQ(Reason(payments_.UpdateProfile(change).status()), "PAYMENT_METHOD_MISSING");
  EXPECT_EQ(Reason(unconfigured_.UpdateProfile(change).status()), "STRIPE_NOT_CONFIGURED");
  change.set_auto_topup_enabled(false);
  EXPECT_TRUE(payments_.UpdateProfile(change).ok()) << "to switch them off is always possible";
  StorePaymentMethod();
  change.set_auto_topup_enabled(true);
  *change.mutable_auto_topup_threshold() = ToMoney(20 * kDollar);
  const auto changed = payments_.UpdateProfile(change);
  ASSERT_TRUE(changed.ok()) << changed.status();
  EXPECT_TRUE(changed->auto_topup().enabled());
  EXPECT_EQ(changed->auto_topup().threshold().amount_nanos(), 20 * kDollar);
  EXPECT_EQ(changed->auto_topup().amount().amount_nanos(), 50 * kDollar);
  EXPECT_EQ(changed->auto_topup().monthly_cap().amount_nanos(), 200 * kDollar);
  EXPECT_EQ(ProfileOf().SerializeAsString(), changed->SerializeAsString());
  v1::GetProfileRequest get;
  get.set_tenant_id(kTenant);
  EXPECT_FALSE(unconfigured_.GetProfile(get)->has_auto_topup());
}

TEST_F(PaymentServiceTest, TermsThatCannotBeAreRefused) {
  StorePaymentMethod();
  v1::UpdateProfileRequest change = Change();
  *change.mutable_auto_topup_amount() = ToMoney(kDollar + 1);
  EXPECT_EQ(Reason(payments_.UpdateProfile(change).status()), "AMOUNT_OUT_OF_RANGE");
  *change.mutable_auto_topup_amount() = ToMoney(300 * kDollar);
  const absl::Status above_cap = payments_.UpdateProfile(change).status();
  EXPECT_EQ(Reason(above_cap), "AMOUNT_OUT_OF_RANGE") << "no charge would ever pass";
  EXPECT_EQ(FieldViolations(above_cap).count("auto_topup_amount"), 1u);
  *change.mutable_auto_topup_monthly_cap() = ToMoney(600 * kDollar);
  EXPECT_TRUE(payments_.UpdateProfile(change).ok());
  EXPECT_EQ(ProfileOf().auto_topup().amount().amount_nanos(), 300 * kDollar);
}

}  // namespace
}  // namespace gatehouse::billing
