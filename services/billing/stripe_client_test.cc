#include "services/billing/stripe_client.h"

#include <stdlib.h>

#include <atomic>
#include <string>

#include "gmock/gmock.h"
#include "services/billing/billing_testing.h"
#include "services/billing/fake_stripe.h"
#include "services/billing/stripe_answer.h"
#include "services/billing/stripe_settings.h"

namespace gatehouse::billing {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using Reply = FakeStripe::Reply;

constexpr char kSecretKey[] = "sk_test_4eC39HqLyjWDarjtT1zdp7dc";

FakeStripe::Script Always(const Reply& reply) {
  return [reply](const FakeStripe::Asked&) { return reply; };
}

// One after the other; the last one from then on.
FakeStripe::Script InTurn(std::vector<Reply> replies) {
  return [replies, next = std::size_t{0}](const FakeStripe::Asked&) mutable {
    Reply reply = replies[next];
    if (next + 1 < replies.size()) ++next;
    return reply;
  };
}

class StripeClientTest : public ::testing::Test {
 protected:
  absl::StatusOr<JsonDocument> Post(const StripeCall& call = {}) {
    return client_.Post("/v1/things", {{"amount", "5"}}, "key-1", call);
  }

  FakeStripe stripe_{Always({})};
  StripeClient client_{{.api_base = stripe_.base() + "/", .secret_key = kSecretKey}};
};

TEST_F(StripeClientTest, APostCarriesItsFormItsKeyAndAVersion) {
  stripe_.Do(Always({.body = R"({"id":"th_1","amount":5})"}));
  const auto made = client_.Post(
      "/v1/things", {{"metadata[tenant_id]", "7"}, {"name", "Ärger & Söhne=+%"}}, "key-1");
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(made->Text("id"), "th_1");
  ASSERT_EQ(stripe_.asked().size(), 1u);
  const FakeStripe::Asked asked = stripe_.asked()[0];
  EXPECT_EQ(asked.method, "POST");
  EXPECT_EQ(asked.path, "/v1/things");
  EXPECT_EQ(asked.form.at("metadata[tenant_id]"), "7");
  EXPECT_EQ(asked.form.at("name"), "Ärger & Söhne=+%");
  EXPECT_EQ(asked.key, "key-1");
  EXPECT_EQ(asked.authorization, std::string("Bearer ") + kSecretKey);
  EXPECT_EQ(asked.version, "2024-06-20");
}

TEST_F(StripeClientTest, AGetCarriesItsQuery) {
  ASSERT_TRUE(client_.Get("/v1/things", {{"created[gte]", "5"}}).ok());
  const FakeStripe::Asked asked = stripe_.asked().at(0);
  EXPECT_EQ(asked.method, "GET");
  EXPECT_EQ(asked.path, "/v1/things");
  EXPECT_EQ(asked.form.at("created[gte]"), "5");
  EXPECT_THAT(asked.key, IsEmpty());
}

TEST_F(StripeClientTest, ARefusalTellsItsCodesAndIsNotRepeated) {
  stripe_.Do(Always({.status = 402,
                     .body = StripeErrorText("card_error", "card_declined",
                                             R"(,"decline_code":"insufficient_funds",)"
                                             R"("payment_intent":{"id":"pi_9"})")}));
  const absl::Status status = Post().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Reason(status), "STRIPE_REFUSED");
  EXPECT_EQ(ReasonMetadata(status, "http_status"), "402");
  EXPECT_EQ(ReasonMetadata(status, "code"), "card_declined");
  EXPECT_EQ(ReasonMetadata(status, "decline_code"), "insufficient_funds");
  EXPECT_EQ(ReasonMetadata(status, "payment_intent"), "pi_9");
  EXPECT_THAT(std::string(status.message()), HasSubstr("Stripe's own words."));
  EXPECT_EQ(stripe_.asked().size(), 1u);
}

TEST_F(StripeClientTest, NoErrorShowsTheKey) {
  const std::string body =
      std::string(R"({"error":{"type":"x","message":"Invalid API Key provided: )") + kSecretKey +
      R"("}})";
  for (const int http_status : {401, 403, 500}) {
    stripe_.Do(Always({.status = http_status, .body = body}));
    const absl::Status status = Post().status();
    EXPECT_FALSE(status.ok());
    EXPECT_THAT(status.ToString(), Not(HasSubstr("sk_test")));
  }
}

TEST_F(StripeClientTest, WhatIsUnknownIsAskedAgainUnderTheSameKey) {
  for (const int http_status : {409, 429, 500, 503}) {
    stripe_.Do(InTurn({{.status = http_status}, {.body = R"({"id":"th_1"})"}}));
    const std::size_t before = stripe_.asked().size();
    EXPECT_TRUE(Post().ok()) << http_status;
    const auto asked = stripe_.asked();
    ASSERT_EQ(asked.size(), before + 2) << http_status;
    EXPECT_EQ(asked[before].key, asked[before + 1].key);
  }
}

TEST_F(StripeClientTest, AfterThreeAttemptsItIsUnavailable) {
  stripe_.Do(Always({.status = 500}));
  const absl::Status status = Post().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(Reason(status), "STRIPE_UNAVAILABLE");
  EXPECT_EQ(ReasonMetadata(status, "http_status"), "500");
  EXPECT_EQ(stripe_.asked().size(), 3u);
}

TEST_F(StripeClientTest, StripeMayForbidAnotherAttempt) {
  stripe_.Do(Always({.status = 500, .headers = {{"Stripe-Should-Retry", "false"}}}));
  EXPECT_EQ(Reason(Post().status()), "STRIPE_UNAVAILABLE");
  EXPECT_EQ(stripe_.asked().size(), 1u);
}

TEST_F(StripeClientTest, WhatStripeOnlyRepeatsIsNotAskedForAgain) {
  stripe_.Do(
      InTurn({{.status = 500}, {.status = 500, .headers = {{"Idempotent-Replayed", "true"}}}, {}}));
  EXPECT_TRUE(IsServerError(Post().status()));
  EXPECT_EQ(stripe_.asked().size(), 2u);
}

TEST_F(StripeClientTest, ARedirectIsNotFollowed) {
  stripe_.Do([](const FakeStripe::Asked&) {
    return Reply{.status = 302, .headers = {{"Location", "/elsewhere"}}};
  });
  EXPECT_EQ(Reason(Post().status()), "STRIPE_UNAVAILABLE");
  EXPECT_THAT(stripe_.asked("/elsewhere"), IsEmpty());
}

TEST_F(StripeClientTest, AnAnswerThatIsNoneIsUnknown) {
  for (const std::string& body : {std::string("<html>"), std::string("[]"), std::string(),
                                  "{\"a\":\"" + std::string(1 << 20, 'x') + "\"}"}) {
    stripe_.Do(Always({.body = body, .headers = {{"Stripe-Should-Retry", "false"}}}));
    EXPECT_EQ(Reason(Post().status()), "STRIPE_UNAVAILABLE") << body.size();
  }
}

TEST_F(StripeClientTest, TheDeadlineEndsACall) {
  stripe_.Do(Always({.never = true}));
  StripeCall call;
  call.deadline = std::chrono::steady_clock::now() + milliseconds(100);
  EXPECT_EQ(Reason(Post(call).status()), "STRIPE_UNAVAILABLE");
  EXPECT_EQ(Reason(Post(call).status()), "STRIPE_UNAVAILABLE") << "nothing is begun any more";
  EXPECT_LE(stripe_.asked().size(), 1u);
}

TEST_F(StripeClientTest, ACancelledCallEndsBeforeItsTime) {
  std::atomic<bool> is_cancelled = false;
  stripe_.Do([&](const FakeStripe::Asked&) {
    is_cancelled = true;
    return Reply{.never = true};
  });
  StripeCall call;
  call.is_cancelled = [&] { return is_cancelled.load(); };
  EXPECT_EQ(Reason(Post(call).status()), "STRIPE_UNAVAILABLE");
  EXPECT_EQ(stripe_.asked().size(), 1u);
}

TEST_F(StripeClientTest, WhereNobodyListensItIsUnavailable) {
  auto gone = std::make_unique<FakeStripe>(Always({}));
  StripeClient client({.api_base = gone->base(), .secret_key = kSecretKey});
  ASSERT_TRUE(client.Get("/v1/things").ok());
  gone.reset();
  EXPECT_EQ(Reason(client.Get("/v1/things").status()), "STRIPE_UNAVAILABLE");
}

TEST_F(StripeClientTest, ManyThreadsCallAtOnce) {
  stripe_.Do([](const FakeStripe::Asked& asked) {
    return Reply{.body = R"({"id":")" + asked.form.at("n") + R"("})"};
  });
  Together(16, [&](int i) {
    const std::string n = std::to_string(i);
    for (int round = 0; round < 5; ++round) {
      const auto answer = client_.Post("/v1/things", {{"n", n}}, n);
      ASSERT_TRUE(answer.ok()) << answer.status();
      EXPECT_EQ(answer->Text("id"), n);
    }
  });
}

TEST(StripeBaseTest, TheKeyNeverLeavesInClear) {
  for (const char* good : {"https://api.stripe.com", "https://api.stripe.com/",
                           "http://127.0.0.1:12111", "http://localhost:8080", "http://[::1]:5"}) {
    EXPECT_EQ(CheckStripeBase(good), "") << good;
  }
  for (const char* bad :
       {"http://api.stripe.com", "http://127.0.0.1.evil.example", "http://127.0.0.1@evil.example",
        "http://localhost.evil.example", "ftp://127.0.0.1", "api.stripe.com", "https://",
        "https://a.example/v1", "https://a.example?x", "https://user@a.example", "https://a b"}) {
    EXPECT_NE(CheckStripeBase(bad), "") << bad;
  }
}

class StripeSettingsTest : public ::testing::Test {
 protected:
  void TearDown() override {
    for (const config::Setting& setting : StripeSettings()) ::unsetenv(setting.name.c_str());
  }
  static void Set(const char* name, const char* value) { ::setenv(name, value, 1); }
};

TEST_F(StripeSettingsTest, NothingIsConfiguredByDefault) {
  const auto settings = config::Settings::Load(StripeSettings());
  ASSERT_TRUE(settings.ok()) << settings.status();
  EXPECT_EQ(MakeStripeClient(*settings), nullptr);
  EXPECT_THAT(WebhookSecrets(*settings), IsEmpty());
  EXPECT_EQ(settings->Text("PUBLIC_URL"), "http://127.0.0.1:8000");
}

TEST_F(StripeSettingsTest, SeveralSecretsMaySign) {
  Set("STRIPE_SECRET_KEY", kSecretKey);
  Set("STRIPE_WEBHOOK_SECRET", " whsec_new , whsec_old,");
  const auto settings = config::Settings::Load(StripeSettings());
  ASSERT_TRUE(settings.ok()) << settings.status();
  EXPECT_NE(MakeStripeClient(*settings), nullptr);
  EXPECT_THAT(WebhookSecrets(*settings), ::testing::ElementsAre("whsec_new", "whsec_old"));
}

TEST_F(StripeSettingsTest, WhatCannotBeIsRefusedAtTheStartWithoutTheKey) {
  Set("STRIPE_API_BASE", "http://api.stripe.com");
  Set("STRIPE_SECRET_KEY", "sk_test_1\r\nX-Evil: 1");
  Set("PUBLIC_URL", "javascript:alert(1)");
  const absl::Status refused = config::Settings::Load(StripeSettings()).status();
  for (const char* name : {"STRIPE_API_BASE", "STRIPE_SECRET_KEY", "PUBLIC_URL"}) {
    EXPECT_THAT(std::string(refused.message()), HasSubstr(name));
  }
  EXPECT_THAT(std::string(refused.message()), Not(HasSubstr("sk_test")));
}

}  // namespace
}  // namespace gatehouse::billing
