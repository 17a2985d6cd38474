#include "services/billing/stripe_testing.h"

#include "absl/strings/str_cat.h"
#include "libs/base/secret.h"
#include "services/billing/money.h"

namespace gatehouse::billing {
namespace {

constexpr std::int64_t kNowSeconds = 1'800'000'000;

}  // namespace

std::string SignatureOf(const std::string& payload, std::int64_t seconds,
                        const std::string& secret) {
  return absl::StrCat("t=", seconds,
                      ",v1=", HexEncode(HmacSha256(secret, absl::StrCat(seconds, ".", payload))));
}

std::string EventText(const std::string& id, const std::string& type,
                      const std::string& object_json, const std::string& previous_json,
                      std::int64_t seconds) {
  return absl::StrCat(R"({"id":")", id, R"(","object":"event","type":")", type, R"(","created":)",
                      seconds, R"(,"data":{"object":)", object_json, R"(,"previous_attributes":)",
                      previous_json, "}}");
}

std::string SessionText::ToJson() const {
  return absl::StrCat(R"({"id":")", id, R"(","object":"checkout.session","payment_intent":)",
                      payment_intent, R"(,"payment_status":")", payment_status, R"(","currency":")",
                      currency, R"(","amount_total":)", amount_total, R"(,"customer":)", customer,
                      R"(,"metadata":{"purpose":")", purpose, R"(","tenant_id":")", tenant,
                      R"(","amount_cents":"99999999"}})");
}

std::string IntentText::ToJson() const {
  return absl::StrCat(R"({"id":")", id,
                      R"(","object":"payment_intent","amount":1234,"amount_received":)", kPaidCents,
                      R"(,"currency":")", currency, R"(","customer":")", customer,
                      R"(","payment_method":"pm_1","metadata":)", metadata,
                      R"(,"last_payment_error":{"code":"card_declined","decline_code":)",
                      R"("insufficient_funds"}})");
}

std::string ChargeJson(std::int64_t refunded_cents, const std::string& payment_intent,
                       const std::string& metadata) {
  return absl::StrCat(R"({"id":"ch_1","object":"charge","payment_intent":")", payment_intent,
                      R"(","currency":"usd","amount":1234,"amount_refunded":)", refunded_cents,
                      R"(,"metadata":)", metadata, "}");
}

std::string RefundJson(const std::string& id, std::int64_t cents, const std::string& status) {
  return absl::StrCat(R"({"id":")", id, R"(","object":"refund","charge":"ch_1","amount":)", cents,
                      R"(,"currency":"usd","payment_intent":"pi_1","metadata":{},"status":")",
                      status, R"("})");
}

std::string DisputeJson(const std::string& id, std::int64_t cents,
                        const std::string& payment_intent) {
  return absl::StrCat(R"({"id":")", id, R"(","object":"dispute","charge":"ch_1","amount":)", cents,
                      R"(,"currency":"usd","payment_intent":")", payment_intent, R"("})");
}

StripeTest::StripeTest()
    : clock_(Time(std::chrono::seconds(kNowSeconds))), inbox_(db_, {kWebhookSecret}, clock_) {
  Execute("INSERT INTO billing.stripe_customers (tenant_id, customer_id) VALUES (7, 'cus_7')");
}

absl::StatusOr<v1::ReceiveEventResponse> StripeTest::Post(const std::string& payload) {
  v1::ReceiveEventRequest request;
  request.set_payload(payload);
  request.set_signature(SignatureOf(payload, kNowSeconds));
  return inbox_.Receive(request);
}

absl::StatusOr<v1::ReceiveEventResponse> StripeTest::Tell(const std::string& type,
                                                          const std::string& object_json,
                                                          const std::string& previous_json) {
  return Post(EventText(absl::StrCat("evt_told_", ++events_), type, object_json, previous_json));
}

std::string StripeTest::ToldOf(std::int64_t seconds, const std::string& type,
                               const std::string& object_json, const std::string& previous_json) {
  return Word(Post(EventText(absl::StrCat("evt_told_", ++events_), type, object_json, previous_json,
                             kEventSeconds + seconds)));
}

std::string StripeTest::Word(const absl::StatusOr<v1::ReceiveEventResponse>& response) {
  if (!response.ok()) return "!" + Reason(response.status());
  std::string word = response->status();
  if (!response->reason().empty()) word += " " + response->reason();
  if (response->has_amount()) {
    word += absl::StrCat(" ", FloorCents(response->amount().amount_nanos()));
  }
  return word;
}

std::int64_t StripeTest::BalanceNanos(std::int64_t tenant_id) {
  return AccountOf(tenant_id).settled().amount_nanos();
}

std::string StripeTest::Value(const std::string& sql) {
  const auto value = db_.Read([&](pg::Tx& tx) -> absl::StatusOr<std::string> {
    const pqxx::result rows = tx.exec(sql);
    return rows.empty() ? "" : pg::Optional<std::string>(rows[0][0]).value_or("");
  });
  EXPECT_TRUE(value.ok()) << value.status();
  return value.value_or("");
}

std::string StripeTest::Kept(const std::string& event_id) {
  return Value(
      "SELECT concat_ws(' ', state, attempts, nullif(error, '')) "
      "FROM billing.stripe_events WHERE event_id = '" +
      event_id + "'");
}

void StripeTest::Refuse(std::int64_t tenant_id, bool does) {
  Execute("ALTER TABLE billing.accounts DROP CONSTRAINT IF EXISTS accounts_test_check");
  if (!does) return;
  Execute(absl::StrCat("ALTER TABLE billing.accounts ADD CONSTRAINT accounts_test_check ",
                       "CHECK (tenant_id <> ", tenant_id, ") NOT VALID"));
}

}  // namespace gatehouse::billing
