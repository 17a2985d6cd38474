// Stripe's side of the webhook for tests: events as Stripe writes and signs them, posted
// to an inbox on the real database. Never part of the program.
#pragma once

#include <cstdint>
#include <string>

#include "libs/base/clock.h"
#include "services/billing/billing_testing.h"
#include "services/billing/event_inbox.h"

namespace gatehouse::billing {

inline constexpr char kWebhookSecret[] = "whsec_test";
// 12.34 dollars, as Stripe counts them and as the ledger does.
inline constexpr std::int64_t kPaidCents = 1234;
inline constexpr std::int64_t kPaidNanos = 12'340'000'000;

// The header Stripe-Signature.
std::string SignatureOf(const std::string& payload, std::int64_t seconds,
                        const std::string& secret = kWebhookSecret);

// When events are made, unless a test says otherwise.
inline constexpr std::int64_t kEventSeconds = 1'799'999'990;

// An event; `object_json` is what it is about.
std::string EventText(const std::string& id, const std::string& type,
                      const std::string& object_json, const std::string& previous_json = "{}",
                      std::int64_t seconds = kEventSeconds);

// A paid session of tenant 7 and its customer cus_7 over kPaidCents; with what is named otherwise.
struct SessionText {
  std::string id = "cs_1";
  std::string payment_intent = R"("pi_1")";  // JSON.
  std::string payment_status = "paid";
  std::string currency = "usd";
  std::string amount_total = "1234";
  std::string purpose = "reserve_topup";
  std::string tenant = "7";
  std::string customer = R"("cus_7")";  // JSON.
  std::string ToJson() const;
};
struct IntentText {
  std::string id = "pi_1";
  std::string metadata = R"({"purpose":"reserve_topup","tenant_id":"7"})";
  std::string currency = "usd";
  std::string customer = "cus_7";
  std::string ToJson() const;  // Received: kPaidCents; method "pm_1".
};
std::string ChargeJson(std::int64_t refunded_cents, const std::string& payment_intent = "pi_1",
                       const std::string& metadata = "{}");
std::string RefundJson(const std::string& id, std::int64_t cents, const std::string& status);
std::string DisputeJson(const std::string& id, std::int64_t cents,
                        const std::string& payment_intent = "pi_1");

// Tenant 7 is the customer cus_7 of Stripe.
class StripeTest : public BillingTest {
 protected:
  static constexpr std::int64_t kTenant = 7;

  StripeTest();

  // Posts it, signed now. The second makes an event of it first, with an id of its own.
  absl::StatusOr<v1::ReceiveEventResponse> Post(const std::string& payload);
  absl::StatusOr<v1::ReceiveEventResponse> Tell(const std::string& type,
                                                const std::string& object_json,
                                                const std::string& previous_json = "{}");

  // "processed 1234", "ignored not_paid", "skipped already_processed", "!EVENT_FAILED":
  // status, reason and amount in cents, or the reason of the error.
  static std::string Word(const absl::StatusOr<v1::ReceiveEventResponse>& response);
  std::string Told(const std::string& type, const std::string& object_json,
                   const std::string& previous_json = "{}") {
    return Word(Tell(type, object_json, previous_json));
  }
  // The same of an event that was made `seconds` later than the others.
  std::string ToldOf(std::int64_t seconds, const std::string& type, const std::string& object_json,
                     const std::string& previous_json = "{}");

  std::int64_t BalanceNanos(std::int64_t tenant_id = kTenant);
  // The value of one row and column, as text.
  std::string Value(const std::string& sql);
  // "state attempts error" of an event; empty when it is not kept.
  std::string Kept(const std::string& event_id);
  // Whether account `tenant_id` refuses bookings, for the database.
  void Refuse(std::int64_t tenant_id, bool does);

  FakeClock clock_;
  EventInbox inbox_;

 private:
  int events_ = 0;
};

}  // namespace gatehouse::billing
