// Two gateways and a real Redis: the limit of a user is one limit, whichever gateway
// is asked; each counts for itself while Redis is gone; a flush of the caches reaches
// both and revives nothing.
#include <gmock/gmock.h>

#include <atomic>
#include <thread>

#include "libs/redis/testing.h"
#include "tests/harness/stack.h"

namespace gatehouse {
namespace {

using harness::Answer;
using harness::Eventually;
using harness::Stack;
using redis::testing::RedisServer;
using std::chrono::steady_clock;
using ::testing::HasSubstr;

constexpr int kRate = 10;  // Of a user, by default.
constexpr int kBurst = 20;
constexpr int kLease = 2;  // A tenth of the burst.
constexpr char kMe[] = "/api/me/";
constexpr const char* kGateways[] = {"gateway", "gateway-2"};

class LimitsFlow : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    redis_ = new RedisServer();
    Stack::Options options;
    options.gateways = 2;
    for (const char* gateway : kGateways) {
      options.own[gateway] = {
          {"RATE_LIMIT_ENABLED", "true"}, {"REDIS_URL", redis_->url()}, {"ACCESS_LOG", "false"}};
    }
    stack_ = new Stack(options);
    ASSERT_EQ(stack_->Start(), "");
    admin_ = stack_->AdminToken();
  }
  static void TearDownTestSuite() {
    delete stack_;
    delete redis_;
    stack_ = nullptr;
    redis_ = nullptr;
  }
  void SetUp() override { ASSERT_TRUE(BothAre("healthy")); }

  static Answer Me(const std::string& gateway, const std::string& token) {
    return stack_->http(gateway).Call("GET", kMe, "", token);
  }

  // Whether both say so of the whole and of Redis, soon.
  static bool BothAre(const std::string& health) {
    const std::string redis = health == "healthy" ? "healthy" : "unhealthy";
    return Eventually([&] {
      for (const char* gateway : kGateways) {
        const Answer answer = stack_->http(gateway).Call("GET", "/health");
        if (answer.status != 200 || answer.At("/status") != health) return false;
        if (answer.At("/services/redis/status") != redis) return false;
      }
      return true;
    });
  }

  // Asks one gateway as often as it can until `end`; how many are let in.
  static int Hammer(const std::string& gateway, const std::string& token,
                    steady_clock::time_point end) {
    int passed = 0;
    while (steady_clock::now() < end) {
      const Answer answer = Me(gateway, token);
      EXPECT_THAT(answer.status, testing::AnyOf(200, 429)) << answer.body;
      EXPECT_EQ(answer.Header("X-RateLimit-Limit"), std::to_string(kRate));
      if (answer.status == 429) {
        EXPECT_EQ(answer.At("/error"), "RATE_LIMITED");
        EXPECT_GE(std::stoi("0" + answer.Header("Retry-After")), 1);
        EXPECT_EQ(answer.Header("X-RateLimit-Remaining"), "0");
      }
      passed += answer.status == 200;
    }
    return passed;
  }

  // The same on both, with two clients each; how many are let in, and in which time.
  static std::pair<int, double> HammerBoth(const std::string& token,
                                           std::chrono::milliseconds time) {
    std::atomic<int> passed{0};
    const auto begin = steady_clock::now();
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&, i] { passed += Hammer(kGateways[i % 2], token, begin + time); });
    }
    for (std::thread& thread : threads) thread.join();
    return {passed.load(), std::chrono::duration<double>(steady_clock::now() - begin).count()};
  }

  // How many of `count` requests one gateway lets in.
  static int Passed(const std::string& gateway, const std::string& token, int count) {
    int passed = 0;
    for (int i = 0; i < count; ++i) passed += Me(gateway, token).status == 200;
    return passed;
  }

  static Stack* stack_;
  static RedisServer* redis_;
  static std::string admin_;
};

Stack* LimitsFlow::stack_ = nullptr;
RedisServer* LimitsFlow::redis_ = nullptr;
std::string LimitsFlow::admin_;

TEST_F(LimitsFlow, OneLimitForBothGateways) {
  const std::string token = stack_->SignUp("alice");
  const auto [passed, seconds] = HammerBoth(token, std::chrono::seconds(2));
  EXPECT_LE(passed, kBurst + kRate * seconds + 2 * kLease);
  EXPECT_GE(passed, kBurst + kRate) << "what is promised is to be had";
}

TEST_F(LimitsFlow, WhileRedisIsGoneEachCountsForItself) {
  const std::string token = stack_->SignUp("bob");
  redis_->Kill();
  ASSERT_TRUE(BothAre("degraded"));
  for (const char* gateway : kGateways) {
    EXPECT_EQ(stack_->http(gateway).Call("GET", "/health/ready").status, 200);
    EXPECT_GE(Passed(gateway, token, 60), kBurst) << "a whole bucket of its own";
  }
  const Answer answer = Me("gateway", token);
  EXPECT_EQ(answer.Header("X-RateLimit-Limit"), std::to_string(kRate));
  EXPECT_THAT(answer.Header("RateLimit-Policy"), HasSubstr("\"user\";q=20;w=2"));
  redis_->Start();
  ASSERT_TRUE(BothAre("healthy"));
  const auto [passed, seconds] = HammerBoth(stack_->SignUp("bert"), std::chrono::seconds(1));
  EXPECT_LE(passed, kBurst + kRate * seconds + 2 * kLease) << "shared again";
}

TEST_F(LimitsFlow, ARedisThatStandsStillHoldsUpNobody) {
  const std::string token = stack_->SignUp("carol");
  redis_->Freeze();
  for (const char* gateway : kGateways) EXPECT_GE(Passed(gateway, token, 30), kBurst);
  EXPECT_TRUE(BothAre("degraded"));
  redis_->Thaw();
  EXPECT_TRUE(BothAre("healthy"));
}

TEST_F(LimitsFlow, TheStoreIsToldOfInTheLogOncePerChange) {
  const auto told = [](const std::string& message) {
    const std::string log = stack_->Log("gateway");
    int count = 0;
    for (std::size_t at = 0; (at = log.find(message, at)) != std::string::npos; ++at) ++count;
    return count;
  };
  const int downs = told("the shared store of limits is down");
  const int ups = told("limits are shared with the other gateways");
  redis_->Kill();
  ASSERT_TRUE(BothAre("degraded"));
  const std::string token = stack_->SignUp("fay");
  EXPECT_GE(Passed("gateway", token, 60), kBurst);
  redis_->Start();
  ASSERT_TRUE(BothAre("healthy"));
  EXPECT_EQ(told("the shared store of limits is down"), downs + 1);
  EXPECT_EQ(told("limits are shared with the other gateways"), ups + 1);
}

TEST_F(LimitsFlow, AFlushReachesBothGatewaysAndRevivesNothing) {
  const std::string token = stack_->SignUp("dora");
  const std::string dead = stack_->SignUp("dave");
  const auto look_ups = [&](const std::string& gateway) {
    const Answer told = stack_->http(gateway).Call("GET", "/platform/monitor/metrics", "", admin_);
    EXPECT_EQ(told.status, 200) << told.body;
    return std::stoi("0" + told.At("/credentials/look_up"));
  };
  for (const char* gateway : kGateways) ASSERT_EQ(Me(gateway, dead).status, 200);
  ASSERT_EQ(
      stack_->http().Call("POST", "/platform/authorization/admin/revoke/dave", "", admin_).status,
      200);
  for (const char* gateway : kGateways) {
    ASSERT_TRUE(Eventually([&] { return Me(gateway, dead).status == 401; }));
    Passed(gateway, token, 60);
    ASSERT_EQ(Me(gateway, token).status, 429);
  }
  const int before[] = {look_ups(kGateways[0]), look_ups(kGateways[1])};

  const Answer flushed = stack_->http().Call("DELETE", "/api/caches", "", admin_);
  ASSERT_EQ(flushed.status, 200) << flushed.body;
  EXPECT_EQ(flushed.At("/message"), "All caches cleared");
  // Once full: of its 20, both together get most, where nothing would be left else.
  int passed = 0;
  EXPECT_TRUE(Eventually([&] {
    for (const char* gateway : kGateways) passed += Passed(gateway, token, 5);
    return passed >= kBurst / 2;
  }));
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(Eventually([&] {
      Me(kGateways[i], token);
      return look_ups(kGateways[i]) > before[i];
    })) << kGateways[i];
    EXPECT_EQ(Me(kGateways[i], dead).status, 401) << "revoked for good";
  }
  EXPECT_EQ(stack_->Sql("SELECT actor_username || ' ' || target || ' ' || success"
                        " FROM auth.audit_events WHERE type = 'gateway_clear_caches'"),
            "admin all true");
}

TEST_F(LimitsFlow, NothingOfItIsFeltByWhoKeepsWithinTheLimit) {
  const std::string token = stack_->SignUp("erin");
  // All but what the two may hold ahead.
  for (int i = 0; i < kBurst / 2 - kLease; ++i) {
    for (const char* gateway : kGateways) EXPECT_EQ(Me(gateway, token).status, 200);
  }
}

}  // namespace
}  // namespace gatehouse
