// Stripe's webhook: any bytes in, billing's word out.
#include "services/gateway/gateway_fixture.h"

namespace gatehouse::gateway {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

namespace bill = billing::v1;

constexpr char kWebhook[] = "/api/billing/webhook/";
constexpr char kSignature[] = "t=1800000000,v1=00";

class WebhookRoutesTest : public GatewayTest {
 protected:
  static Headers Signed(const std::string& signature = kSignature) {
    return {{"Stripe-Signature", signature}};
  }
  Answer Tell(const bill::ReceiveEventResponse& response) {
    services_.receive_event.Return(response);
    return Send("POST", kWebhook, "", "{}", Signed());
  }
  Answer TellError(absl::StatusCode code, const std::string& reason) {
    services_.receive_event.Fail(Error(code, reason, "secret words"));
    return Send("POST", kWebhook, "", "{}", Signed());
  }
};

TEST_F(WebhookRoutesTest, TheBytesArriveAsTheyWereSent) {
  std::string bytes = "{\"a\": \xff\xfe} \r\n";
  bytes += '\0';
  bytes += "end";
  for (const char* path : {kWebhook, "/api/billing/webhook"}) {
    EXPECT_EQ(Send("POST", path, "", bytes, Signed()).status, 200);
    EXPECT_EQ(services_.receive_event.last().payload(), bytes);
    EXPECT_EQ(services_.receive_event.last().signature(), kSignature);
  }
  for (const char* type : {"text/plain", "application/json; charset=utf-8", "nonsense"}) {
    EXPECT_EQ(Send("POST", kWebhook, "", bytes,
                   {{"Stripe-Signature", kSignature}, {"Content-Type", type}})
                  .status,
              200)
        << type;
  }
}

TEST_F(WebhookRoutesTest, AnswersSayWhatCameOfTheEvent) {
  bill::ReceiveEventResponse response;
  response.set_status("processed");
  response.set_event_id("evt_1");
  response.set_tenant_id(7);
  response.mutable_amount()->set_amount_nanos(12'340'000'000);
  response.set_ledger_entry_id("l1");
  EXPECT_EQ(Tell(response).body,
            R"({"status":"processed","tenant_id":7,"amount_cents":1234,"ledger_entry_id":"l1"})");
  response.mutable_amount()->set_amount_nanos(-12'340'000'000);
  EXPECT_THAT(Tell(response).body, HasSubstr(R"("amount_cents":-1234)"));
  response.Clear();
  response.set_status("ignored");
  response.set_reason("not_reserve_topup");
  response.set_event_id("evt_2");
  EXPECT_EQ(Tell(response).body, R"({"status":"ignored","reason":"not_reserve_topup"})");
  response.set_status("skipped");
  response.set_reason("already_processed");
  EXPECT_EQ(Tell(response).body,
            R"({"status":"skipped","reason":"already_processed","event_id":"evt_2"})");
}

TEST_F(WebhookRoutesTest, RefusalsAreTheClientsAndFailuresAreOurs) {
  for (const char* reason : {"SIGNATURE_INVALID", "EVENT_MALFORMED"}) {
    const Answer answer = TellError(absl::StatusCode::kInvalidArgument, reason);
    EXPECT_EQ(answer.status, 400);
    EXPECT_THAT(answer.body, HasSubstr(reason));
  }
  const Answer closed = TellError(absl::StatusCode::kUnavailable, "STRIPE_NOT_CONFIGURED");
  EXPECT_EQ(closed.status, 503);
  EXPECT_THAT(closed.body, HasSubstr("STRIPE_NOT_CONFIGURED"));
  const Answer failed = TellError(absl::StatusCode::kInternal, "EVENT_FAILED");
  EXPECT_EQ(failed.status, 500);
  EXPECT_THAT(failed.body, Not(HasSubstr("secret words")));
}

TEST_F(WebhookRoutesTest, ASignatureThatCannotBeRightIsNotPassedOn) {
  services_.receive_event.Fail(
      Error(absl::StatusCode::kInvalidArgument, "SIGNATURE_INVALID", "no"));
  EXPECT_EQ(Send("POST", kWebhook, "", "{}").status, 400);
  EXPECT_EQ(services_.receive_event.last().signature(), "");
  EXPECT_EQ(Send("POST", kWebhook, "", "{}", Signed("t=1,v1=\xff")).status, 400);
  EXPECT_EQ(services_.receive_event.last().signature(), "");
  EXPECT_EQ(Send("POST", kWebhook, "", "{}", {{"Stripe-Signature", "a"}, {"Stripe-Signature", "b"}})
                .status,
            400);
  EXPECT_EQ(services_.receive_event.last().signature(), "");
}

TEST_F(WebhookRoutesTest, WhatIsTooLargeIsRefusedHere) {
  EXPECT_EQ(Send("POST", kWebhook, "", std::string(1 << 20, ' '), Signed()).status, 200);
  EXPECT_EQ(Send("POST", kWebhook, "", std::string((1 << 20) + 1, ' '), Signed()).status, 413);
  EXPECT_EQ(services_.receive_event.calls(), 1u);
}

TEST_F(WebhookRoutesTest, NoCredentialMatters) {
  EXPECT_EQ(Send("POST", kWebhook, "not-a-token", "{}", Signed()).status, 200);
  EXPECT_EQ(Send("POST", kWebhook, "", "{}",
                 {{"Stripe-Signature", kSignature}, {"Cookie", "access_token_cookie=" + user_}})
                .status,
            200);
}

TEST_F(WebhookRoutesTest, OnlyForgersAreLimited) {
  SetHot([](HotConfig& config) {
    config.rate_limit_enabled = true;
    config.anonymous_requests = 5;
  });
  for (int i = 0; i < 20; ++i) {
    ASSERT_EQ(Send("POST", kWebhook, "", "{}", Signed()).status, 200) << i;
  }
  services_.receive_event.Fail(
      Error(absl::StatusCode::kInvalidArgument, "SIGNATURE_INVALID", "no"));
  int tried = 0;
  while (tried < 400 && Send("POST", kWebhook, "", "{}", Signed()).status == 400) ++tried;
  // The bucket refills meanwhile, by five a second.
  EXPECT_GE(tried, 300);
  EXPECT_LT(tried, 400);
  // From the same address: what is signed right is taken.
  services_.receive_event.Return(bill::ReceiveEventResponse());
  EXPECT_EQ(Send("POST", kWebhook, "", "{}", Signed()).status, 200);
}

}  // namespace
}  // namespace gatehouse::gateway
