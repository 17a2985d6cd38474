#include "services/gateway/json_body.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gatehouse::gateway {
namespace {

std::string ReasonOf(std::string_view text) { return Reason(JsonBody::Parse(text).status()); }

TEST(JsonBodyTest, ReadsMembersByType) {
  auto body = JsonBody::Parse(
      " {\"name\":\"a\\u00e9\\n\",\"count\":-7,\"at\":\"2030-01-31T12:00:00Z\",\"none\":null} ");
  ASSERT_TRUE(body.ok()) << body.status();
  EXPECT_EQ(body->Text("name", 100), "aé\n");
  EXPECT_EQ(body->Int("count", -10, 10), -7);
  EXPECT_TRUE(body->DateTime("at").has_value());
  EXPECT_EQ(body->Text("none", 100), std::nullopt);
  EXPECT_TRUE(body->Finish().ok());
}

TEST(JsonBodyTest, AnEmptyBodyIsAnEmptyObject) {
  auto body = JsonBody::Parse("");
  ASSERT_TRUE(body.ok());
  EXPECT_EQ(body->Text("name", 100), std::nullopt);
  EXPECT_TRUE(body->Finish().ok());
}

TEST(JsonBodyTest, ObjectsKeepTheirNumbersAsWritten) {
  auto body = JsonBody::Parse(
      R"({"payload": {"a": 1.0, "b": 123456789012345678901234567890, "c": [1e2, {}, "x\u000a"]}})");
  ASSERT_TRUE(body.ok()) << body.status();
  EXPECT_EQ(body->RequiredObject("payload"),
            R"({"a":1.0,"b":123456789012345678901234567890,"c":[1e2,{},"x\n"]})");
}

TEST(JsonBodyTest, ReadsFlags) {
  auto body = JsonBody::Parse(R"({"yes":true,"no":false,"none":null,"one":1,"text":"true"})");
  ASSERT_TRUE(body.ok());
  EXPECT_EQ(body->Bool("yes"), true);
  EXPECT_EQ(body->Bool("no"), false);
  EXPECT_EQ(body->Bool("none"), std::nullopt);
  EXPECT_EQ(body->Bool("absent"), std::nullopt);
  EXPECT_EQ(body->Bool("one"), std::nullopt);
  EXPECT_EQ(body->Bool("text"), std::nullopt);
  EXPECT_EQ(FieldViolations(body->Finish()).size(), 2u);
}

TEST(JsonBodyTest, ReadsTimesAsTextOrMilliseconds) {
  auto body = JsonBody::Parse(
      R"({"a":"2027-01-15T08:00:00Z","b":1800000000000,"c":-1,"d":253402300800000,"e":1.5})");
  ASSERT_TRUE(body.ok());
  EXPECT_EQ(body->DateTimeOrMillis("a"), Time(std::chrono::seconds(1'800'000'000)));
  EXPECT_EQ(body->DateTimeOrMillis("b"), Time(std::chrono::seconds(1'800'000'000)));
  for (const char* name : {"c", "d", "e", "absent"}) {
    EXPECT_EQ(body->DateTimeOrMillis(name), std::nullopt) << name;
  }
  EXPECT_EQ(FieldViolations(body->Finish()).size(), 3u);
}

using Texts = std::vector<std::string>;

TEST(JsonBodyTest, ReadsListsOfTexts) {
  auto body = JsonBody::Parse(
      R"({"array":["llm.chat"," a\"b,c "],"text":"llm.chat, repo.patch,,","none":[],"null":null})");
  ASSERT_TRUE(body.ok()) << body.status();
  EXPECT_EQ(body->TextList("array", 2, 10), (Texts{"llm.chat", " a\"b,c "}));
  EXPECT_EQ(body->TextList("text", 2, 10), (Texts{"llm.chat", "repo.patch"}));
  EXPECT_EQ(body->TextList("none", 2, 10), Texts());
  EXPECT_EQ(body->TextList("null", 2, 10), std::nullopt);
  EXPECT_TRUE(body->Finish().ok());
}

TEST(JsonBodyTest, AListOfTextsHasNothingElse) {
  for (const char* list :
       {R"(["a",1])", R"([["a"]])", R"([{"a":"b"}])", R"(["a",null])", R"([true])", R"({"a":"b"})",
        "7", R"(["a","b","c"])", R"(["much too long"])", R"("a,b,c")"}) {
    auto body = JsonBody::Parse(std::string("{\"list\":") + list + "}");
    ASSERT_TRUE(body.ok()) << list;
    EXPECT_EQ(body->TextList("list", 2, 5), std::nullopt) << list;
    EXPECT_EQ(FieldViolations(body->Finish()).count("list"), 1u) << list;
  }
}

TEST(JsonBodyTest, RefusesWhatIsNotOneJsonObject) {
  for (const char* text :
       {"{", "{\"a\":1,}", "{'a':1}", "{\"a\":01}", "{} {}", "{}x", "// c\n{}", "{\"a\":NaN}",
        "\xff", "{\"a\":\"\xc3\x28\"}", "{\"a\":\"\\ud800\"}", "{\"a\":1e999}", " "}) {
    EXPECT_EQ(ReasonOf(text), "JSON_MALFORMED") << text;
  }
  for (const char* text : {"[]", "1", "\"a\"", "null", "true"}) {
    EXPECT_EQ(ReasonOf(text), "JSON_NOT_OBJECT") << text;
  }
}

TEST(JsonBodyTest, RefusesDuplicateKeysAtAnyDepth) {
  EXPECT_EQ(ReasonOf(R"({"a":1,"a":2})"), "JSON_DUPLICATE_KEY");
  EXPECT_EQ(ReasonOf(R"({"a":1,"\u0061":2})"), "JSON_DUPLICATE_KEY");
  EXPECT_EQ(ReasonOf(R"({"p":[{"x":{"a":1,"a":2}}]})"), "JSON_DUPLICATE_KEY");
  EXPECT_TRUE(JsonBody::Parse(R"({"p":[{"a":1},{"a":2}],"a":{"a":3}})").ok());
}

TEST(JsonBodyTest, RefusesNulAnywhere) {
  EXPECT_EQ(ReasonOf(R"({"a":"x\u0000"})"), "JSON_NUL");
  EXPECT_EQ(ReasonOf(R"({"p":{"x\u0000":1}})"), "JSON_NUL");
}

TEST(JsonBodyTest, DepthIsLimited) {
  const auto nested = [](std::size_t depth) {
    return "{\"a\":" + std::string(depth - 1, '[') + std::string(depth - 1, ']') + "}";
  };
  EXPECT_TRUE(JsonBody::Parse(nested(kJsonDepthMax)).ok());
  EXPECT_EQ(ReasonOf(nested(kJsonDepthMax + 1)), "JSON_TOO_DEEP");
  EXPECT_EQ(ReasonOf("{\"a\":" + std::string(1 << 20, '[')), "JSON_TOO_DEEP");
}

TEST(JsonBodyTest, ReportsEveryProblemAtOnce) {
  auto body =
      JsonBody::Parse(R"({"name":7,"count":"x","big":11,"wide":1.5,"extra":{},"long":"abc"})");
  ASSERT_TRUE(body.ok());
  body->RequiredText("name", 10);
  body->Int("count", 0, 10);
  body->Int("big", 0, 10);
  body->Int("wide", 0, 10);
  body->Text("long", 2);
  body->RequiredObject("payload");
  const absl::Status status = body->Finish();
  EXPECT_EQ(Reason(status), "VALIDATION_FAILED");
  const auto violations = FieldViolations(status);
  EXPECT_EQ(violations.size(), 7u);
  for (const char* field : {"name", "count", "big", "wide", "long", "payload", "extra"}) {
    EXPECT_EQ(violations.count(field), 1u) << field;
  }
  EXPECT_EQ(violations.find("extra")->second, "is not known");
}

TEST(JsonBodyTest, ARequiredTextMayNotBeEmptyOrNull) {
  auto body = JsonBody::Parse(R"({"a":"","b":null})");
  ASSERT_TRUE(body.ok());
  body->RequiredText("a", 10);
  body->RequiredText("b", 10);
  body->RequiredText("c", 10);
  EXPECT_EQ(FieldViolations(body->Finish()).size(), 3u);
}

TEST(JsonBodyTest, CharactersAreCodePoints) {
  auto body = JsonBody::Parse(R"({"a":"é€😀","b":"","c":7,"d":null})");
  ASSERT_TRUE(body.ok());
  EXPECT_EQ(body->Characters("a", 3, 3), "é€😀");
  EXPECT_EQ(body->Characters("b", 0, 3), "");
  EXPECT_EQ(body->Characters("d", 1, 3), std::nullopt);
  EXPECT_TRUE(body->Has("c"));
  EXPECT_EQ(body->Int("c", 0, 10), 7);
  EXPECT_TRUE(body->Finish().ok());
  EXPECT_EQ(body->Characters("a", 1, 2), std::nullopt);
  EXPECT_EQ(body->Characters("a", 4, 9), std::nullopt);
  EXPECT_EQ(body->Characters("c", 0, 9), std::nullopt);
  EXPECT_EQ(body->RequiredCharacters("b", 1, 9), "");
  EXPECT_EQ(body->RequiredCharacters("d", 1, 9), "");
  EXPECT_EQ(body->RequiredCharacters("e", 1, 9), "");
  EXPECT_EQ(FieldViolations(body->Finish()).size(), 6u);
}

TEST(JsonBodyTest, NullIsToldFromAbsent) {
  auto body = JsonBody::Parse(R"({"a":null,"b":1})");
  ASSERT_TRUE(body.ok());
  EXPECT_TRUE(body->IsNull("a"));
  EXPECT_FALSE(body->IsNull("b"));
  EXPECT_FALSE(body->IsNull("c"));
  EXPECT_FALSE(body->Has("a"));
  EXPECT_TRUE(body->Has("b"));
  EXPECT_FALSE(body->Has("c"));
  EXPECT_TRUE(body->Finish().ok()) << "asked for";
}

TEST(JsonBodyTest, ObjectsStayText) {
  auto body = JsonBody::Parse(R"({"a":{"b":[1, 2.50]},"c":[],"d":null})");
  ASSERT_TRUE(body.ok());
  EXPECT_EQ(body->Object("a"), R"({"b":[1,2.50]})");
  EXPECT_EQ(body->Object("d"), std::nullopt);
  EXPECT_EQ(body->Object("e"), std::nullopt);
  EXPECT_EQ(body->Object("c"), std::nullopt);
  EXPECT_EQ(FieldViolations(body->Finish()).size(), 1u);
}

TEST(JsonBodyTest, DecimalsAreExact) {
  auto body = JsonBody::Parse(R"({"a":12.5,"b":3,"c":0.001,"d":"1","e":1e-2,"f":99})");
  ASSERT_TRUE(body.ok());
  EXPECT_EQ(body->Decimal("a", 2, 0, 10000), 1250);
  EXPECT_EQ(body->Decimal("b", 2, 0, 10000), 300);
  EXPECT_EQ(body->Decimal("e", 2, 0, 10000), 1);
  EXPECT_EQ(body->Decimal("g", 2, 0, 10000), std::nullopt);
  for (const char* name : {"c", "d", "f"}) {
    EXPECT_EQ(body->Decimal(name, 2, 0, 1000), std::nullopt) << name;
  }
  const auto violations = FieldViolations(body->Finish());
  ASSERT_EQ(violations.count("f"), 1u);
  EXPECT_EQ(violations.find("f")->second, "must be from 0.00 to 10.00");
  EXPECT_EQ(violations.find("c")->second, "must be a number with at most 2 decimals");
}

TEST(JsonBodyTest, ADecimalMayStandInAText) {
  auto body = JsonBody::Parse(R"({"a":"0.15","b":0.15,"c":"a lot","d":"0.1234567891"})");
  ASSERT_TRUE(body.ok());
  EXPECT_EQ(body->DecimalOrText("a", 9, 0, INT64_MAX), 150'000'000);
  EXPECT_EQ(body->DecimalOrText("b", 9, 0, INT64_MAX), 150'000'000);
  EXPECT_EQ(body->DecimalOrText("c", 9, 0, INT64_MAX), std::nullopt);
  EXPECT_EQ(body->DecimalOrText("d", 9, 0, INT64_MAX), std::nullopt);
  EXPECT_EQ(FieldViolations(body->Finish()).size(), 2u);
}

TEST(JsonBodyTest, AListOfObjectsIsTakenApart) {
  auto body = JsonBody::Parse(
      R"({"a":[{"x":"},{\"","y":[1,{"z":[]}]},{}],"none":[],"b":[{},1],"c":{},"d":[{},{}]})");
  ASSERT_TRUE(body.ok()) << body.status();
  const auto items = body->Objects("a", 2);
  ASSERT_TRUE(items.has_value());
  ASSERT_EQ(items->size(), 2u);
  EXPECT_EQ((*items)[0], R"({"x":"},{\"","y":[1,{"z":[]}]})");
  EXPECT_EQ((*items)[1], "{}");
  auto first = JsonBody::Parse((*items)[0]);
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(first->Text("x", 10), "},{\"");
  EXPECT_EQ(body->Objects("none", 2)->size(), 0u);
  for (const char* name : {"b", "c"}) EXPECT_EQ(body->Objects(name, 2), std::nullopt) << name;
  EXPECT_EQ(body->Objects("d", 1), std::nullopt) << "too many";
  EXPECT_EQ(FieldViolations(body->Finish()).size(), 3u);
}

TEST(JsonBodyTest, TextIsCountedInBytes) {
  auto body = JsonBody::Parse("{\"a\":\"éé\"}");
  ASSERT_TRUE(body.ok());
  EXPECT_EQ(body->Text("a", 4), "éé");
  EXPECT_EQ(body->Text("a", 3), std::nullopt);
}

}  // namespace
}  // namespace gatehouse::gateway
