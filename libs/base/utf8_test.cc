#include "libs/base/utf8.h"

#include <gtest/gtest.h>

namespace gatehouse {
namespace {

constexpr char kReplacement[] = "\xef\xbf\xbd";

TEST(ReplaceInvalidUtf8Test, KeepsValidText) {
  const std::string text =
      std::string("ascii \0 ", 8) + "\u00e9 \u20ac \ud7ff \U0001f600 \U0010ffff";
  EXPECT_EQ(ReplaceInvalidUtf8(text), text);
  EXPECT_EQ(ReplaceInvalidUtf8(""), "");
}

TEST(ReplaceInvalidUtf8Test, ReplacesEachBadByte) {
  const std::string one = kReplacement;
  EXPECT_EQ(ReplaceInvalidUtf8("a\xff"
                               "b"),
            "a" + one + "b");
  EXPECT_EQ(ReplaceInvalidUtf8("\x80"), one) << "a continuation alone";
  EXPECT_EQ(ReplaceInvalidUtf8("\xc0\xaf"), one + one) << "overlong";
  EXPECT_EQ(ReplaceInvalidUtf8("\xe0\x80\xaf"), one + one + one) << "overlong";
  EXPECT_EQ(ReplaceInvalidUtf8("\xed\xa0\x80"), one + one + one) << "a surrogate";
  EXPECT_EQ(ReplaceInvalidUtf8("\xf4\x90\x80\x80"), one + one + one + one) << "above U+10FFFF";
  EXPECT_EQ(ReplaceInvalidUtf8("\xe2\x82"), one + one) << "cut off at the end";
  EXPECT_EQ(ReplaceInvalidUtf8("\xe2\x82z"), one + one + "z") << "cut off inside";
}

TEST(Utf8LengthTest, TellsTheLengthOfASequence) {
  const std::string text = "a\u00e9\u20ac\U0001f600\xff";
  EXPECT_EQ(Utf8Length(text, 0), 1u);
  EXPECT_EQ(Utf8Length(text, 1), 2u);
  EXPECT_EQ(Utf8Length(text, 3), 3u);
  EXPECT_EQ(Utf8Length(text, 6), 4u);
  EXPECT_EQ(Utf8Length(text, 10), 0u);
  EXPECT_EQ(Utf8Length(text, text.size()), 0u);
}

}  // namespace
}  // namespace gatehouse
