#include "services/auth/refresh_token.h"

#include <gtest/gtest.h>

#include <limits>

#include "libs/base/secret.h"
#include "libs/base/uuid.h"

namespace gatehouse::auth {
namespace {

const std::string kKey(32, 'k');
const std::string kSeed(32, 's');

TEST(RefreshTokenTest, ReadsBackWhatItMade) {
  const std::string id = UuidV7();
  for (const std::int64_t counter : {std::int64_t{0}, std::int64_t{1}, std::int64_t{258},
                                     std::numeric_limits<std::int64_t>::max()}) {
    const std::string text = MakeRefreshToken(kKey, kSeed, id, counter);
    EXPECT_EQ(text.rfind("ghr_", 0), 0u);
    const auto token = ParseRefreshToken(text);
    ASSERT_TRUE(token);
    EXPECT_EQ(token->credential_id, id);
    EXPECT_EQ(token->counter, counter);
    EXPECT_TRUE(IsGenuine(*token, kKey, kSeed));
  }
}

TEST(RefreshTokenTest, TheSameChildIsMadeAgain) {
  const std::string id = UuidV7();
  EXPECT_EQ(MakeRefreshToken(kKey, kSeed, id, 1), MakeRefreshToken(kKey, kSeed, id, 1));
  EXPECT_NE(MakeRefreshToken(kKey, kSeed, id, 1), MakeRefreshToken(kKey, kSeed, id, 2));
}

TEST(RefreshTokenTest, IsGenuineUnderItsOwnKeyAndSeedOnly) {
  const auto token = ParseRefreshToken(MakeRefreshToken(kKey, kSeed, UuidV7(), 7));
  ASSERT_TRUE(token);
  EXPECT_FALSE(IsGenuine(*token, std::string(32, 'K'), kSeed));
  EXPECT_FALSE(IsGenuine(*token, kKey, std::string(32, 'S')));
  RefreshToken other = *token;
  ++other.counter;
  EXPECT_FALSE(IsGenuine(other, kKey, kSeed));
  other = *token;
  other.credential_id = UuidV7();
  EXPECT_FALSE(IsGenuine(other, kKey, kSeed));
}

TEST(RefreshTokenTest, RefusesEveryOtherForm) {
  const std::string good = MakeRefreshToken(kKey, kSeed, UuidV7(), 0);
  const std::string bytes = RandomBytes(56);
  for (const std::string& text :
       {std::string(), std::string("ghr_"), good.substr(4), good + "A", good + "=",
        good.substr(0, good.size() - 1), "GHR_" + good.substr(4), " " + good,
        "ghr_" + Base64UrlEncode(bytes.substr(1)), "ghr_" + Base64UrlEncode(bytes + "x"),
        good.substr(0, 10) + "+" + good.substr(11)}) {
    EXPECT_FALSE(ParseRefreshToken(text)) << text;
  }
  EXPECT_TRUE(ParseRefreshToken("ghr_" + Base64UrlEncode(bytes)));
}

}  // namespace
}  // namespace gatehouse::auth
