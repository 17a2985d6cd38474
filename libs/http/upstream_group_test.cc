// Who is asked next, who is left out, when nobody is asked; and names of upstreams.
#include "libs/http/upstream_group.h"

#include <gtest/gtest.h>
#include <netinet/in.h>

#include <algorithm>
#include <thread>

namespace gatehouse::http {
namespace {

using std::chrono::milliseconds;
using Breaker = UpstreamGroup::Breaker;

class UpstreamGroupTest : public ::testing::Test {
 protected:
  static std::shared_ptr<Endpoint> At(int port) {
    return ResolveEndpoints("127.0.0.1", std::to_string(port)).at(0);
  }

  // A group of `count` endpoints, "127.0.0.1:1" and on.
  UpstreamGroup& Make(int count, UpstreamOptions options = {}) {
    group_ = std::make_unique<UpstreamGroup>(options);
    endpoints_.clear();
    for (int port = 1; port <= count; ++port) endpoints_.push_back(At(port));
    group_->SetEndpoints(endpoints_);
    return *group_;
  }

  // The number of the endpoint that is picked, 0: none.
  int Pick(std::initializer_list<int> tried = {}) {
    std::vector<std::uint64_t> ids;
    for (const int endpoint : tried) ids.push_back(endpoints_[endpoint - 1]->id);
    const auto picked = group_->Pick(now_, ids, &retry_after_, &is_probe_);
    const auto found = std::find(endpoints_.begin(), endpoints_.end(), picked);
    return picked == nullptr ? 0 : static_cast<int>(found - endpoints_.begin()) + 1;
  }
  void Fail(int endpoint, int times = 1, bool was_probe = false) {
    for (int i = 0; i < times; ++i) {
      group_->ReportFailure(*endpoints_[endpoint - 1], now_, was_probe);
    }
  }
  // Opens the breaker, and lets its time pass.
  void OpenBreaker() {
    Fail(1, group_->options().breaker_threshold);
    ASSERT_EQ(group_->breaker(now_), Breaker::kOpen);
    now_ += group_->options().breaker_timeout;
  }

  SteadyTime now_{std::chrono::hours(1)};
  milliseconds retry_after_{-1};
  bool is_probe_ = false;
  std::unique_ptr<UpstreamGroup> group_;
  std::vector<std::shared_ptr<Endpoint>> endpoints_;
};

TEST_F(UpstreamGroupTest, AsksInTurn) {
  Make(3);
  std::string order;
  for (int i = 0; i < 6; ++i) order += std::to_string(Pick());
  EXPECT_EQ(order, "123123");
}

TEST_F(UpstreamGroupTest, PassesOverWhatIsDown) {
  Make(3);
  endpoints_[1]->is_up = false;
  for (int i = 0; i < 6; ++i) EXPECT_NE(Pick(), 2);
}

TEST_F(UpstreamGroupTest, PassesOverWhatHasFailedThreeTimesForAWhile) {
  Make(2);
  Fail(2, UpstreamGroup::kFailuresMax - 1);
  EXPECT_NE(Pick(), Pick()) << "both are asked";
  Fail(2);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(Pick(), 1);
  now_ += UpstreamGroup::kOutTime;
  EXPECT_NE(Pick(), Pick()) << "both are asked again";
  Fail(2);
  EXPECT_EQ(Pick() + Pick(), 2) << "one more failure is enough now";
  group_->ReportSuccess(*endpoints_[1]);
  Fail(2, UpstreamGroup::kFailuresMax - 1);
  EXPECT_NE(Pick(), Pick()) << "a success has made it whole";
}

TEST_F(UpstreamGroupTest, AsksAnyWhenNoneDoesWell) {
  Make(2);
  endpoints_[0]->is_up = endpoints_[1]->is_up = false;
  EXPECT_NE(Pick(), 0);
}

TEST_F(UpstreamGroupTest, LeavesOutWhatWasTriedWhileThereIsAnother) {
  Make(2);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(Pick({1}), 2);
  endpoints_[1]->is_up = false;
  EXPECT_EQ(Pick({1}), 2) << "even one that does not do well";
  EXPECT_EQ(Pick({1, 2}), 1) << "among those that were tried, one that does well";
  Make(1);
  EXPECT_EQ(Pick({1}), 1);
  Make(4);
  for (int i = 0; i < 8; ++i) EXPECT_EQ(Pick({1, 2, 4}), 3);
}

TEST_F(UpstreamGroupTest, WithoutEndpointsThereIsNoneAndNothingToWaitFor) {
  Make(0);
  EXPECT_EQ(Pick(), 0);
  EXPECT_EQ(retry_after_, milliseconds(0));
}

TEST_F(UpstreamGroupTest, KeepsTheStateOfAnAddressThatStays) {
  Make(2);
  const std::vector<std::shared_ptr<Endpoint>> before = endpoints_;
  Fail(2, UpstreamGroup::kFailuresMax);
  group_->SetEndpoints({At(2), At(3), At(3)});
  const auto after = group_->endpoints();
  ASSERT_EQ(after.size(), 2u) << "an address is there once";
  EXPECT_EQ(after[0], before[1]);
  EXPECT_NE(after[1]->id, before[0]->id);
  EXPECT_NE(after[1]->id, before[1]->id);
}

TEST_F(UpstreamGroupTest, OpensAfterFailuresInARowAndSaysForHowLong) {
  Make(1);
  const int threshold = group_->options().breaker_threshold;
  Fail(1, threshold - 1);
  group_->ReportSuccess(*endpoints_[0]);
  Fail(1, threshold - 1);
  EXPECT_EQ(group_->breaker(now_), Breaker::kClosed) << "not in a row";
  EXPECT_EQ(Pick(), 1);
  Fail(1);
  EXPECT_EQ(group_->breaker(now_), Breaker::kOpen);
  now_ += milliseconds(1000);
  EXPECT_EQ(Pick(), 0);
  EXPECT_EQ(retry_after_, group_->options().breaker_timeout - milliseconds(1000));
}

TEST_F(UpstreamGroupTest, LetsExactlyOneProbe) {
  Make(2);
  OpenBreaker();
  EXPECT_EQ(group_->breaker(now_), Breaker::kHalfOpen);
  EXPECT_NE(Pick(), 0);
  EXPECT_TRUE(is_probe_);
  EXPECT_EQ(Pick(), 0);
  EXPECT_FALSE(is_probe_);
  EXPECT_GT(retry_after_, milliseconds(0));
  group_->ReportNothing();
  EXPECT_NE(Pick(), 0) << "it was given back";
  group_->ReportSuccess(*endpoints_[0]);
  EXPECT_EQ(group_->breaker(now_), Breaker::kClosed);
  EXPECT_NE(Pick(), 0);
  EXPECT_NE(Pick(), 0);
  EXPECT_FALSE(is_probe_);
}

TEST_F(UpstreamGroupTest, AProbeThatTakesTooLongKeepsNobodyOut) {
  Make(1);
  OpenBreaker();
  EXPECT_EQ(Pick(), 1);
  now_ += group_->options().connect_timeout + group_->options().head_timeout;
  EXPECT_EQ(Pick(), 1);
  EXPECT_TRUE(is_probe_);
  EXPECT_EQ(Pick(), 0) << "that one has its own time";
  group_->ReportSuccess(*endpoints_[0]);
  EXPECT_EQ(group_->breaker(now_), Breaker::kClosed);
}

TEST_F(UpstreamGroupTest, AFailedProbeOpensAgain) {
  Make(1);
  OpenBreaker();
  EXPECT_EQ(Pick(), 1);
  Fail(1, 1, true);
  EXPECT_EQ(group_->breaker(now_), Breaker::kOpen);
  EXPECT_EQ(Pick(), 0);
  EXPECT_EQ(retry_after_, group_->options().breaker_timeout);
}

TEST_F(UpstreamGroupTest, WhatWasBegunBeforeDoesNotMoveTheBreaker) {
  Make(1);
  OpenBreaker();
  EXPECT_EQ(Pick(), 1);
  group_->ReportSuccess(*endpoints_[0], false);
  EXPECT_EQ(group_->breaker(now_), Breaker::kHalfOpen);
  group_->ReportFailure(*endpoints_[0], now_, false);
  EXPECT_EQ(group_->breaker(now_), Breaker::kHalfOpen);
  group_->ReportNothing(false);
  EXPECT_EQ(Pick(), 0) << "the probe is still out";
}

TEST_F(UpstreamGroupTest, NeverOpensWhenToldNotTo) {
  UpstreamOptions options;
  options.breaks = false;
  Make(1, options);
  Fail(1, 100);
  EXPECT_EQ(group_->breaker(now_), Breaker::kClosed);
  EXPECT_EQ(Pick(), 1);
}

TEST_F(UpstreamGroupTest, HalfOpenLetsOneThroughOfManyThreads) {
  Make(2);
  OpenBreaker();
  std::atomic<int> got{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      milliseconds retry_after;
      for (int turn = 0; turn < 1000; ++turn) {
        if (group_->Pick(now_, {}, &retry_after) != nullptr) ++got;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(got, 1);
}

TEST(UpstreamUrlTest, SplitsHostAndPort) {
  struct Case {
    const char* url;
    const char* host;
    const char* port;
  };
  for (const Case& c :
       {Case{"http://core-manager:8088", "core-manager", "8088"},
        Case{"HTTP://core.example/", "core.example", "80"},
        Case{"http://10.0.0.7:1", "10.0.0.7", "1"}, Case{"http://[::1]:8080", "::1", "8080"},
        Case{"http://[fd00::7]/", "fd00::7", "80"}, Case{"http://a:65535/", "a", "65535"}}) {
    std::string host;
    std::string port;
    EXPECT_EQ(ParseUpstreamUrl(c.url, &host, &port), "") << c.url;
    EXPECT_EQ(host, c.host) << c.url;
    EXPECT_EQ(port, c.port) << c.url;
  }
}

TEST(UpstreamUrlTest, SaysWhatIsWrong) {
  for (const char* url : {"",
                          "core:80",
                          "https://core",
                          "http:/core",
                          "http://",
                          "http:///",
                          "http://core/api",
                          "http://core/?",
                          "http://core?x",
                          "http://core#x",
                          "http://user@core",
                          "http://core:0",
                          "http://core:65536",
                          "http://core:",
                          "http://core:8o",
                          "http://[::1",
                          "http://::1",
                          "http://[::1]x",
                          "http://a b",
                          "http://core:080"}) {
    std::string host;
    std::string port;
    EXPECT_NE(ParseUpstreamUrl(url, &host, &port), "") << url;
  }
}

TEST(UpstreamUrlTest, ResolvesNumericAddressesAndNames) {
  const auto v4 = ResolveEndpoints("127.0.0.1", "8080");
  ASSERT_EQ(v4.size(), 1u);
  EXPECT_EQ(v4[0]->name, "127.0.0.1:8080");
  EXPECT_EQ(v4[0]->address.ss_family, AF_INET);
  const auto v6 = ResolveEndpoints("::1", "80");
  ASSERT_EQ(v6.size(), 1u);
  EXPECT_EQ(v6[0]->name, "[::1]:80");
  EXPECT_GT(v6[0]->id, v4[0]->id);
  EXPECT_FALSE(ResolveEndpoints("localhost", "80").empty());
  EXPECT_TRUE(ResolveEndpoints("nobody.invalid", "80").empty());
}

}  // namespace
}  // namespace gatehouse::http
