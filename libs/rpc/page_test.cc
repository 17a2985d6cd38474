#include "libs/rpc/page.h"

#include <gtest/gtest.h>

#include "libs/base/secret.h"
#include "libs/base/time_text.h"
#include "libs/status/status.h"

namespace gatehouse::rpc {
namespace {

constexpr char kId[] = "0198c0de-0000-7000-8000-000000000001";

TEST(PageTest, PositionsSurviveTheirText) {
  for (const std::int64_t micros : {std::int64_t{0}, std::int64_t{1750000000000007}}) {
    const auto back = ParsePageToken(PageToken({FromMicros(micros), kId}));
    ASSERT_TRUE(back.ok()) << back.status();
    EXPECT_EQ(ToMicros((*back)->time), micros);
    EXPECT_EQ((*back)->id, kId);
  }
}

TEST(PageTest, NoTokenIsTheFirstPage) {
  const auto first = ParsePageToken("");
  ASSERT_TRUE(first.ok());
  EXPECT_FALSE(first->has_value());
}

TEST(PageTest, RefusesTextThatNoPageMade) {
  for (const std::string text : {"x", "MTIz", "MTIzL3g", "====", "abc/def", "%%%", "bogus"}) {
    EXPECT_EQ(Reason(ParsePageToken(text).status()), "PAGE_TOKEN_INVALID") << text;
  }
  for (const std::string text : {"/", "12", "12/", "12/x", "'; drop table/x"}) {
    const auto parsed = ParsePageToken(Base64UrlEncode(text));
    EXPECT_EQ(Reason(parsed.status()), "PAGE_TOKEN_INVALID") << text;
    EXPECT_EQ(FieldViolations(parsed.status()).count("page_token"), 1u);
  }
  for (const std::string micros :
       {"", " 12", "12 ", "1x", "012", "-1", "9223372036854775807", "99999999999999999999"}) {
    const auto parsed = ParsePageToken(Base64UrlEncode(micros + "/" + kId));
    EXPECT_EQ(Reason(parsed.status()), "PAGE_TOKEN_INVALID") << micros;
  }
}

TEST(PageTest, LimitsFallBackAreCappedAndNeverNegative) {
  EXPECT_EQ(*PageLimit(0, 50, 1000), 50);
  EXPECT_EQ(*PageLimit(1, 50, 1000), 1);
  EXPECT_EQ(*PageLimit(5000, 50, 1000), 1000);
  const absl::Status refused = PageLimit(-1, 50, 1000).status();
  EXPECT_EQ(Reason(refused), "PAGE_SIZE_INVALID");
  EXPECT_EQ(FieldViolations(refused).count("page_size"), 1u);
}

}  // namespace
}  // namespace gatehouse::rpc
