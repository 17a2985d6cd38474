// Sessions and payments: who is credited, with what, and what is kept for later.
#include "absl/strings/str_cat.h"
#include "services/billing/customer_store.h"
#include "services/billing/payment_store.h"
#include "services/billing/stripe_testing.h"

namespace gatehouse::billing {
namespace {

constexpr char kCompleted[] = "checkout.session.completed";
constexpr char kAsyncPaid[] = "checkout.session.async_payment_succeeded";
constexpr char kAsyncFailed[] = "checkout.session.async_payment_failed";
constexpr char kIntentPaid[] = "payment_intent.succeeded";
constexpr char kIntentFailed[] = "payment_intent.payment_failed";
constexpr char kSaving[] =
    R"({"purpose":"reserve_topup","tenant_id":"7","save_payment_method":"true"})";
constexpr char kTopupId[] = "0190c0de-0000-7000-8000-00000000000a";

class PaymentEventsTest : public StripeTest {
 protected:
  static std::string AutoMetadata() {
    return absl::StrCat(R"({"purpose":"auto_topup","tenant_id":"7","auto_topup_id":")", kTopupId,
                        R"("})");
  }
  void AddAutoTopup() {
    Execute(absl::StrCat("INSERT INTO billing.auto_topups (id, tenant_id, amount_nanos, state) ",
                         "VALUES ('", kTopupId, "', 7, 12340000000, 'pending')"));
  }
  std::string AutoTopup() {
    return Value(
        "SELECT concat_ws(' ', state, payment_intent_id, nullif(failure, '')) "
        "FROM billing.auto_topups");
  }
  std::string Method() {
    return Value(
        "SELECT concat_ws(' ', customer_id, payment_method_id) "
        "FROM billing.stripe_customers WHERE tenant_id = 7");
  }
};

TEST_F(PaymentEventsTest, SessionAndIntentOfOnePaymentAreOneCreditInEitherOrder) {
  EXPECT_EQ(Told(kIntentPaid, IntentText().ToJson()), "deferred credited_by_session");
  EXPECT_EQ(BalanceNanos(), 0);
  EXPECT_EQ(Told(kCompleted, SessionText().ToJson()), "processed 1234");
  EXPECT_EQ(Told(kIntentPaid, IntentText().ToJson()), "deferred credited_by_session");
  EXPECT_EQ(BalanceNanos(), kPaidNanos) << "what was paid, not what the metadata says";
  ExpectBooksRight();
}

TEST_F(PaymentEventsTest, AnUnpaidSessionIsCreditedWhenThePaymentComesThrough) {
  EXPECT_EQ(Told(kCompleted, SessionText{.payment_status = "unpaid"}.ToJson()),
            "deferred not_paid");
  EXPECT_EQ(BalanceNanos(), 0);
  EXPECT_EQ(Told(kAsyncPaid, SessionText().ToJson()), "processed 1234");
  EXPECT_EQ(Told(kAsyncPaid, SessionText().ToJson()), "ignored already_credited");
  EXPECT_EQ(BalanceNanos(), kPaidNanos);
}

TEST_F(PaymentEventsTest, AnUnpaidSessionThatFailsIsNeverCredited) {
  const std::string unpaid = SessionText{.payment_status = "unpaid"}.ToJson();
  EXPECT_EQ(Told(kCompleted, unpaid), "deferred not_paid");
  EXPECT_EQ(Told(kAsyncFailed, unpaid), "ignored payment_failed");
  EXPECT_EQ(Told("checkout.session.expired", unpaid), "ignored session_expired");
  EXPECT_EQ(BalanceNanos(), 0);
}

TEST_F(PaymentEventsTest, OnlyDollarsForAReserveAreCredited) {
  EXPECT_EQ(Told(kCompleted, SessionText{.currency = "eur"}.ToJson()),
            "ignored currency_not_supported");
  EXPECT_EQ(Told(kCompleted, SessionText{.purpose = "shoes"}.ToJson()),
            "ignored not_reserve_topup");
  for (const char* tenant : {"", "0", "-7", "seven", "7x", "99999999999999999999"}) {
    EXPECT_EQ(Told(kCompleted, SessionText{.tenant = tenant}.ToJson()), "ignored not_reserve_topup")
        << tenant;
  }
  EXPECT_EQ(Told(kIntentPaid, IntentText{.metadata = "{}"}.ToJson()), "ignored not_reserve_topup");
  EXPECT_EQ(Told(kCompleted, "{}"), "ignored not_reserve_topup");
  EXPECT_EQ(BalanceNanos(), 0);
  EXPECT_EQ(Value("SELECT count(*) FROM billing.stripe_payments"), "0");
}

TEST_F(PaymentEventsTest, AnAmountThatCannotBeFailsAndIsKept) {
  for (const char* amount : {"0", "-1", "12.5", "1e3", "100000001", "\"1234\"", "null"}) {
    EXPECT_EQ(Told(kCompleted, SessionText{.amount_total = amount}.ToJson()), "!EVENT_FAILED")
        << amount;
  }
  EXPECT_EQ(Value("SELECT count(*) FROM billing.stripe_events WHERE state = 'failed' "
                  "AND error LIKE 'EVENT_MALFORMED: %'"),
            "7");
  EXPECT_EQ(BalanceNanos(), 0);
  EXPECT_EQ(Told(kCompleted, SessionText{.amount_total = "100000000"}.ToJson()),
            "processed 100000000");
}

TEST_F(PaymentEventsTest, APaymentBelongsToWhoeverWasCreditedFirst) {
  EXPECT_EQ(Told(kCompleted, SessionText().ToJson()), "processed 1234");
  EXPECT_EQ(Told(kCompleted, SessionText{.tenant = "8", .customer = "null"}.ToJson()),
            "ignored already_credited");
  EXPECT_EQ(BalanceNanos(), kPaidNanos);
  EXPECT_EQ(BalanceNanos(8), 0);
  ExpectBooksRight();
}

TEST_F(PaymentEventsTest, ASessionWithoutAPaymentIntentIsItsOwnKey) {
  const std::string alone = SessionText{.payment_intent = "null"}.ToJson();
  EXPECT_EQ(Told(kCompleted, alone), "processed 1234");
  EXPECT_EQ(Told(kAsyncPaid, alone), "ignored already_credited");
  const std::string written_out =
      SessionText{.id = "cs_2", .payment_intent = R"({"id":"pi_2"})"}.ToJson();
  EXPECT_EQ(Told(kCompleted, written_out), "processed 1234");
  EXPECT_EQ(Value("SELECT string_agg(payment_intent_id, ' ' ORDER BY payment_intent_id) "
                  "FROM billing.stripe_payments"),
            "cs_1 pi_2");
}

TEST_F(PaymentEventsTest, TheTenantIsToldOfItsMoney) {
  EXPECT_EQ(Told(kCompleted, SessionText().ToJson()), "processed 1234");
  EXPECT_EQ(Value("SELECT concat_ws(' ', tenant_id, type, subject, data->>'kind', "
                  "data->>'amount_cents', data->>'balance_cents') FROM billing.events"),
            "7 system.notification account/7 topup 1234 1234");
}

TEST_F(PaymentEventsTest, ThePaymentMethodIsKeptOnlyWhenThatWasAskedFor) {
  EXPECT_EQ(Told(kIntentPaid, IntentText().ToJson()), "deferred credited_by_session");
  EXPECT_EQ(Method(), "cus_7");
  EXPECT_EQ(Told(kIntentPaid, IntentText{.metadata = kSaving}.ToJson()),
            "deferred credited_by_session");
  EXPECT_EQ(Method(), "cus_7 pm_1");
  EXPECT_EQ(Told("payment_method.detached", R"({"id":"pm_0","customer":null})",
                 R"({"customer":"cus_7"})"),
            "ignored payment_method_not_used");
  EXPECT_EQ(Method(), "cus_7 pm_1");
  EXPECT_EQ(Told("payment_method.detached", R"({"id":"pm_1","customer":null})",
                 R"({"customer":"cus_7"})"),
            "processed");
  EXPECT_EQ(Method(), "cus_7");
}

// Tenants of another installation on the same Stripe account have the same numbers.
TEST_F(PaymentEventsTest, WhatAnotherCustomerPaidIsNotCredited) {
  Execute("INSERT INTO billing.stripe_customers (tenant_id, customer_id) VALUES (8, 'cus_8')");
  for (const char* customer : {"cus_8", "cus_nobody"}) {
    const std::string json = absl::StrCat("\"", customer, "\"");
    EXPECT_EQ(Told(kCompleted, SessionText{.customer = json}.ToJson()),
              "ignored customer_not_found");
    EXPECT_EQ(Told(kIntentPaid, IntentText{.metadata = kSaving, .customer = customer}.ToJson()),
              "ignored customer_not_found");
    EXPECT_EQ(
        Told(kIntentPaid, IntentText{.metadata = AutoMetadata(), .customer = customer}.ToJson()),
        "ignored customer_not_found");
  }
  EXPECT_EQ(Told(kCompleted, SessionText{.tenant = "9"}.ToJson()), "ignored customer_not_found");
  EXPECT_EQ(Method(), "cus_7");
  EXPECT_EQ(BalanceNanos(), 0);
  EXPECT_EQ(Told(kCompleted, SessionText{.customer = "null"}.ToJson()), "processed 1234");
}

TEST_F(PaymentEventsTest, ACustomerThatIsDeletedIsChargedNoMoreButMayHavePaid) {
  Told(kIntentPaid, IntentText{.metadata = kSaving}.ToJson());
  Execute("UPDATE billing.accounts SET auto_topup_enabled = true WHERE tenant_id = 7");
  EXPECT_EQ(Told("customer.deleted", R"({"id":"cus_8"})"), "ignored customer_not_found");
  EXPECT_EQ(Told("customer.deleted", R"({"id":"cus_7"})"), "processed");
  EXPECT_EQ(Value("SELECT gone_time IS NOT NULL AND payment_method_id IS NULL "
                  "FROM billing.stripe_customers"),
            "t");
  EXPECT_EQ(Value("SELECT auto_topup_enabled FROM billing.accounts WHERE tenant_id = 7"), "f");
  EXPECT_EQ(Told(kIntentPaid, IntentText{.metadata = kSaving}.ToJson()),
            "deferred credited_by_session");
  EXPECT_EQ(Method(), "cus_7") << "its payment method went with it";
  EXPECT_EQ(Told(kCompleted, SessionText().ToJson()), "processed 1234");
}

TEST_F(PaymentEventsTest, TheNewestPaymentMethodIsKeptWhenAnOlderOneIsToldLate) {
  const std::string saved = IntentText{.metadata = kSaving}.ToJson();
  const auto method = [](const char* id) {
    return absl::StrCat(R"({"id":"cus_7","invoice_settings":{"default_payment_method":")", id,
                        R"("}})");
  };
  constexpr char kUpdated[] = "customer.updated";
  constexpr char kChanged[] = R"({"invoice_settings":{"default_payment_method":null}})";
  EXPECT_EQ(ToldOf(5, kUpdated, method("pm_portal"), kChanged), "ignored payment_method_not_used")
      << "none was kept, so none is charged";
  EXPECT_EQ(ToldOf(0, kIntentPaid, saved), "deferred credited_by_session");
  EXPECT_EQ(ToldOf(9, kUpdated, method("pm_portal"), R"({"name":"Bea"})"),
            "ignored payment_method_not_used");
  EXPECT_EQ(Method(), "cus_7 pm_1");
  EXPECT_EQ(ToldOf(5, kUpdated, method("pm_portal"), kChanged), "processed");
  EXPECT_EQ(ToldOf(3, kUpdated, method("pm_older"), kChanged), "ignored stale");
  EXPECT_EQ(ToldOf(4, kIntentPaid, saved), "deferred credited_by_session");
  EXPECT_EQ(Method(), "cus_7 pm_portal");
  EXPECT_EQ(ToldOf(6, "payment_method.detached", R"({"id":"pm_portal","customer":null})",
                   R"({"customer":"cus_7"})"),
            "processed");
  EXPECT_EQ(ToldOf(4, kIntentPaid, saved), "deferred credited_by_session");
  EXPECT_EQ(Method(), "cus_7");
  EXPECT_EQ(ToldOf(7, kIntentPaid, saved), "deferred credited_by_session");
  EXPECT_EQ(Method(), "cus_7 pm_1");
}

TEST_F(PaymentEventsTest, AnAutomaticTopupIsCreditedByItsPayment) {
  AddAutoTopup();
  EXPECT_EQ(Told(kIntentPaid, IntentText{.metadata = AutoMetadata()}.ToJson()), "processed 1234");
  EXPECT_EQ(AutoTopup(), "charged pi_1");
  EXPECT_EQ(Value("SELECT entry_type FROM billing.ledger_entries"), "auto_topup");
  EXPECT_EQ(Told(kIntentFailed, IntentText{.metadata = AutoMetadata()}.ToJson()),
            "ignored payment_failed")
      << "told late";
  EXPECT_EQ(AutoTopup(), "charged pi_1");
  EXPECT_EQ(BalanceNanos(), kPaidNanos);
}

TEST_F(PaymentEventsTest, AnAutomaticTopupThatTheAnswerToldOfIsNotCreditedAgain) {
  const auto credited = db_.InTransaction([&](pg::Tx& tx) {
    return CreditPayment(tx, {.payment_intent_id = "pi_1",
                              .tenant_id = kTenant,
                              .amount_nanos = kPaidNanos,
                              .entry_type = "auto_topup",
                              .notes = "automatic top-up"});
  });
  ASSERT_TRUE(credited.ok()) << credited.status();
  EXPECT_TRUE(credited->has_value());
  EXPECT_EQ(Told(kIntentPaid, IntentText{.metadata = AutoMetadata()}.ToJson()),
            "ignored already_credited");
  EXPECT_EQ(BalanceNanos(), kPaidNanos);
  ExpectBooksRight();
}

TEST_F(PaymentEventsTest, AnAutomaticTopupThatFailsIsToldOnce) {
  AddAutoTopup();
  const std::string failed = IntentText{.metadata = AutoMetadata()}.ToJson();
  EXPECT_EQ(Told(kIntentFailed, failed), "processed");
  EXPECT_EQ(AutoTopup(), "failed pi_1 insufficient_funds");
  EXPECT_EQ(Told(kIntentFailed, failed), "ignored payment_failed");
  EXPECT_EQ(Value("SELECT count(*) || ' ' || max(kind) FROM billing.notices"),
            "1 auto_topup_failed");
  EXPECT_EQ(Told(kIntentFailed, IntentText().ToJson()), "ignored payment_failed");
  EXPECT_EQ(BalanceNanos(), 0);
  EXPECT_EQ(Told(kIntentPaid, failed), "processed 1234") << "the bank has thought again";
  EXPECT_EQ(AutoTopup(), "charged pi_1");
}

TEST_F(PaymentEventsTest, AFinalDeclineOrTooManyEndAutomaticTopups) {
  const auto enabled = [&] {
    return Value("SELECT auto_topup_enabled FROM billing.accounts WHERE tenant_id = 7");
  };
  std::string declined = IntentText{.metadata = AutoMetadata()}.ToJson();
  const std::size_t at = declined.find("insufficient_funds");
  const std::string stolen = std::string(declined).replace(at, 18, "stolen_card");
  Credit(kTenant, 1);
  AddAutoTopup();
  Execute("UPDATE billing.accounts SET auto_topup_enabled = true, auto_topup_since = '2020-01-01'");
  EXPECT_EQ(Told(kIntentFailed, declined), "processed");
  EXPECT_EQ(enabled(), "t") << "it may be tried again";
  Execute("UPDATE billing.auto_topups SET state = 'pending'");
  EXPECT_EQ(Told(kIntentFailed, stolen), "processed");
  EXPECT_EQ(enabled(), "f");
  EXPECT_EQ(Value("SELECT data->>'kind' FROM billing.events WHERE type = 'system.alert'"),
            "auto_topup_failed");
  Execute("UPDATE billing.accounts SET auto_topup_enabled = true");
  EXPECT_EQ(Told(kIntentFailed, stolen), "ignored payment_failed") << "of before";
  EXPECT_EQ(enabled(), "t");
  Execute(
      "UPDATE billing.auto_topups SET state = 'pending'; INSERT INTO billing.auto_topups "
      "(id, tenant_id, amount_nanos, state) SELECT gen_random_uuid(), 7, 1, 'failed' "
      "FROM generate_series(1, 7)");
  EXPECT_EQ(Told(kIntentFailed, declined), "processed");
  EXPECT_EQ(enabled(), "f") << "the eighth in a row";
}

}  // namespace
}  // namespace gatehouse::billing
