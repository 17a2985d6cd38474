// A reload under a running gateway: what it swaps, what it leaves alone, what each key
// does at once.
#include "services/gateway/reloader.h"

#include <cstdio>
#include <future>

#include "services/gateway/reload_fixture.h"
#include "services/gateway/websocket_client.h"

namespace gatehouse::gateway {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

TEST_F(ReloadTest, ARouteIsThereAtOnceAndGoneAtOnce) {
  NamedUpstream upstream("first");
  EXPECT_EQ(Get("/r", user_).status, 404);
  EXPECT_THAT(Reload(UpstreamAt("u", upstream.url()) + RouteTo("u")),
              ElementsAre("routes", "upstreams"));
  EXPECT_EQ(Get("/r", "").status, 401);
  EXPECT_EQ(Get("/r", user_).body, "\"first\"");
  Reload("");
  EXPECT_EQ(Get("/r", user_).status, 404);
}

TEST_F(ReloadTest, AFileThatIsNotGoodKeepsEverything) {
  NamedUpstream upstream("first");
  Reload("cache_ttl: 5\n" + UpstreamAt("u", upstream.url()) + RouteTo("u"));
  const SnapshotPtr before = gateway_.snapshot();
  for (const char* bad : {"cache_ttl: 6\nroutes: [{path: /x}]\n", "cache_ttl: [\n", "nonsense: 1\n",
                          "cors: {allowed_origins: '*', allow_credentials: true}\n"}) {
    WriteFile(std::string(kBase) + bad);
    const auto changed = gateway_.reloader().Reload();
    EXPECT_EQ(Reason(changed.status()), "CONFIG_INVALID") << bad;
    EXPECT_THAT(std::string(changed.status().message()), HasSubstr(path() + ":")) << bad;
    EXPECT_EQ(gateway_.snapshot(), before) << bad;
  }
  EXPECT_EQ(settings().Int("CACHE_TTL"), 5);
  EXPECT_EQ(Get("/r", user_).body, "\"first\"");
}

// The environment of a process must not change once it has threads.
struct WithEnvironment {
  WithEnvironment() { ::setenv("CACHE_TTL", "11", 1); }
  ~WithEnvironment() { ::unsetenv("CACHE_TTL"); }
};

class EnvironmentTest : private WithEnvironment, public ReloadTest {};

TEST_F(EnvironmentTest, TheEnvironmentWinsOverTheFile) {
  EXPECT_EQ(hot().cache_ttl, std::chrono::seconds(11));
  EXPECT_THAT(Reload("cache_ttl: 12\ncache_max_size: 99\n"), ElementsAre("CACHE_MAX_SIZE"));
  EXPECT_EQ(hot().cache_ttl, std::chrono::seconds(11));
  EXPECT_EQ(hot().cache_size_max, 99u);
}

TEST_F(ReloadTest, NothingNewSwapsNothing) {
  const SnapshotPtr before = gateway_.snapshot();
  EXPECT_THAT(Reload("# a comment\n"), IsEmpty());
  EXPECT_EQ(gateway_.snapshot(), before);
}

TEST_F(ReloadTest, AnUpstreamThatStaysKeepsItsState) {
  const std::string upstream = UpstreamAt("u", "http://127.0.0.1:9");
  Reload(upstream);
  const auto group = gateway_.snapshot()->groups.at("u");
  Reload(upstream + RouteTo("u"));
  EXPECT_EQ(gateway_.snapshot()->groups.at("u"), group) << "only a route is new";
  Reload(UpstreamAt("u", "http://127.0.0.1:9", ", head_timeout: 3"));
  const auto other = gateway_.snapshot()->groups.at("u");
  EXPECT_NE(other, group);
  ASSERT_EQ(other->endpoints().size(), 1u);
  EXPECT_EQ(other->endpoints()[0], group->endpoints()[0]) << "the address is the same";
  Reload(UpstreamAt("u", "http://127.0.0.1:8"));
  EXPECT_NE(gateway_.snapshot()->groups.at("u")->endpoints()[0], group->endpoints()[0]);
}

TEST_F(ReloadTest, ARequestKeepsTheConfigurationThatItBeganWith) {
  NamedUpstream upstream("slow");
  Reload(UpstreamAt("u", upstream.url()) + RouteTo("u", "/slow"));
  auto answer = std::async(std::launch::async, [&] { return Get("/slow", user_); });
  ASSERT_TRUE(Eventually([&] { return upstream.holds(); }));
  Reload("");
  EXPECT_EQ(Get("/slow", user_).status, 404);
  upstream.Release();
  EXPECT_EQ(answer.get().body, "\"slow\"");
}

TEST_F(ReloadTest, AnUpstreamByNameIsResolvedBeforeItIsAsked) {
  NamedUpstream upstream("by name");
  const std::string url = upstream.url();
  Reload(UpstreamAt("u", "http://localhost" + url.substr(url.rfind(':'))) + RouteTo("u"));
  EXPECT_EQ(Get("/r", user_).status, 200);
}

TEST_F(ReloadTest, WhatChangedIsLoggedWithoutSecrets) {
  ::testing::internal::CaptureStderr();
  Reload("cache_ttl: 9\nredis_url: redis://u:hunter2@127.0.0.1:1\nlimits: {in_flight: {api: 9}}\n");
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(log,
              HasSubstr(R"("message":"config changed","key":"CACHE_TTL","old":"60","new":"9")"));
  EXPECT_THAT(log, HasSubstr(R"("config changed, needs a restart","key":"REDIS_URL")"));
  EXPECT_THAT(log, HasSubstr(R"("key":"limits in_flight api","old":"2048","new":"9")"));
  EXPECT_THAT(log, Not(HasSubstr("hunter2")));
}

TEST_F(ReloadTest, AKeyWithoutEffectIsWarnedOfEachTime) {
  ::testing::internal::CaptureStderr();
  EXPECT_THAT(Reload("metrics: {interval: 60}\n"), IsEmpty());
  EXPECT_THAT(Reload("server: {port: 8081}\n"), IsEmpty());
  const std::string log = ::testing::internal::GetCapturedStderr();
  for (const char* name : {"METRICS_INTERVAL", "SERVER_PORT"}) {
    EXPECT_THAT(log, HasSubstr("\"where\":\"" + config::PlaceOf(path(), 3) + R"(","reason":")" +
                               name + " has no effect here\""));
  }
}

TEST_F(ReloadTest, TheStartWarnsOfAKeyWithoutEffect) {
  WriteFile("log_file: /tmp/x\n");
  ConfigFile file(path());
  auto loaded = config::Settings::Load(SettingsForTests(), file.AsSource());
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  LiveConfig live(gateway_.snapshot());
  ::testing::internal::CaptureStderr();
  const Reloader reloader(&*loaded, &file, live, [](const Snapshot&) {});
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("LOG_FILE has no effect here"));
}

TEST_F(ReloadTest, FiveThousandRoutes) {
  std::string yaml = UpstreamAt("u", "http://127.0.0.1:9") + "routes:\n";
  for (int i = 0; i < 5000; ++i) {
    yaml += "  - {method: GET, path: '/things/" + std::to_string(i) +
            "/{id}', audience: user, upstream: u}\n";
  }
  Reload(yaml);
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_THAT(Reload(yaml + "  - {method: GET, path: /one-more, audience: user, upstream: u}\n"),
              ElementsAre("routes"));
  const auto took = std::chrono::steady_clock::now() - begin;
  std::printf("a route change among 5,000 routes: %.1f ms\n",
              std::chrono::duration<double, std::milli>(took).count());
  EXPECT_EQ(Get("/one-more", "").status, 401);
}

TEST_F(ReloadTest, LogLevelAndFormat) {
  Reload("log_level: debug\n");
  EXPECT_TRUE(log::Enabled(log::Level::kDebug));
  Reload("log_level: error\n");
  EXPECT_FALSE(log::Enabled(log::Level::kWarning));
  Reload("log_format: plain\n");
  ::testing::internal::CaptureStderr();
  log::Info("a line");
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr(" INFO "));
}

TEST_F(ReloadTest, AccessLog) {
  ::testing::internal::CaptureStderr();
  Get("/api/me/", user_);
  Reload("access_log: true\n", "rate_limit_enabled: false\n");
  Get("/health", "");
  std::string log;
  EXPECT_TRUE(Eventually([&] {
    log += ::testing::internal::GetCapturedStderr();
    ::testing::internal::CaptureStderr();
    return log.find("\"route\":\"/health\"") != std::string::npos;
  }));
  ::testing::internal::GetCapturedStderr();
}

TEST_F(ReloadTest, MetricsEnabled) {
  const auto exposer = metrics::Exposer::Start("127.0.0.1:0");
  ASSERT_TRUE(exposer.ok()) << exposer.status();
  const auto scrape = [&] { return Fetch((*exposer)->address(), "GET", "/metrics").body; };
  EXPECT_THAT(scrape(), HasSubstr("gatehouse_http_in_flight"));
  Reload("metrics: {enabled: false}\n");
  EXPECT_THAT(scrape(), Not(HasSubstr("gatehouse_")));
}

TEST_F(ReloadTest, GatewayTimeout) {
  std::atomic<std::int64_t> millis{0};
  services_.get_account.DoWithCall(
      [&](rpc::Call& call, const auto&) -> absl::StatusOr<billing::v1::Account> {
        const auto left = call.deadline() - std::chrono::steady_clock::now();
        millis = std::chrono::duration_cast<milliseconds>(left).count();
        return billing::v1::Account();
      });
  const auto ask = [&] {
    millis = 0;
    Get("/api/billing/reserve/balance/", user_);
    return millis.load();
  };
  EXPECT_GT(ask(), 2000) << "what the route's own class allows";
  Reload("gateway_timeout: 0.9\n");
  const std::int64_t left = ask();
  EXPECT_GT(left, 0);
  EXPECT_LE(left, 900);
}

TEST_F(ReloadTest, BodyBytesMaxOfOwnAndOfProxiedRoutes) {
  NamedUpstream upstream("core");
  const std::string core = "core_manager_url: " + upstream.url() + "\n";
  const std::string body = R"({"a":")" + std::string(2000, 'x') + "\"}";
  const auto own = [&] { return Post("/api/jobs/", user_, body).status; };
  const auto proxied = [&] { return Post("/api/v1/personas/instances", user_, body).status; };
  Reload(core);
  EXPECT_EQ(own(), 400);
  EXPECT_EQ(proxied(), 200);
  Reload(core + "body_bytes_max: 1024\n");
  EXPECT_EQ(own(), 413);
  EXPECT_EQ(proxied(), 200);
  Reload(core + "proxy_body_bytes_max: 1024\n");
  EXPECT_EQ(own(), 400);
  EXPECT_EQ(proxied(), 413);
}

TEST_F(ReloadTest, CacheTtl) {
  const auto look_ups = [&] {
    const std::size_t before = services_.look_up.calls();
    for (int i = 0; i < 3; ++i)
      EXPECT_EQ(Get("/platform/config/reloadable-keys", user_).status, 200);
    return services_.look_up.calls() - before;
  };
  EXPECT_LE(look_ups(), 1u) << "remembered";
  Reload("cache: {ttl: 0}\n");
  EXPECT_EQ(look_ups(), 3u);
  Reload("");
  EXPECT_LE(look_ups(), 1u);
}

TEST_F(ReloadTest, CacheMaxSize) {
  std::vector<std::string> tokens;
  tokens.reserve(80);
  for (int i = 0; i < 80; ++i) tokens.push_back(services_.AddToken("user", {}));
  const auto look_ups = [&] {
    const std::size_t before = services_.look_up.calls();
    for (const std::string& token : tokens) Get("/platform/config/reloadable-keys", token);
    return services_.look_up.calls() - before;
  };
  EXPECT_EQ(look_ups(), 80u);
  EXPECT_EQ(look_ups(), 0u) << "all remembered";
  Reload("cache: {max_size: 16}\n");
  EXPECT_EQ(look_ups(), 80u) << "forgotten";
  EXPECT_GT(look_ups(), 40u) << "there is room for few";
}

TEST_F(ReloadTest, RateLimits) {
  const auto limit = [&](const std::string& token) {
    return Get("/api/jobs/", token).Get("X-RateLimit-Limit");
  };
  EXPECT_EQ(limit(user_), "") << "off";
  Reload("limits: {user: {per_second: 7, burst: 70}}\n", "access_log: false\n");
  EXPECT_EQ(limit(user_), "7");
  Reload("limits: {user: {per_second: 8, burst: 70}}\n", "access_log: false\n");
  EXPECT_EQ(limit(user_), "8");
}

TEST_F(ReloadTest, RateLimitOfWhoIsUnknown) {
  const auto policy = [&] {
    return Post("/auth/validate", "", R"({"token":"x"})").Get("RateLimit-Policy");
  };
  EXPECT_EQ(policy(), "") << "off";
  Reload("rate_limit: {requests: 5, window: 3600}\n", "access_log: false\n");
  EXPECT_EQ(policy(), R"("anonymous";q=5;w=3600)");
  Reload("rate_limit: {requests: 6, window: 60}\n", "access_log: false\n");
  EXPECT_EQ(policy(), R"("anonymous";q=6;w=60)");
  Reload("rate_limit: {enabled: false}\n", "access_log: false\n");
  EXPECT_EQ(policy(), "");
}

TEST_F(ReloadTest, SocketsPerUserMax) {
  const auto connect = [&] {
    return std::make_unique<WebSocketClient>(gateway_.address(), "/api/v1/ws",
                                             Headers{{"Authorization", "Bearer " + user_}});
  };
  const auto first = connect();
  const auto second = connect();
  EXPECT_EQ(second->answer().status, 101);
  Reload("sockets_per_user_max: 2\n");
  EXPECT_EQ(connect()->answer().status, 429);
  Reload("sockets_per_user_max: 3\n");
  EXPECT_EQ(connect()->answer().status, 101);
  second->SendText(R"({"type":"command","event":"ping","id":"7"})");
  EXPECT_THAT(second->Read(), HasSubstr("pong")) << "those that are open stay";
}

TEST_F(ReloadTest, InFlightMax) {
  NamedUpstream upstream("slow");
  const std::string route = UpstreamAt("u", upstream.url()) + RouteTo("u", "/slow/{n}");
  Reload(route + "limits: {in_flight: {proxy: 1}}\n");
  auto first = std::async(std::launch::async, [&] { return Get("/slow/1", user_); });
  ASSERT_TRUE(Eventually([&] { return upstream.holds(); }));
  const Answer refused = Get("/slow/2", user_);
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(Code(refused), "OVERLOADED");
  EXPECT_EQ(refused.Get("Retry-After"), "1");
  EXPECT_EQ(Get("/health", "").status, 200) << "health is never refused";
  upstream.Release();
  EXPECT_EQ(first.get().status, 200);
  EXPECT_TRUE(Eventually([&] { return Get("/slow/2", user_).status == 200; }));
}

}  // namespace
}  // namespace gatehouse::gateway
