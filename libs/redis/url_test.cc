#include "libs/redis/url.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gatehouse::redis {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Url Parsed(const std::string& text) {
  const absl::StatusOr<Url> url = ParseUrl(text);
  EXPECT_TRUE(url.ok()) << text << ": " << url.status();
  return url.value_or(Url());
}

TEST(RedisUrlTest, NamesAHost) {
  EXPECT_EQ(Parsed("redis://cache").ToText(), "redis://cache:6379/0");
  EXPECT_EQ(Parsed("redis://cache/").ToText(), "redis://cache:6379/0");
  EXPECT_EQ(Parsed("rediss://cache.example:7000/3").ToText(), "rediss://cache.example:7000/3");
  EXPECT_EQ(Parsed("redis://[::1]:7000/1").host, "::1");
  EXPECT_EQ(Parsed("redis://[::1]:7000/1").ToText(), "redis://[::1]:7000/1");
  EXPECT_FALSE(Parsed("redis://cache").is_tls);
  EXPECT_TRUE(Parsed("rediss://cache").is_tls);
}

TEST(RedisUrlTest, HoldsCredentials) {
  EXPECT_EQ(Parsed("redis://:hush@cache").password, "hush");
  EXPECT_EQ(Parsed("redis://:hush@cache").user, "");
  EXPECT_EQ(Parsed("redis://hush@cache").password, "hush");
  const Url url = Parsed("rediss://app:p%40ss%2Fword%25@cache:6380/2");
  EXPECT_EQ(url.user, "app");
  EXPECT_EQ(url.password, "p@ss/word%");
  EXPECT_EQ(url.host, "cache");
  EXPECT_THAT(url.ToText(), Not(HasSubstr("p@ss")));
}

TEST(RedisUrlTest, NamesAUnixSocket) {
  EXPECT_EQ(Parsed("unix:/run/redis.sock").path, "/run/redis.sock");
  EXPECT_EQ(Parsed("unix:///run/redis.sock").path, "/run/redis.sock");
  const Url url = Parsed("unix:/run/redis.sock?database=4&password=hu%26sh");
  EXPECT_EQ(url.database, 4);
  EXPECT_EQ(url.password, "hu&sh");
  EXPECT_EQ(url.ToText(), "unix:/run/redis.sock?database=4");
}

TEST(RedisUrlTest, RefusesWhatIsNoneAndRepeatsNothingOfIt) {
  for (const char* text : {"",
                           "cache",
                           "http://hush",
                           "redis:/hush",
                           "redis://",
                           "redis://:6379",
                           "redis://hush:0",
                           "redis://hush:65536",
                           "redis://hush:x",
                           "redis://hush:",
                           "redis://[hush",
                           "redis://[::1]x",
                           "redis://a b/hush",
                           "redis://hush/-1",
                           "redis://hush/x",
                           "redis://hush/1/2",
                           "redis://hush/65536",
                           "redis://u:%hush@h",
                           "redis://u:%2@hush",
                           "redis://user:@hush",
                           "redis://hush?db=1",
                           "rediss://hush#1",
                           "unix:hush",
                           "unix:/s?db=hush",
                           "unix:/s?database=hush",
                           "unix:/s?password=",
                           "REDIS://hush"}) {
    const absl::Status status = ParseUrl(text).status();
    EXPECT_EQ(Reason(status), "REDIS_URL_INVALID") << text;
    EXPECT_THAT(std::string(status.message()), Not(HasSubstr("hush"))) << text;
  }
  EXPECT_FALSE(ParseUrl("unix:/" + std::string(107, 'a')).ok());
}

}  // namespace
}  // namespace gatehouse::redis
