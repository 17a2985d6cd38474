#include "libs/http/message.h"

#include <gmock/gmock.h>

namespace gatehouse::http {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

TEST(MessageTest, HeaderNamesCompareWithoutCase) {
  EXPECT_TRUE(SameName("Content-Type", "content-TYPE"));
  EXPECT_FALSE(SameName("Content-Type", "Content-Typ"));
  EXPECT_FALSE(SameName("a[", "A{")) << "only letters have a case";
}

TEST(MessageTest, FindsTheFirstOfRepeatedHeadersAndCountsAll) {
  Request request;
  request.headers = {{"X-A", "1"}, {"x-a", "2"}, {"B", ""}};
  EXPECT_EQ(request.Find("x-A"), "1");
  EXPECT_EQ(request.Find("b"), "");
  EXPECT_EQ(request.Find("c"), std::nullopt);
  EXPECT_EQ(request.Count("X-a"), 2u);
}

TEST(MessageTest, DecodesPathSegments) {
  EXPECT_EQ(DecodePath("a%20b%2Fc"), "a b/c");
  EXPECT_EQ(DecodePath("1+1"), "1+1");
  EXPECT_EQ(DecodePath("%C3%a9"), "é");
  EXPECT_EQ(DecodePath(""), "");
}

TEST(MessageTest, RefusesBrokenEscapesAndBytesThatAreNoText) {
  for (const char* text : {"%", "%4", "%4g", "a%", "%%41", "%00", "%ff", "%C3", "%C0%80",
                           "%ED%A0%80", "%F4%90%80%80", "\xff"}) {
    EXPECT_EQ(DecodePath(text), std::nullopt) << text;
  }
}

TEST(MessageTest, ParsesQueriesInOrderWithRepeats) {
  EXPECT_THAT(*ParseQuery("b=2&a=1&a=x%26y&&flag&c=1+1&=v"),
              ElementsAre(Pair("b", "2"), Pair("a", "1"), Pair("a", "x&y"), Pair("flag", ""),
                          Pair("c", "1 1"), Pair("", "v")));
  EXPECT_THAT(*ParseQuery(""), ElementsAre());
  EXPECT_EQ(ParseQuery("a=%zz"), std::nullopt);
  EXPECT_EQ(ParseQuery("%C3=1"), std::nullopt);
}

TEST(MessageTest, PassesOverCookiesWithoutAValue) {
  EXPECT_THAT(ParseCookies("a=1; novalue;b = 2 ;; =x; c=x=y"),
              ElementsAre(Pair("a", "1"), Pair("b", "2"), Pair("c", "x=y")));
  EXPECT_THAT(ParseCookies("novalue"), ElementsAre());
}

TEST(MessageTest, KnowsReasonPhrases) {
  EXPECT_STREQ(ReasonPhrase(200), "OK");
  EXPECT_STREQ(ReasonPhrase(431), "Request Header Fields Too Large");
  EXPECT_STREQ(ReasonPhrase(599), "");
}

TEST(MessageTest, AcceptsExactlyTheUtf8OfRfc3629) {
  for (const char* text : {"", "abc", "é", "€", "\xf0\x9f\x98\x80", "\xf4\x8f\xbf\xbf"}) {
    EXPECT_TRUE(IsValidUtf8(text)) << text;
  }
  for (const char* text : {"\x80", "\xc3", "\xc0\xaf", "\xc1\xbf", "\xe0\x80\x80", "\xed\xa0\x80",
                           "\xf0\x80\x80\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "a\xc3z"}) {
    EXPECT_FALSE(IsValidUtf8(text)) << text;
  }
}

}  // namespace
}  // namespace gatehouse::http
