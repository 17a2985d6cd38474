#include "services/gateway/upstream_checker.h"

#include <gmock/gmock.h>

#include "services/gateway/fake_upstream.h"
#include "services/gateway/gateway_fixture.h"
#include "services/gateway/upstream_names.h"
#include "services/gateway/upstream_probe.h"

namespace gatehouse::gateway {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using ::testing::ElementsAre;

std::string Healthy(const SeenRequest&) { return RawAnswer("204 No Content", ""); }
std::string Sick(const SeenRequest&) { return RawAnswer("500 Internal Server Error", ""); }

class UpstreamCheckerTest : public ::testing::Test {
 protected:
  static SnapshotPtr Of(const std::vector<std::string>& urls, const std::string& health_path) {
    const auto snapshot = std::make_shared<Snapshot>();
    UpstreamConfig config;
    config.options.name = "core-manager";
    config.urls = urls;
    config.health_path = health_path;
    config.health_interval = milliseconds(20);
    snapshot->groups["core-manager"] = std::make_shared<http::UpstreamGroup>(config.options);
    snapshot->config.upstreams.push_back(config);
    return snapshot;
  }

  static std::vector<bool> Ups(const Snapshot& snapshot) {
    std::vector<bool> ups;
    for (const auto& endpoint : snapshot.groups.at("core-manager")->endpoints()) {
      ups.push_back(endpoint->is_up);
    }
    return ups;
  }

  FakeUpstream one_;
  FakeUpstream two_;
};

TEST_F(UpstreamCheckerTest, FindsTheAddressesOfNewGroups) {
  const SnapshotPtr snapshot = Of({one_.url(), "http://localhost:81"}, "");
  ResolveNewGroups(*snapshot, nullptr, std::chrono::seconds(10));
  const auto endpoints = snapshot->groups.at("core-manager")->endpoints();
  ASSERT_GE(endpoints.size(), 2u);
  EXPECT_EQ(endpoints.front()->name, one_.address());
}

TEST_F(UpstreamCheckerTest, NumericAddressesNeedNoPatience) {
  const SnapshotPtr snapshot = Of({one_.url(), two_.url()}, "");
  ResolveNewGroups(*snapshot, nullptr, milliseconds(0));
  EXPECT_EQ(snapshot->groups.at("core-manager")->endpoints().size(), 2u);
}

TEST_F(UpstreamCheckerTest, NamesThatWereUnknownBeforeAreLeftToTheChecker) {
  const SnapshotPtr before = Of({"http://localhost:81"}, "");
  const SnapshotPtr after = Of({"http://localhost:81"}, "/other");
  ResolveNewGroups(*after, before.get(), std::chrono::seconds(10));
  EXPECT_TRUE(after->groups.at("core-manager")->endpoints().empty()) << "nobody waits for it again";
  const SnapshotPtr other = Of({"http://localhost:82"}, "");
  ResolveNewGroups(*other, before.get(), std::chrono::seconds(10));
  EXPECT_FALSE(other->groups.at("core-manager")->endpoints().empty());
  LiveConfig live(after);
  UpstreamChecker checker(live);
  EXPECT_TRUE(Eventually([&] { return !Ups(*after).empty(); }));
}

TEST_F(UpstreamCheckerTest, AnAddressThatFailsItsProbesIsDownUntilOneSucceeds) {
  one_.Do(Healthy);
  two_.Do(Sick);
  LiveConfig live(Of({one_.url(), two_.url()}, "/healthz"));
  UpstreamChecker checker(live);
  EXPECT_TRUE(Eventually([&] { return Ups(*live.Get()) == std::vector<bool>{true, false}; }));
  const std::vector<SeenRequest> seen = one_.Take();
  ASSERT_FALSE(seen.empty());
  EXPECT_EQ(seen.front().RequestLine(), "GET /healthz HTTP/1.1");
  EXPECT_THAT(seen.front().All("Host"), ElementsAre(one_.address()));
  two_.Do(Healthy);
  EXPECT_TRUE(Eventually([&] { return Ups(*live.Get()) == std::vector<bool>{true, true}; }));
}

TEST_F(UpstreamCheckerTest, OneFailureAloneDoesNotBringAnAddressDown) {
  std::atomic<int> asked = 0;
  std::atomic<bool> was_down = false;
  const SnapshotPtr snapshot = Of({one_.url()}, "/");
  one_.Do([&](const SeenRequest& request) {
    for (const bool up : Ups(*snapshot)) was_down = was_down || !up;
    return ++asked % 2 == 0 ? Healthy(request) : Sick(request);
  });
  LiveConfig live(snapshot);
  UpstreamChecker checker(live);
  EXPECT_TRUE(Eventually([&] { return asked >= 6; }));
  EXPECT_FALSE(was_down);
}

TEST_F(UpstreamCheckerTest, WithoutAHealthPathConnectingIsEnough) {
  two_.Stop();
  LiveConfig live(Of({one_.url(), two_.url()}, ""));
  UpstreamChecker checker(live);
  EXPECT_TRUE(Eventually([&] { return Ups(*live.Get()) == std::vector<bool>{true, false}; }));
  EXPECT_TRUE(one_.Take().empty()) << "nothing was asked";
}

TEST_F(UpstreamCheckerTest, ANewConfigurationIsTakenUpWhenItIsWoken) {
  LiveConfig live(Of({one_.url()}, ""));
  UpstreamChecker checker(live);
  live.Set(Of({two_.url()}, ""));
  checker.Wake();
  EXPECT_TRUE(Eventually([&] { return Ups(*live.Get()).size() == 1; }));
}

TEST_F(UpstreamCheckerTest, GoesAtOnceWhileAProbeHangs) {
  std::atomic<bool> asked = false;
  std::atomic<bool> gone = false;
  one_.Do([&](const SeenRequest&) {
    asked = true;
    EXPECT_TRUE(Eventually([&] { return gone.load(); }));
    return "";
  });
  LiveConfig live(Of({one_.url()}, "/slow"));
  auto checker = std::make_unique<UpstreamChecker>(live);
  ASSERT_TRUE(Eventually([&] { return asked.load(); }));
  checker.reset();
  gone = true;
  one_.Stop();
  EXPECT_THAT(Ups(*live.Get()), ElementsAre(true)) << "nobody is blamed for our leaving";
}

TEST(UpstreamNames, AreCutOutOfTheUrl) {
  EXPECT_EQ(AuthorityOfUrl("http://core-manager:8080"), "core-manager:8080");
  EXPECT_EQ(AuthorityOfUrl("http://core-manager:8080/"), "core-manager:8080");
  EXPECT_EQ(AuthorityOfUrl("http://[::1]:80"), "[::1]:80");
}

TEST(UpstreamNames, WhatCannotBeResolvedIsDoneWithNothing) {
  Resolution resolution({"http://no-such-host.invalid:80"});
  EXPECT_TRUE(resolution.IsDone(std::chrono::seconds(15)));
  EXPECT_TRUE(resolution.Take().empty());
}

}  // namespace
}  // namespace gatehouse::gateway
