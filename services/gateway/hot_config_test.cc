// What the settings and sections become, what is shown of them, what a check tells.
#include "services/gateway/hot_config.h"

#include <gmock/gmock.h>

#include "services/gateway/config_diff.h"
#include "services/gateway/config_testing.h"
#include "services/gateway/configured_routes.h"

namespace gatehouse::gateway {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kUpstream[] = "upstreams: [{name: u, urls: http://127.0.0.1:9}]\n";

class HotConfigTest : public ::testing::Test, protected ConfigSetup {
 protected:
  // The problems of a file with one route; kUpstream is its first line.
  std::string RouteProblems(const std::string& route) {
    return Problems(std::string(kUpstream) + "routes:\n  - {" + route + "}\n");
  }
};

TEST_F(HotConfigTest, TheDefaultsAreThoseOfTheContract) {
  const auto hot = Read("");
  ASSERT_TRUE(hot.ok()) << hot.status();
  HotConfig wanted;
  wanted.shown = hot->shown;
  EXPECT_EQ(*hot, wanted) << "the header and the settings say the same";
}

TEST_F(HotConfigTest, EverySettingReachesItsPlace) {
  const auto hot = Read(
      "gateway_timeout: 0.5\n"
      "rate_limit: {enabled: false, requests: 7, window: 9}\n"
      "cache: {ttl: 0, max_size: 11}\n"
      "access_log: off\n"
      "metrics_enabled: no\n"
      "body_bytes_max: 2048\n"
      "proxy_body_bytes_max: 4096\n"
      "sockets_per_user_max: 3\n"
      "cors:\n"
      "  allowed_origins: https://a.example\n"
      "  allow_credentials: true\n"
      "  allowed_methods: [GET, PUT]\n"
      "  allowed_headers: X-A\n"
      "  max_age: 5\n");
  ASSERT_TRUE(hot.ok()) << hot.status();
  HotConfig wanted;
  wanted.gateway_timeout = milliseconds(500);
  wanted.rate_limit_enabled = false;
  wanted.anonymous_requests = 7;
  wanted.anonymous_window = seconds(9);
  wanted.cache_ttl = seconds(0);
  wanted.cache_size_max = 11;
  wanted.access_log = false;
  wanted.metrics_enabled = false;
  wanted.body_bytes_max = 2048;
  wanted.proxied_body_bytes_max = 4096;
  wanted.sockets_per_user_max = 3;
  wanted.cors.origins = {"https://a.example"};
  wanted.cors.credentials = true;
  wanted.cors.methods = {"GET", "PUT"};
  wanted.cors.headers = {"X-A"};
  wanted.cors.max_age = seconds(5);
  wanted.shown = hot->shown;
  EXPECT_EQ(*hot, wanted);
}

TEST_F(HotConfigTest, AnyOriginWithCredentialsIsRefused) {
  EXPECT_EQ(Problems("cors:\n  allowed_origins: '*'\n  allow_credentials: true\n"),
            At(3) +
                "CORS_ALLOW_CREDENTIALS cannot be together with CORS_ALLOWED_ORIGINS=*: "
                "name the origins");
  EXPECT_EQ(Problems("cors: {allowed_origins: '*'}\n"), "");
  EXPECT_THAT(Problems("cors: {allowed_origins: '*,https://a.example'}\n"), HasSubstr("alone"));
  for (const char* bad : {"a.example", "https://", "https://a.example/", "https://*.example"}) {
    EXPECT_THAT(Problems(std::string("cors: {allowed_origins: '") + bad + "'}\n"),
                HasSubstr(At(1) + "CORS_ALLOWED_ORIGINS must be origins"))
        << bad;
  }
}

TEST_F(HotConfigTest, SeveralAddressesOfCoreManagerMakeOneGroup) {
  const auto hot = Read("core_manager_url: 'http://127.0.0.1:1, http://127.0.0.1:2'\n");
  ASSERT_TRUE(hot.ok()) << hot.status();
  ASSERT_EQ(hot->upstreams.size(), 1u);
  EXPECT_THAT(hot->upstreams[0].urls, ElementsAre("http://127.0.0.1:1", "http://127.0.0.1:2"));
  EXPECT_THAT(Problems("core_manager_url: ftp://a\n"), HasSubstr(At(1) + "CORE_MANAGER_URL must"));
}

TEST_F(HotConfigTest, WhatIsShownHasTypesAndNoSecrets) {
  const auto hot = Read(
      "redis_url: redis://user:hunter2@127.0.0.1:6379\n"
      "retry_backoff: 0.05\n"
      "cache_ttl: 7\n" +
      std::string(kUpstream));
  ASSERT_TRUE(hot.ok()) << hot.status();
  EXPECT_EQ(hot->shown.at("REDIS_URL"), "\"[redacted]\"");
  EXPECT_EQ(hot->shown.at("RETRY_BACKOFF"), "0.050");
  EXPECT_EQ(hot->shown.at("CACHE_TTL"), "7");
  EXPECT_EQ(hot->shown.at("RATE_LIMIT_ENABLED"), "true");
  EXPECT_EQ(hot->shown.at("LOG_LEVEL"), "\"info\"");
  EXPECT_EQ(hot->shown.at("UPSTREAMS"), "[\"u\"]");
  EXPECT_EQ(hot->shown.at("ROUTES"), "0");
  for (const auto& [name, value] : hot->shown)
    EXPECT_THAT(value, Not(HasSubstr("hunter2"))) << name;
}

TEST_F(HotConfigTest, ARouteIsReadWithAllItSays) {
  const auto hot =
      Read(std::string(kUpstream) +
           "routes:\n"
           "  - method: [GET, POST]\n"
           "    path: /reports/{id}\n"
           "    audience: permission view_reports\n"
           "    upstream: u\n"
           "    limit: none\n"
           "    body_bytes_max: 77\n"
           "    json: false\n"
           "  - {method: PUT, path: /plain/, audience: public, upstream: core-manager}\n"
           "  - {method: PUT, path: /role, audience: role admin, upstream: u}\n");
  ASSERT_TRUE(hot.ok()) << hot.status();
  RouteConfig get{
      "GET", "/reports/{id}", Audience::kPermission, "view_reports", Limit::kNone, "u", 77, false};
  RouteConfig post = get;
  post.method = "POST";
  const RouteConfig plain{"PUT", "/plain/", Audience::kPublic, "", Limit::kProxy, "core-manager"};
  const RouteConfig role{"PUT", "/role", Audience::kRole, "admin", Limit::kProxy, "u"};
  EXPECT_THAT(hot->routes, ElementsAre(get, post, plain, role));
}

TEST_F(HotConfigTest, RoutesThatCannotBeAreRefusedWithTheirLine) {
  const std::string rest = ", audience: user, upstream: u";
  const auto path = [&](const std::string& text) {
    return RouteProblems("method: GET, path: '" + text + "'" + rest);
  };
  EXPECT_EQ(path("/fine/{id}/x.json"), "");
  EXPECT_THAT(path("fine"), HasSubstr(At(3) + "the path fine must begin with \"/\""));
  EXPECT_THAT(path("/a//b"), HasSubstr("empty segment"));
  EXPECT_THAT(path("/a/../b"), HasSubstr("segment of dots"));
  EXPECT_THAT(path("/a/{id}/b/{id}"), HasSubstr("twice"));
  EXPECT_THAT(path("/a/{i d}"), HasSubstr("{name}"));
  for (const char* bad : {"/a?b", "/a#b", "/a b", "/a%2fb", "/{id", "/x{id}", "/{}"}) {
    EXPECT_THAT(path(bad), HasSubstr("character")) << bad;
  }
  EXPECT_THAT(RouteProblems("method: FETCH, path: /a" + rest), HasSubstr("method must be GET"));
  EXPECT_EQ(RouteProblems("path: /a" + rest), At(3) + "a route needs method");
  EXPECT_EQ(RouteProblems("method: GET" + rest), At(3) + "a route needs path");
  EXPECT_EQ(RouteProblems("method: GET, path: /a, upstream: u"), At(3) + "a route needs audience")
      << "nothing is open by omission";
  for (const char* bad : {"admin", "role", "role a b", "user x", "anybody"}) {
    EXPECT_THAT(RouteProblems("method: GET, path: /a, upstream: u, audience: " + std::string(bad)),
                HasSubstr("audience must be"))
        << bad;
  }
  EXPECT_THAT(RouteProblems("method: GET, path: /a, limit: address" + rest),
              HasSubstr("limit must"));
  EXPECT_THAT(RouteProblems("method: GET, path: /a, body_bytes_max: 0" + rest),
              HasSubstr("from 1"));
  EXPECT_THAT(RouteProblems("method: GET, path: /a, colour: red" + rest),
              HasSubstr("unknown key colour of a route"));
}

TEST_F(HotConfigTest, ARouteMayNotStandInTheWayOfAnother) {
  const std::string rest = ", audience: user, upstream: u";
  EXPECT_EQ(RouteProblems("method: GET, path: /api/me" + rest),
            At(3) + "GET /api/me is a route of the gateway's own");
  EXPECT_EQ(RouteProblems("method: POST, path: '/api/jobs/{x}/cancel'" + rest),
            At(3) + "POST /api/jobs/{x}/cancel is a route of the gateway's own")
      << "whatever its parameter is called";
  EXPECT_EQ(RouteProblems("method: GET, path: /api/v1/templates/" + rest),
            At(3) + "GET /api/v1/templates/ is a route of the gateway's own")
      << "core-manager's, too";
  EXPECT_EQ(Problems(std::string(kUpstream) + "routes:\n  - {method: GET, path: '/a/{b}'" + rest +
                     "}\n  - {method: [PUT, GET], path: '/a/{c}/'" + rest + "}\n"),
            At(4) + "GET /a/{c}/ is there already, at line 3");
}

TEST_F(HotConfigTest, ThereIsAMostOfRoutes) {
  std::string yaml = std::string(kUpstream) + "routes:\n";
  for (std::size_t i = 0; i <= kConfiguredRoutesMax; ++i) {
    yaml += "  - {method: GET, path: /r/" + std::to_string(i) + ", audience: user, upstream: u}\n";
  }
  EXPECT_EQ(Problems(yaml), path() + ": 10001 routes are too many: at most 10000");
}

TEST_F(HotConfigTest, ADiffNamesWhatIsNewGoneAndOther) {
  const std::string line = ", audience: user, upstream: u}\n";
  const auto before =
      Read("cache_ttl: 5\n" + std::string(kUpstream) + "routes:\n  - {method: GET, path: /a" +
           line + "  - {method: GET, path: /b" + line + "  - {method: GET, path: /z" + line);
  const auto after = Read(
      "cache_ttl: 6\n"
      "limits: {user: {per_second: 1, burst: 2}}\n"
      "upstreams: [{name: u, urls: http://127.0.0.1:8}]\n"
      "routes:\n  - {method: GET, path: /a, limit: none" +
      line + "  - {method: GET, path: /c" + line + "  - {method: GET, path: /z" + line);
  ASSERT_TRUE(before.ok() && after.ok()) << before.status() << after.status();
  const ConfigDiff diff = Compare(*before, *after);
  EXPECT_THAT(diff.SectionNames(), ElementsAre("routes", "upstreams", "limits"));
  const std::string text = diff.ToText();
  EXPECT_THAT(text, HasSubstr("~ CACHE_TTL: 5 -> 6\n"));
  EXPECT_THAT(text, HasSubstr("~ routes GET /a: to u, user, limit proxy"));
  EXPECT_THAT(text, HasSubstr("- routes GET /b: to u, user"));
  EXPECT_THAT(text, HasSubstr("+ routes GET /c: to u, user"));
  EXPECT_THAT(text, Not(HasSubstr("/z")));
  EXPECT_THAT(text, HasSubstr("~ upstreams u: http://127.0.0.1:9"));
  EXPECT_THAT(text, HasSubstr("+ limits user: 1/s, burst 2\n"));
  EXPECT_TRUE(Compare(*before, *before).IsEmpty());
}

}  // namespace
}  // namespace gatehouse::gateway
