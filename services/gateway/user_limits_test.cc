// Limits per user and for who is unknown, through the whole edge.
#include <future>

#include "services/gateway/gateway_fixture.h"

namespace gatehouse::gateway {
namespace {

using auth::v1::LookupTokenResponse;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kMe[] = "/api/me/";
constexpr char kProxied[] = "/api/v1/admin/clients";  // One of the seed's, to core-manager.

class UserLimitTest : public GatewayTest {
 protected:
  // So slow that nothing comes back while a test runs.
  static HotConfig Limited() {
    HotConfig hot = TestHotConfig();
    hot.rate_limit_enabled = true;
    hot.anonymous_requests = 3;
    hot.anonymous_window = std::chrono::hours(1);
    return hot;
  }
  static Options Trusting() {
    Options options = TestOptions();
    options.trusted_proxies = *TrustedProxies::Parse("127.0.0.1");
    return options;
  }
  UserLimitTest() : GatewayTest(Trusting(), Limited()) {
    for (const std::string& token : {user_, admin_}) SetRate(token, 1, 5);
  }

  void SetRate(const std::string& token, int per_second, int burst) {
    services_.EditToken(token, [=](LookupTokenResponse& answer) {
      answer.set_rate_limit_per_second(per_second);
      answer.set_rate_limit_burst(burst);
    });
  }
  Answer From(const std::string& address, const std::string& path, const std::string& token = "") {
    return Get(path, token, {{"X-Forwarded-For", address}});
  }
  // How many of `count` requests are not answered 429.
  int Passed(int count, const std::string& path, const std::string& token) {
    int passed = 0;
    for (int i = 0; i < count; ++i) passed += Get(path, token).status == 429 ? 0 : 1;
    return passed;
  }
};

TEST_F(UserLimitTest, EveryAnswerSaysWhatIsLeft) {
  const Answer first = Get(kMe, user_);
  EXPECT_EQ(first.status, 200);
  EXPECT_EQ(first.Get("X-RateLimit-Limit"), "1") << "per second";
  EXPECT_EQ(first.Get("X-RateLimit-Remaining"), "4");
  EXPECT_EQ(first.Get("RateLimit-Policy"), R"("user";q=5;w=5)");
  EXPECT_EQ(first.Get("RateLimit"), R"("user";r=4;t=1)");
  const auto now = std::chrono::duration_cast<std::chrono::seconds>(
      std::chrono::system_clock::now().time_since_epoch());
  EXPECT_NEAR(std::stod(first.Get("X-RateLimit-Reset")), static_cast<double>(now.count()), 3);
  services_.get_user.Fail(absl::UnavailableError("down"));
  EXPECT_EQ(Get(kMe, user_).Get("X-RateLimit-Remaining"), "3") << "a failure is told it, too";
}

TEST_F(UserLimitTest, TheOneTooManyIsAnswered429BeforeTheHandler) {
  EXPECT_EQ(Passed(5, kMe, user_), 5);
  const std::size_t calls = services_.get_user.calls();
  const Answer refused = Get(kMe, user_);
  ASSERT_EQ(refused.status, 429);
  EXPECT_EQ(Code(refused), "RATE_LIMITED");
  EXPECT_THAT(refused.body, HasSubstr(R"("message":"Rate limit exceeded")"));
  EXPECT_EQ(refused.Get("Retry-After"), "1");
  EXPECT_EQ(refused.Get("X-RateLimit-Limit"), "1");
  EXPECT_EQ(refused.Get("X-RateLimit-Remaining"), "0");
  EXPECT_THAT(refused.Get("RateLimit"), HasSubstr(";r=0;"));
  EXPECT_EQ(services_.get_user.calls(), calls);
  const Answer v1 = Get("/api/v1/auth/me/", user_);
  EXPECT_EQ(v1.status, 429);
  EXPECT_THAT(v1.body, HasSubstr(R"("detail":"Rate limit exceeded")"));
}

TEST_F(UserLimitTest, AllCredentialsOfAUserShareTheirBucketAndOthersHaveTheirOwn) {
  const std::string second = services_.AddToken("user", {});
  services_.EditToken(second, [id = services_.UserId(user_)](LookupTokenResponse& answer) {
    answer.mutable_principal()->set_user_id(id);
    answer.set_rate_limit_per_second(1);
    answer.set_rate_limit_burst(5);
  });
  EXPECT_EQ(Passed(3, kMe, user_), 3);
  EXPECT_EQ(Passed(5, kMe, second), 2);
  EXPECT_EQ(Passed(5, kMe, admin_), 5);
}

TEST_F(UserLimitTest, WhatGoesToAnUpstreamIsCountedApart) {
  EXPECT_EQ(Passed(9, kMe, admin_), 5);
  const Answer proxied = Get(kProxied, admin_);
  EXPECT_EQ(proxied.status, 502) << "no upstream is configured";
  EXPECT_THAT(proxied.Get("RateLimit-Policy"), HasSubstr(R"("proxy";q=5)"));
  EXPECT_EQ(Passed(9, kProxied, admin_), 4);
}

TEST_F(UserLimitTest, TheConfigurationMaySetAnotherRateForAClassAtOnce) {
  EXPECT_EQ(Passed(9, kMe, user_), 5);
  SetHot([](HotConfig& hot) { hot.rates[Limit::kUser] = {.per_second = 7, .burst = 70}; });
  const Answer wider = Get(kMe, user_);
  EXPECT_EQ(wider.status, 200);
  EXPECT_EQ(wider.Get("X-RateLimit-Limit"), "7");
  EXPECT_EQ(wider.Get("RateLimit-Policy"), R"("user";q=70;w=10)");
  SetHot([](HotConfig& hot) { hot.rates[Limit::kUser] = {.per_second = 7, .burst = 0}; });
  EXPECT_EQ(Get(kMe, user_).Get("RateLimit-Policy"), R"("user";q=5;w=1)") << "the row's burst";
}

TEST_F(UserLimitTest, LimitsCanBeLiftedAtOnce) {
  EXPECT_EQ(Passed(9, kMe, user_), 5);
  SetHot([](HotConfig& hot) { hot.rate_limit_enabled = false; });
  EXPECT_EQ(Passed(9, kMe, user_), 9);
  EXPECT_THAT(Get(kMe, user_).All("X-RateLimit-Limit"), IsEmpty());
  EXPECT_EQ(From("192.0.2.1", "/auth/validate").status, 405);
}

TEST_F(UserLimitTest, WhoIsUnknownIsCountedByAddress) {
  services_.refresh.Fail(Error(absl::StatusCode::kUnauthenticated, "REFRESH_TOKEN_INVALID", "no"));
  const auto refresh = [&](const std::string& address) {
    return Post("/api/v1/auth/refresh", "", R"({"refresh_token":"ghr_x"})",
                {{"X-Forwarded-For", address}});
  };
  EXPECT_EQ(refresh("192.0.2.1").Get("RateLimit-Policy"), R"("anonymous";q=3;w=3600)");
  for (int i = 0; i < 2; ++i) EXPECT_EQ(refresh("192.0.2.1").status, 401);
  const Answer refused = refresh("192.0.2.1");
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(Code(refused), "RATE_LIMITED");
  EXPECT_EQ(refused.Get("Retry-After"), "1200");
  EXPECT_EQ(refresh("192.0.2.2").status, 401) << "another address";
  const Answer validated =
      Post("/auth/validate", "", R"({"token":"x"})", {{"X-Forwarded-For", "192.0.2.1"}});
  EXPECT_EQ(validated.status, 429) << "all such routes share it";
  SetHot([](HotConfig& hot) { hot.anonymous_requests = 4; });
  EXPECT_EQ(refresh("192.0.2.1").status, 401) << "another limit counts at once";
}

TEST_F(UserLimitTest, ARequestThatBeganUnderAnotherLimitDoesNotBringItBack) {
  std::atomic<bool> entered{false};
  std::atomic<bool> released{false};
  services_.look_up.Do([&](const auto&) -> absl::StatusOr<LookupTokenResponse> {
    entered = true;
    EXPECT_TRUE(Eventually([&] { return released.load(); }));
    return Error(absl::StatusCode::kNotFound, "TOKEN_NOT_FOUND", "no such token");
  });
  const auto validate = [&] { return Post("/auth/validate", "", R"({"token":"x"})"); };
  const std::string unknown = services_.AddToken("user", {});
  auto late = std::async(std::launch::async,
                         [&] { return Post("/platform/authorization/refresh", unknown, ""); });
  ASSERT_TRUE(Eventually([&] { return entered.load(); }));
  SetHot([](HotConfig& hot) { hot.anonymous_requests = 2; });
  for (int i = 0; i < 2; ++i) EXPECT_EQ(validate().status, 200);
  EXPECT_EQ(validate().status, 429);
  released = true;
  EXPECT_EQ(late.get().status, 429) << "of the limit in force";
  EXPECT_EQ(validate().status, 429);
}

TEST_F(UserLimitTest, RefusalsAndHealthAreNotCounted) {
  for (int i = 0; i < 9; ++i) {
    EXPECT_EQ(Get("/api/admin/passkeys/list/", user_).status, 403);
    EXPECT_EQ(Get(kMe, "garbage").status, 401);
    EXPECT_EQ(Get("/health", "").Get("X-RateLimit-Limit"), "");
    EXPECT_EQ(Get("/platform/monitor/readiness", "").status, 200);
    EXPECT_EQ(Get("/.well-known/jwks.json", "").status, 200);
  }
  EXPECT_EQ(Passed(9, kMe, user_), 5);
}

TEST_F(UserLimitTest, WhoHasNoRateIsNotLimited) {
  SetRate(user_, 0, 0);
  EXPECT_EQ(Passed(30, kMe, user_), 30);
}

TEST_F(UserLimitTest, AShorterLifeInTheCacheIsFeltAtOnce) {
  ASSERT_EQ(Get(kMe, user_).status, 200);
  const std::size_t calls = services_.look_up.calls();
  ASSERT_EQ(Get(kMe, user_).status, 200);
  EXPECT_EQ(services_.look_up.calls(), calls);
  SetHot([](HotConfig& hot) { hot.cache_ttl = std::chrono::seconds(0); });
  ASSERT_EQ(Get(kMe, user_).status, 200);
  ASSERT_EQ(Get(kMe, user_).status, 200);
  EXPECT_EQ(services_.look_up.calls(), calls + 2) << "each request asks";
}

}  // namespace
}  // namespace gatehouse::gateway
