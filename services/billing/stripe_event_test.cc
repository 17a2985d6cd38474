#include "services/billing/stripe_event.h"

#include <limits>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "libs/base/secret.h"

namespace gatehouse::billing {
namespace {

constexpr std::int64_t kNowSeconds = 1'800'000'000;
constexpr char kPayload[] = R"({"id":"evt_1","type":"ping","data":{"object":{}}})";

Time Now() { return Time(std::chrono::seconds(kNowSeconds)); }

std::string V1(std::int64_t seconds, const std::string& secret,
               const std::string& payload = kPayload) {
  return HexEncode(HmacSha256(secret, absl::StrCat(seconds, ".", payload)));
}

std::string Header(std::int64_t seconds, const std::string& secret) {
  return absl::StrCat("t=", seconds, ",v1=", V1(seconds, secret));
}

bool Right(const std::string& header, const std::vector<std::string>& secrets = {"whsec_a"},
           const std::string& payload = kPayload, Time now = Now()) {
  const absl::Status status = CheckSignature(payload, header, secrets, now);
  EXPECT_EQ(Reason(status), status.ok() ? "" : "SIGNATURE_INVALID");
  return status.ok();
}

TEST(CheckSignature, TakesWhatTheSecretSigned) {
  EXPECT_TRUE(Right(Header(kNowSeconds, "whsec_a")));
  EXPECT_FALSE(Right(Header(kNowSeconds, "whsec_b")));
  EXPECT_FALSE(Right(Header(kNowSeconds, "whsec_a"), {"whsec_a"}, std::string(kPayload) + " "));
}

// Computed outside this project: openssl dgst -sha256 -hmac whsec_a over
// "1800000000.{}".
TEST(CheckSignature, AgreesWithAnotherImplementation) {
  EXPECT_TRUE(
      Right("t=1800000000,v1=f66ebcd4d4dfd6f204ad83d004ebfc0312e82e8dfe7df5110714cbc58099a9c8",
            {"whsec_a"}, "{}"));
}

TEST(CheckSignature, TakesEitherSecretWhileTheyAreChanged) {
  EXPECT_TRUE(Right(Header(kNowSeconds, "whsec_b"), {"whsec_a", "whsec_b"}));
  EXPECT_TRUE(Right(Header(kNowSeconds, "whsec_a"), {"whsec_a", "whsec_b"}));
  EXPECT_FALSE(Right(Header(kNowSeconds, ""), {""})) << "anyone can sign with no secret";
  EXPECT_FALSE(Right(Header(kNowSeconds, "whsec_a"), {}));
}

TEST(CheckSignature, TakesOneRightSignatureAmongSeveral) {
  const std::string right = V1(kNowSeconds, "whsec_a");
  const std::string wrong(64, '0');
  EXPECT_TRUE(Right(absl::StrCat("t=", kNowSeconds, ",v1=", wrong, ",v1=", right)));
  EXPECT_TRUE(Right(absl::StrCat("v1=", right, ",v0=", wrong, ",t=", kNowSeconds)));
  EXPECT_FALSE(Right(absl::StrCat("t=", kNowSeconds, ",v1=", wrong, ",v1=", wrong)));
}

TEST(CheckSignature, RefusesOtherSchemes) {
  EXPECT_FALSE(Right(absl::StrCat("t=", kNowSeconds, ",v0=", V1(kNowSeconds, "whsec_a"))));
}

TEST(CheckSignature, RefusesWhatIsOlderOrYoungerThanFiveMinutes) {
  EXPECT_TRUE(Right(Header(kNowSeconds - 300, "whsec_a")));
  EXPECT_TRUE(Right(Header(kNowSeconds + 300, "whsec_a")));
  EXPECT_FALSE(Right(Header(kNowSeconds - 301, "whsec_a")));
  EXPECT_FALSE(Right(Header(kNowSeconds + 301, "whsec_a")));
  EXPECT_TRUE(Right(Header(kNowSeconds - 300, "whsec_a"), {"whsec_a"}, kPayload,
                    Now() + std::chrono::milliseconds(999)))
      << "only whole seconds count";
}

TEST(CheckSignature, RefusesMalformedHeaders) {
  const std::string v1 = V1(kNowSeconds, "whsec_a");
  for (const std::string& header :
       {std::string(), std::string("nonsense"), absl::StrCat("v1=", v1), std::string("t=,v1="),
        absl::StrCat("t=", kNowSeconds), absl::StrCat("t=+", kNowSeconds, ",v1=", v1),
        absl::StrCat("t=", kNowSeconds, ",t=", kNowSeconds, ",v1=", v1),
        absl::StrCat("t=", kNowSeconds, ",v1=", v1, ","),
        absl::StrCat("t=", kNowSeconds, ";v1=", v1), absl::StrCat("t=99999999999999999999,v1=", v1),
        absl::StrCat("t=-1,v1=", v1), absl::StrCat("t=", kNowSeconds, ",v1=", v1, "0")}) {
    EXPECT_FALSE(Right(header)) << header;
  }
}

TEST(ParseStripeEvent, ReadsTheParts) {
  const absl::StatusOr<StripeEvent> event =
      ParseStripeEvent(R"({"id":"evt_1","type":"charge.refunded","created":1800000000,)"
                       R"("data":{"object":{"id":"ch_1","amount":500}}})");
  ASSERT_TRUE(event.ok()) << event.status();
  EXPECT_EQ(event->id, "evt_1");
  EXPECT_EQ(event->type, "charge.refunded");
  EXPECT_EQ(event->create_time, Now());
  EXPECT_EQ(event->document.Int("data.object.amount"), 500);
}

TEST(ParseStripeEvent, RefusesWhatIsNoEvent) {
  for (const char* payload :
       {"", "{}", "[]", "null", R"({"type":"test"})", R"({"id":"evt_1","type":"test"})",
        R"({"id":"evt_1","data":{"object":{}}})", R"({"id":7,"type":"t","data":{"object":{}}})",
        R"({"id":"evt 1","type":"t","data":{"object":{}}})",
        R"({"id":"evt_1\u0000","type":"t","data":{"object":{}}})",
        R"({"id":"evt_1","type":"T!","data":{"object":{}}})",
        R"({"id":"evt_1","type":"t","data":{"object":[]}})",
        R"({"id":"evt_1","type":"t","created":-1,"data":{"object":{}}})",
        "{\"id\":\"evt_1\",\"type\":\"t\",\"data\":{\"object\":{\"name\":\"\xff\"}}}"}) {
    EXPECT_EQ(Reason(ParseStripeEvent(payload).status()), "EVENT_MALFORMED") << payload;
  }
}

TEST(JsonDocument, FindsByPathWhatHasTheRightType) {
  const absl::StatusOr<JsonDocument> document = JsonDocument::Parse(
      R"({"a":{"list":[{"n":7},{"n":-9223372036854775808}],"yes":true,"text":"héé"},)"
      R"("null":null,"big":9223372036854775808,"half":0.5,"whole":1.0,"nul":"a\u0000b"})");
  ASSERT_TRUE(document.ok()) << document.status();
  EXPECT_EQ(document->Int("a.list.0.n"), 7);
  EXPECT_EQ(document->Int("a.list.1.n"), std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(document->Int("a.list.2.n"), std::nullopt);
  EXPECT_EQ(document->Int("a.list.-1.n"), std::nullopt);
  EXPECT_EQ(document->Int("a.list.x.n"), std::nullopt);
  EXPECT_EQ(document->Bool("a.yes"), true);
  EXPECT_EQ(document->Bool("a.text"), std::nullopt);
  EXPECT_EQ(document->Text("a.text"), "héé");
  EXPECT_EQ(document->Text("a.list"), std::nullopt);
  EXPECT_EQ(document->Text("a.text.b"), std::nullopt);
  EXPECT_EQ(document->Text("null"), std::nullopt);
  EXPECT_EQ(document->Text("nul"), std::nullopt);
  EXPECT_EQ(document->Text("nothing.at.all"), std::nullopt);
  EXPECT_EQ(document->Int("big"), std::nullopt);
  EXPECT_EQ(document->Int("half"), std::nullopt);
  EXPECT_EQ(document->Int("whole"), std::nullopt);
  EXPECT_EQ(document->Size("a.list"), 2U);
  EXPECT_EQ(document->Size("a"), 0U);
  EXPECT_TRUE(document->HasObject("a.list.0"));
  EXPECT_FALSE(document->HasObject("a.list"));
}

TEST(JsonDocument, ReadsIdsNamedOrWrittenOut) {
  const absl::StatusOr<JsonDocument> document =
      JsonDocument::Parse(R"({"a":"cus_1","b":{"id":"cus_2"},"c":null})");
  ASSERT_TRUE(document.ok()) << document.status();
  EXPECT_EQ(document->Id("a"), "cus_1");
  EXPECT_EQ(document->Id("b"), "cus_2");
  EXPECT_EQ(document->Id("c"), std::nullopt);
}

TEST(JsonDocument, RefusesWhatIsNoObjectOrTooDeep) {
  const auto nested = [](int depth) {
    std::string text = R"({"a":)";
    for (int i = 1; i < depth; ++i) text += "[";
    for (int i = 1; i < depth; ++i) text += "]";
    return text + "}";
  };
  EXPECT_TRUE(JsonDocument::Parse(nested(32)).ok());
  for (const std::string& text :
       {nested(33), std::string("[]"), std::string("7"), std::string("{} x"), std::string("{"),
        std::string(R"({"a":"\ud800"})"), std::string("{\"a\":\"\xc0\xaf\"}"),
        std::string("\xef\xbb\xbf{}")}) {
    EXPECT_EQ(Reason(JsonDocument::Parse(text).status()), "JSON_MALFORMED") << text;
  }
}

}  // namespace
}  // namespace gatehouse::billing
