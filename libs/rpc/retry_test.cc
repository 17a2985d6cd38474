#include "libs/rpc/retry.h"

#include <gtest/gtest.h>

#include "libs/rpc/headers.h"

namespace gatehouse::rpc {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kPlenty{10'000};

TEST(RetryTest, OnlyUnavailableIsTriedAgainAndOnlyTwice) {
  const absl::Status unavailable = absl::UnavailableError("");
  EXPECT_TRUE(RetryDelay(unavailable, 0, kPlenty).has_value());
  EXPECT_TRUE(RetryDelay(unavailable, 1, kPlenty).has_value());
  EXPECT_FALSE(RetryDelay(unavailable, 2, kPlenty).has_value());
  for (int code = 0; code <= 16; ++code) {
    if (code == static_cast<int>(absl::StatusCode::kUnavailable)) continue;
    const absl::Status status(static_cast<absl::StatusCode>(code), "");
    EXPECT_FALSE(RetryDelay(status, 0, kPlenty).has_value()) << status;
  }
}

TEST(RetryTest, WaitsAreJitteredAndGrow) {
  milliseconds least[2] = {kPlenty, kPlenty};
  milliseconds most[2] = {};
  for (int i = 0; i < 500; ++i) {
    for (int retries : {0, 1}) {
      const milliseconds delay = *RetryDelay(absl::UnavailableError(""), retries, kPlenty);
      least[retries] = std::min(least[retries], delay);
      most[retries] = std::max(most[retries], delay);
    }
  }
  EXPECT_GE(least[0], milliseconds(25));
  EXPECT_LE(most[0], milliseconds(75));
  EXPECT_GE(least[1], milliseconds(100));
  EXPECT_LE(most[1], milliseconds(300));
  EXPECT_LT(least[0], most[0]);
}

TEST(RetryTest, StaysInsideTheDeadline) {
  EXPECT_FALSE(RetryDelay(absl::UnavailableError(""), 0, milliseconds(10)).has_value());
  EXPECT_FALSE(RetryDelay(absl::UnavailableError(""), 0, milliseconds(-5)).has_value());
}

TEST(RetryTest, HeedsTheDelayThatTheCalleeAsksFor) {
  const absl::Status later = WithRetryDelay(absl::UnavailableError(""), 700);
  EXPECT_EQ(RetryDelay(later, 0, kPlenty), milliseconds(700));
  EXPECT_FALSE(RetryDelay(later, 0, milliseconds(600)).has_value());
}

TEST(RequestIdTest, AcceptsOnlyWhatTheEdgeAccepts) {
  EXPECT_TRUE(IsRequestId("a"));
  EXPECT_TRUE(IsRequestId("0190f0e0-0000-7000-8000-000000000001"));
  EXPECT_TRUE(IsRequestId(std::string(128, 'Z')));
  for (const std::string& text :
       {std::string(), std::string(129, 'a'), std::string("a b"), std::string("a\nb"),
        std::string("\xC3\xA9"), std::string("a\0b", 3), std::string("a/b")}) {
    EXPECT_FALSE(IsRequestId(text)) << text;
  }
}

}  // namespace
}  // namespace gatehouse::rpc
