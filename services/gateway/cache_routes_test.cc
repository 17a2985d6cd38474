// DELETE /api/caches, with a second gateway on the same services, and what the
// monitor tells.
#include <optional>

#include "libs/redis/testing.h"
#include "services/gateway/gateway_fixture.h"
#include "services/gateway/lease_keeper.h"

namespace gatehouse::gateway {
namespace {

using auth::v1::LookupTokenResponse;
using redis::testing::RedisServer;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kMe[] = "/api/me/";
constexpr char kMetrics[] = "/platform/monitor/metrics";

class CacheRoutesTest : public GatewayTest {
 protected:
  static HotConfig Limited() {
    HotConfig hot = TestHotConfig();
    hot.rate_limit_enabled = true;
    return hot;
  }
  static Options Addressed() {
    Options options = TestOptions();
    options.auth_rate_limit = 2;
    options.auth_rate_window = std::chrono::hours(1);
    return options;
  }
  CacheRoutesTest() : GatewayTest(Addressed(), Limited()) {
    EXPECT_TRUE(other_.Start().ok());
    EXPECT_TRUE(Eventually([&] { return other_.Ready().ok(); }));
    services_.EditToken(user_, [](LookupTokenResponse& answer) {
      answer.set_rate_limit_per_second(1);
      answer.set_rate_limit_burst(3);
    });
  }

  Answer GetOther(const std::string& path, const std::string& token) {
    return Fetch(other_.address(), "GET", path, {{"Authorization", "Bearer " + token}});
  }
  Answer LogIn() { return Post("/api/auth/token/", "", R"({"username":"a","password":"b"})"); }

  Gateway other_{TestOptions(), Limited(), services_.Clients(), clock_};
  const std::string manager_ = services_.AddToken("moderator", {"manage_gateway"});
};

TEST_F(CacheRoutesTest, AFlushIsFeltOnEveryGateway) {
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(Get(kMe, user_).status, 200);
    ASSERT_EQ(GetOther(kMe, user_).status, 200);
  }
  ASSERT_EQ(Get(kMe, user_).status, 429);
  ASSERT_EQ(GetOther(kMe, user_).status, 429);
  for (int i = 0; i < 2; ++i) LogIn();
  ASSERT_EQ(LogIn().status, 429);
  const std::size_t look_ups = services_.look_up.calls();

  const Answer cleared = Send("DELETE", "/api/caches", manager_);
  EXPECT_EQ(cleared.status, 200);
  EXPECT_EQ(cleared.body, R"({"message":"All caches cleared"})");
  EXPECT_EQ(services_.control.flush_caches.principal().user_id(), services_.UserId(manager_));
  EXPECT_EQ(services_.control.flush_caches.last().origin().client_address(), "127.0.0.1");
  EXPECT_EQ(Get(kMe, user_).status, 200) << "at once where it was asked";
  EXPECT_TRUE(Eventually([&] { return GetOther(kMe, user_).status == 200; }));
  EXPECT_GE(services_.look_up.calls(), look_ups + 3) << "manager, and the user on each";
  EXPECT_TRUE(Eventually([&] { return LogIn().status != 429; })) << "addresses, too";
}

TEST_F(CacheRoutesTest, AFlushRevivesNothing) {
  ASSERT_EQ(Get(kMe, user_).status, 200);
  auth::v1::ControlUpdate revoked;
  revoked.mutable_revocation()->set_token_id(services_.TokenId(user_));
  services_.control.Push(revoked);
  ASSERT_TRUE(Eventually([&] { return Get(kMe, user_).status == 401; }));
  ASSERT_EQ(Send("DELETE", "/api/caches", manager_).status, 200);
  EXPECT_EQ(Get(kMe, user_).status, 401) << "although the fake auth still knows it";
}

TEST_F(CacheRoutesTest, AFlushThatWasMissedIsMadeUpFor) {
  for (int i = 0; i < 3; ++i) ASSERT_EQ(Get(kMe, user_).status, 200);
  ASSERT_EQ(Get(kMe, user_).status, 429);
  services_.control.Mute(true);
  auth::v1::ControlUpdate update;
  update.mutable_flush()->set_user_id(services_.UserId(manager_));
  services_.control.Push(update);
  ASSERT_EQ(Get(kMe, user_).status, 429) << "not heard of";
  services_.control.Mute(false);
  EXPECT_TRUE(Eventually([&] { return Get(kMe, user_).Get("X-RateLimit-Remaining") == "2"; }));
}

TEST_F(CacheRoutesTest, AFlushByAuthItselfClearsCachesAndNoLimit) {
  for (int i = 0; i < 3; ++i) ASSERT_EQ(Get(kMe, user_).status, 200);
  const std::size_t look_ups = services_.look_up.calls();
  auth::v1::ControlUpdate update;
  update.mutable_flush();
  services_.control.Push(update);
  EXPECT_TRUE(Eventually([&] {
    const Answer answer = Get(kMe, user_);
    EXPECT_LT(answer.Get("X-RateLimit-Remaining"), "2");
    return services_.look_up.calls() > look_ups;
  }));
}

TEST_F(CacheRoutesTest, NeedsThePermissionHereAndAtAuth) {
  for (const std::string& token : {user_, admin_}) {
    const Answer refused = Send("DELETE", "/api/caches", token);
    EXPECT_EQ(refused.status, 403);
    EXPECT_EQ(Code(refused), "GTW008");
    EXPECT_THAT(refused.body, HasSubstr(R"("error_code":"GTW008","error_message":")"
                                        "You do not have permission to clear caches\""));
  }
  EXPECT_EQ(services_.control.flush_caches.calls(), 0u);
  EXPECT_EQ(Send("DELETE", "/api/caches", "").status, 401);
  EXPECT_EQ(Send("GET", "/api/caches", manager_).status, 405);
  services_.control.flush_caches.Fail(
      Error(absl::StatusCode::kPermissionDenied, "FORBIDDEN", "not any more"));
  const Answer late = Send("DELETE", "/api/caches", manager_);
  EXPECT_EQ(late.status, 403);
  EXPECT_EQ(Code(late), "GTW008");
}

TEST_F(CacheRoutesTest, TheMonitorTellsTotals) {
  ASSERT_EQ(Get(kMe, user_).status, 200);
  const Answer answer = Get(kMetrics, manager_);
  ASSERT_EQ(answer.status, 200) << answer.body;
  for (const char* part :
       {R"("service":"gateway")", R"("since":"20)", R"("requests":{"total":)",
        R"("group":"class","groups":[{"name":")", R"("in_flight":{"admin":1,"api":)",
        R"("sockets_open":)", R"("upstreams":[)", R"("refused_by_user":)",
        R"("store":"not_configured")", R"("credentials":{)"}) {
    EXPECT_THAT(answer.body, HasSubstr(part));
  }
  EXPECT_THAT(Get(std::string(kMetrics) + "?group=route&sort=name&range=24h", manager_).body,
              HasSubstr(R"({"name":"/api/me/","count":)"));
  EXPECT_THAT(Get(std::string(kMetrics) + "?group=none", manager_).body,
              Not(HasSubstr("\"groups\"")));
}

TEST_F(CacheRoutesTest, TheMonitorRefusesWhatItDoesNotKnow) {
  for (const char* query : {"group=tenant", "sort=up", "range=24", "range=h", "range=1y",
                            "range=12345h", "range=-1h"}) {
    const Answer refused = Get(std::string(kMetrics) + "?" + query, manager_);
    EXPECT_EQ(refused.status, 400) << query;
  }
  const Answer stranger = Get(kMetrics, user_);
  EXPECT_EQ(stranger.status, 403);
  EXPECT_EQ(Code(stranger), "MON001");
  EXPECT_EQ(Get(kMetrics, "").status, 401);
}

// Above the gateway, which must know its address.
struct OwnRedis {
  RedisServer redis;
};

class RedisHealthTest : private OwnRedis, public GatewayTest {
 protected:
  static HotConfig Limited() {
    HotConfig hot = TestHotConfig();
    hot.rate_limit_enabled = true;
    return hot;
  }
  RedisHealthTest() : GatewayTest(TestOptions(), Limited(), {.redis_url = redis.url()}) {}
  bool Healthy() { return Get("/health", "").body.starts_with(R"({"status":"healthy")"); }
  bool Degraded() { return Get("/health", "").body.starts_with(R"({"status":"degraded")"); }
  using OwnRedis::redis;

  const std::string manager_ = services_.AddToken("admin", {"manage_gateway"});
};

TEST_F(RedisHealthTest, RedisDownDegradesAndHarmsNothing) {
  ASSERT_TRUE(Eventually([&] { return Healthy(); }));
  EXPECT_THAT(Get("/health", "").body, HasSubstr(R"("redis":{"status":"healthy"})"));
  EXPECT_THAT(Get("/health/ready", "").body, HasSubstr(R"("redis":"healthy")"));
  EXPECT_THAT(Get("/api/readyz/", "").body, HasSubstr(R"("cache":"ok")"));
  EXPECT_THAT(Get("/platform/monitor/readiness", manager_).body, HasSubstr(R"("redis":true)"));
  EXPECT_THAT(Get("/system/health/", manager_).body, HasSubstr(R"("redis":"healthy")"));
  redis.Kill();
  ASSERT_TRUE(Eventually([&] { return Degraded(); }));
  EXPECT_EQ(Get("/health", "").status, 200);
  EXPECT_THAT(Get("/health", "").body, HasSubstr(R"("redis":{"status":"unhealthy"})"));
  const Answer ready = Get("/health/ready", "");
  EXPECT_EQ(ready.status, 200);
  EXPECT_THAT(ready.body, HasSubstr(R"("redis":"unhealthy")"));
  EXPECT_EQ(Get("/api/readyz/", "").status, 200);
  EXPECT_THAT(Get("/platform/monitor/readiness", manager_).body,
              HasSubstr(R"({"status":"ready","database":true,"redis":false)"));
  const Answer limited = Get(kMe, user_);
  EXPECT_EQ(limited.status, 200);
  EXPECT_EQ(limited.Get("X-RateLimit-Limit"), "10");
  redis.Start();
  EXPECT_TRUE(Eventually([&] { return Healthy(); }));
}

TEST_F(RedisHealthTest, StaffSeeEachPartByItself) {
  ASSERT_TRUE(Eventually([&] { return Healthy(); }));
  const Answer answer = Get("/system/health/", manager_);
  EXPECT_EQ(answer.status, 200);
  EXPECT_THAT(answer.body, HasSubstr(R"("checks":{"database":"healthy","redis":"healthy",)"
                                     R"("storage":"not_configured","job_queue":"healthy",)"
                                     R"("workers":"healthy"}})"));
  EXPECT_EQ(Get("/system/health/", user_).status, 403);
  EXPECT_EQ(Get("/system/health/", "").status, 401);
  services_.Stop("jobs");
  EXPECT_TRUE(Eventually([&] {
    return Get("/system/health/", manager_).body.find(R"("job_queue":"unhealthy")") !=
           std::string::npos;
  }));
}

TEST_F(RedisHealthTest, AFlushIsFeltAfterTheDatabaseWasRestored) {
  ASSERT_TRUE(Eventually([&] { return Healthy(); }));
  services_.EditToken(user_, [](LookupTokenResponse& answer) {
    answer.set_rate_limit_per_second(1);
    answer.set_rate_limit_burst(40);
  });
  const auto use_up = [&] {
    int passed = 0;
    while (Get(kMe, user_).status != 429) ++passed;
    return passed;
  };
  use_up();
  ASSERT_EQ(Send("DELETE", "/api/caches", manager_).status, 200);
  EXPECT_GE(use_up(), 30);
  const std::int64_t last = services_.control.sequence();
  const int streams = services_.control.streams_opened();
  services_.control.Restore(last - 1);
  ASSERT_TRUE(Eventually([&] { return services_.control.streams_opened() > streams; }));
  ASSERT_TRUE(Eventually([&] { return Get(kMe, user_).status == 200; })) << "it begins anew";
  use_up();
  ASSERT_EQ(Send("DELETE", "/api/caches", manager_).status, 200);
  EXPECT_EQ(services_.control.sequence(), last) << "the same number again";
  EXPECT_GE(use_up(), 30);
}

TEST_F(RedisHealthTest, ManyRequestsAtOnceAreAllAnswered) {
  // Of them, 20 at once are let in by the user row; each waits for Redis at most once.
  std::vector<std::thread> threads;
  std::atomic<int> passed{0}, refused{0};
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      for (int k = 0; k < 5; ++k) {
        const int status = Get(kMe, user_).status;
        passed += status == 200;
        refused += status == 429;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(passed + refused, 40);
  EXPECT_GE(passed, 20);
}

}  // namespace
}  // namespace gatehouse::gateway
