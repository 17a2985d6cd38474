// What clients of the edge see when something behind it is killed, and that all comes
// back without a restart of the gateway.
#include <gmock/gmock.h>

#include <chrono>
#include <thread>

#include "libs/pg/testing.h"
#include "tests/harness/node_upstream.h"
#include "tests/harness/stack.h"

namespace gatehouse {
namespace {

using harness::Answer;
using harness::Eventually;
using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

class EdgeFaults : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(upstream_.Start());
    harness::Stack::Options options;
    options.own["gateway"] = {{"CORE_MANAGER_URL", upstream_.Url()},
                              {"RATE_LIMIT_ENABLED", "false"}};
    stack_ = std::make_unique<harness::Stack>(options);
    ASSERT_EQ(stack_->Start(), "");
    admin_ = stack_->AdminToken();
    ASSERT_EQ(Templates().status, 200);
  }

  Answer Templates() { return stack_->http().Call("GET", "/api/v1/templates", "", admin_); }
  Answer Me() { return stack_->http().Call("GET", "/api/me/", "", admin_); }

  harness::NodeUpstream upstream_;
  std::unique_ptr<harness::Stack> stack_;
  std::string admin_;
};

TEST_F(EdgeFaults, AKilledUpstreamIs502AtOnceAndServesAgainWhenItIsBack) {
  upstream_.Kill();
  const auto begin = steady_clock::now();
  const Answer answer = Templates();
  EXPECT_LT(steady_clock::now() - begin, seconds(3)) << "a refused connection needs no timeout";
  EXPECT_EQ(answer.status, 502);
  EXPECT_EQ(answer.At("/error"), "BAD_GATEWAY");
  EXPECT_EQ(answer.At("/message"), "Service temporarily unavailable");
  EXPECT_EQ(answer.At("/service"), "core-manager");
  EXPECT_EQ(Me().status, 200) << "own routes do not mind";
  ASSERT_TRUE(upstream_.Start());
  EXPECT_TRUE(Eventually([&] { return Templates().status == 200; }));
}

TEST_F(EdgeFaults, AnUpstreamThatKeepsFailingIsNotAskedForAWhile) {
  upstream_.Kill();
  EXPECT_TRUE(Eventually([&] { return Templates().At("/error") == "UPSTREAM_CIRCUIT_OPEN"; }));
  const Answer answer = Templates();
  EXPECT_EQ(answer.status, 503);
  EXPECT_NE(answer.Header("Retry-After"), "");
}

TEST_F(EdgeFaults, WithoutAuthProtectedRoutesCloseWithinSevenSecondsAndOpenAgain) {
  stack_->at("auth").Kill();
  EXPECT_TRUE(Eventually([&] { return Templates().status == 503; }, seconds(7)));
  EXPECT_EQ(Templates().At("/error"), "CONTROL_STREAM_LOST");
  ASSERT_TRUE(stack_->at("auth").Start());
  EXPECT_TRUE(Eventually([&] { return Templates().status == 200; }, seconds(15)));
}

TEST_F(EdgeFaults, WithoutTheDatabaseOwnRoutesAre503AndAllComesBack) {
  pg::testing::Cluster::Get().CrashAndStayDown();
  EXPECT_TRUE(Eventually([&] { return Me().status == 503; }, seconds(10)));
  pg::testing::Cluster::Get().Restart();
  EXPECT_TRUE(
      Eventually([&] { return Me().status == 200 && Templates().status == 200; }, seconds(20)));
}

TEST_F(EdgeFaults, DrainLetsWhatIsUnderWayFinish) {
  Answer slow;
  std::thread client(
      [&] { slow = stack_->http().Call("GET", "/api/v1/templates?delay=700", "", admin_); });
  EXPECT_TRUE(Eventually([&] { return stack_->http().Call("GET", "/health", "").status == 200; }));
  std::this_thread::sleep_for(milliseconds(200));  // The request is at the upstream by now.
  EXPECT_EQ(stack_->at("gateway").Stop(), 0);
  client.join();
  EXPECT_EQ(slow.status, 200);
}

}  // namespace
}  // namespace gatehouse
