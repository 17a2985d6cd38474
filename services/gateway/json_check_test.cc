#include "services/gateway/json_check.h"

#include <gtest/gtest.h>

#include <string>

namespace gatehouse::gateway {
namespace {

// The verdict on `text` in pieces of `size` bytes; "" when it is good.
std::string Verdict(const std::string& text, std::size_t size) {
  JsonCheck check;
  for (std::size_t at = 0; at < text.size(); at += size) {
    if (const char* refusal = check.Feed(text.substr(at, size), false)) return refusal;
  }
  const char* refusal = check.Feed("", true);
  return refusal == nullptr ? "" : refusal;
}

void ExpectVerdict(const std::string& text, const std::string& expected) {
  for (std::size_t size = 1; size <= text.size() + 1; ++size) {
    EXPECT_EQ(Verdict(text, size), expected) << text << " in pieces of " << size;
  }
  JsonCheck whole;
  const char* refusal = whole.Feed(text, true);
  EXPECT_EQ(refusal == nullptr ? "" : refusal, expected) << text << " as a whole";
}

TEST(JsonCheck, TakesWhatIsJson) {
  for (const char* text :
       {"{}", "[]", " { } \r\n\t", "null", "true", "0", "-1.5e-3", "12345678901234567890123",
        R"("text")", R"({"a":[1,2,{"b":null}],"a":false})", R"("\u00e9\ud83d\ude00\n")",
        "\"caf\xc3\xa9 \xf0\x9f\x98\x80\"", "[1 , 2 ]\n\n"}) {
    ExpectVerdict(text, "");
  }
}

TEST(JsonCheck, RefusesWhatIsNot) {
  for (const char* text :
       {" ",           "{",   "[1,]",   "{\"a\":1,}", "{a:1}",  "{'a':1}", "[1 2]",
        "01",          "+1",  ".5",     "1.",         "nul",    "nullx",   "{}{}",
        "{} x",        "\"a", "\"\n\"", "\"\\x\"",    "[1]//c", "NaN",     "\xef\xbb\xbf{}",
        "\"\\ud83d\"", "}"}) {
    ExpectVerdict(text, "JSON_MALFORMED");
  }
}

TEST(JsonCheck, RefusesWhatIsNotUtf8) {
  for (const char* text : {"\"\xff\"", "\"\xc0\xaf\"", "\"\xed\xa0\x80\"", "\"\xf4\x90\x80\x80\"",
                           "\"\xc3\"", "{\"\x80\":1}"}) {
    ExpectVerdict(text, "JSON_MALFORMED");
  }
}

TEST(JsonCheck, BoundsTheDepth) {
  const auto nested = [](std::size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  ExpectVerdict(nested(32), "");
  ExpectVerdict(nested(33), "JSON_TOO_DEEP");
  EXPECT_EQ(Verdict(std::string(1000000, '['), 65536), "JSON_TOO_DEEP");
}

TEST(JsonCheck, NothingAtAllIsGood) {
  JsonCheck check;
  EXPECT_EQ(check.Feed("", false), nullptr);
  EXPECT_EQ(check.Feed("", true), nullptr);
}

TEST(JsonCheck, StaysWithItsVerdict) {
  JsonCheck check;
  ASSERT_NE(check.Feed("}", false), nullptr);
  EXPECT_STREQ(check.Feed("{}", true), "JSON_MALFORMED");
}

}  // namespace
}  // namespace gatehouse::gateway
