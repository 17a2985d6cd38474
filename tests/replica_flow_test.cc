// Two gateways on one auth: a revocation reaches both, a gateway that has lost the
// control stream closes, and everything comes back after the database was killed.
#include <gmock/gmock.h>

#include "libs/pg/testing.h"
#include "tests/harness/stack.h"

namespace gatehouse {
namespace {

using harness::Answer;
using harness::Eventually;
using harness::Stack;

class ReplicaFlow : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    Stack::Options options;
    options.gateways = 2;
    options.proxied = {{"gateway-2", "auth"}};
    stack_ = new Stack(options);
    ASSERT_EQ(stack_->Start(), "");
  }
  static void TearDownTestSuite() {
    delete stack_;
    stack_ = nullptr;
  }

  static int Me(const std::string& gateway, const std::string& token) {
    return stack_->http(gateway).Call("GET", "/api/me/", "", token).status;
  }
  // Needs auth for nothing but the token, which the gateway has in its cache.
  static int Balance(const std::string& gateway, const std::string& token) {
    return stack_->http(gateway).Call("GET", "/api/billing/reserve/balance/", "", token).status;
  }

  static Stack* stack_;
};

Stack* ReplicaFlow::stack_ = nullptr;

TEST_F(ReplicaFlow, ARevocationReachesTheOtherGatewayWithinASecond) {
  for (int round = 0; round < 5; ++round) {
    const std::string token = stack_->SignUp("leaver" + std::to_string(round));
    ASSERT_EQ(Me("gateway", token), 200);
    ASSERT_EQ(Me("gateway-2", token), 200);
    ASSERT_EQ(stack_->http().Call("POST", "/api/auth/logout/", "", token).status, 200);
    EXPECT_TRUE(Eventually([&] { return Me("gateway-2", token) == 401; }, std::chrono::seconds(1)));
    EXPECT_EQ(Me("gateway", token), 401);
  }
}

TEST_F(ReplicaFlow, RevokingAUserKillsEveryTokenOnBothGateways) {
  const std::string token = stack_->SignUp("banished");
  ASSERT_EQ(Me("gateway", token), 200);
  ASSERT_EQ(Me("gateway-2", token), 200);
  harness::Process revoke("auth", stack_->at("auth").environment(),
                          stack_->directory() + "/revoke.log");
  ASSERT_EQ(revoke.Run({"revoke-user", "banished"}), 0) << revoke.Log();
  for (const char* gateway : {"gateway", "gateway-2"}) {
    EXPECT_TRUE(Eventually([&] { return Me(gateway, token) == 401; }, std::chrono::seconds(1)));
  }
}

TEST_F(ReplicaFlow, AGatewayWithoutTheControlStreamClosesAndOpensAgain) {
  const std::string token = stack_->SignUp("traveller");
  ASSERT_EQ(Balance("gateway-2", token), 200);
  stack_->proxy("gateway-2", "auth").Stall(true);
  EXPECT_EQ(Balance("gateway-2", token), 200) << "a short silence harms nobody";
  EXPECT_TRUE(
      Eventually([&] { return Balance("gateway-2", token) == 503; }, std::chrono::seconds(7)));
  EXPECT_EQ(stack_->http("gateway-2").Call("GET", "/api/healthz/").status, 200);
  EXPECT_EQ(stack_->http("gateway-2").Call("GET", "/health/ready").status, 503);
  EXPECT_EQ(Me("gateway", token), 200) << "the other gateway is not concerned";
  stack_->proxy("gateway-2", "auth").Stall(false);
  EXPECT_TRUE(Eventually([&] { return Me("gateway-2", token) == 200; }));
}

TEST_F(ReplicaFlow, EverythingComesBackAfterTheDatabaseWasKilled) {
  const std::string token = stack_->SignUp("survivor");
  ASSERT_EQ(Me("gateway", token), 200);
  pg::testing::Cluster::Get().CrashAndStayDown();
  EXPECT_TRUE(Eventually([&] { return Me("gateway", token) >= 500; }));
  EXPECT_TRUE(Eventually(
      [&] { return stack_->http().Call("GET", "/health").At("/status") == "unhealthy"; }));
  pg::testing::Cluster::Get().Restart();
  EXPECT_TRUE(Eventually([&] { return Me("gateway", token) == 200; }));
  EXPECT_TRUE(stack_->AwaitHealthy());
  for (const char* name : {"auth", "invitations", "billing", "jobs"}) {
    EXPECT_TRUE(stack_->at(name).running()) << "no process was restarted";
  }
}

}  // namespace
}  // namespace gatehouse
