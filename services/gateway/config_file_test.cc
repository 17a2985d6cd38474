// What CONFIG_FILE may hold, and what is said of one that is not good.
#include "services/gateway/config_file.h"

#include <gmock/gmock.h>

#include "services/gateway/config_testing.h"

namespace gatehouse::gateway {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ConfigFileTest : public ::testing::Test, protected ConfigSetup {};

TEST_F(ConfigFileTest, NestedAndFlatNamesAreTheSame) {
  for (const char* yaml :
       {"log: {level: debug}", "log_level: debug", "LOG_LEVEL: debug", "Log:\n  Level: debug"}) {
    WriteFile(yaml);
    const auto loaded = config::Settings::Load(SettingsForTests(), file().AsSource());
    ASSERT_TRUE(loaded.ok()) << loaded.status();
    EXPECT_EQ(loaded->Text("LOG_LEVEL"), "debug") << yaml;
  }
}

TEST_F(ConfigFileTest, TheKeysOfTheDocumentsCustomBlockAreKnown) {
  const auto hot = Read(
      "custom:\n"
      "  core_manager_url: http://127.0.0.1:8080\n"
      "  request_timeout: 12\n"
      "  enable_request_logging: false\n"
      "  websocket_buffer_size: 1024\n"
      "  allowed_origins: [https://a.example, https://b.example]\n");
  ASSERT_TRUE(hot.ok()) << hot.status();
  ASSERT_EQ(hot->upstreams.size(), 1u);
  EXPECT_EQ(hot->upstreams[0].options.name, "core-manager");
  EXPECT_THAT(hot->upstreams[0].urls, ElementsAre("http://127.0.0.1:8080"));
  EXPECT_EQ(hot->upstreams[0].options.head_timeout, milliseconds(12000));
  EXPECT_FALSE(hot->access_log);
  EXPECT_THAT(hot->cors.origins, ElementsAre("https://a.example", "https://b.example"));
}

TEST_F(ConfigFileTest, AFileOfTheDocumentsLoadsAndWarnsOfWhatHasNoEffect) {
  const auto hot = Read(
      "server:\n"
      "  port: 8081\n"
      "logging: {level: info, format: json}\n"
      "log: {level: info, file: /var/log/doorman.log}\n"
      "GATEWAY_TIMEOUT: 30\n"
      "METRICS_INTERVAL: 60\n"
      "FEATURE_REQUEST_REPLAY: false\n"
      "FEATURE_AB_TESTING: false\n"
      "FEATURE_COST_ANALYTICS: false\n"
      "custom:\n"
      "  core_manager_url: http://127.0.0.1:8088\n"
      "  websocket_buffer_size: 1024\n"
      "  jwt_expiry_access_minutes: 60\n");
  ASSERT_TRUE(hot.ok()) << hot.status();
  EXPECT_EQ(hot->gateway_timeout, milliseconds(30000));
  std::string wanted;
  for (const auto& [line, name] : {std::pair(2, "SERVER_PORT"),
                                   {3, "LOGGING_LEVEL"},
                                   {3, "LOGGING_FORMAT"},
                                   {4, "LOG_FILE"},
                                   {6, "METRICS_INTERVAL"},
                                   {7, "FEATURE_REQUEST_REPLAY"},
                                   {8, "FEATURE_AB_TESTING"},
                                   {9, "FEATURE_COST_ANALYTICS"},
                                   {12, "WEBSOCKET_BUFFER_SIZE"},
                                   {13, "JWT_EXPIRY_ACCESS_MINUTES"}}) {
    wanted += (wanted.empty() ? "" : "\n") + At(line) + name + " has no effect here";
  }
  EXPECT_EQ(config::TextOf(file().sections().ignored), wanted);
  EXPECT_EQ(Problems("feature_time_travel: true\n"), At(1) + "unknown key FEATURE_TIME_TRAVEL");
  EXPECT_TRUE(Read("cache_ttl: 5\n").ok());
  EXPECT_TRUE(file().sections().ignored.empty()) << "of the file as it is now";
}

TEST_F(ConfigFileTest, AnotherNameOfTheFileNeedsARestart) {
  const std::string env = path() + ".env";
  const std::string other = path() + ".other";
  WriteFile("cache_ttl: 5\n");
  std::ofstream(other) << "cache_ttl: 6\n";
  std::ofstream(env) << "CONFIG_FILE=" << path() << "\n";
  ::setenv("ENV_FILE", env.c_str(), 1);
  ConfigFile named;
  auto settings = config::Settings::Load(SettingsForTests(), named.AsSource());
  ASSERT_TRUE(settings.ok()) << settings.status();
  std::ofstream(env) << "CONFIG_FILE=" << other << "\n";
  WriteFile("cache_ttl: 7\n");
  const auto changes = settings->Reload();
  ::unsetenv("ENV_FILE");
  ASSERT_TRUE(changes.ok()) << changes.status();
  EXPECT_EQ(settings->Int("CACHE_TTL"), 7) << "of the file that it began with";
  const auto moved = std::ranges::find(*changes, "CONFIG_FILE", &config::Change::name);
  ASSERT_NE(moved, changes->end());
  EXPECT_FALSE(moved->applied);
  EXPECT_EQ(settings->Text("CONFIG_FILE"), path());
}

TEST_F(ConfigFileTest, EveryProblemIsToldAtOnceWithItsLine) {
  EXPECT_EQ(Problems("log:\n"
                     "  levle: debug\n"
                     "cache_ttl: soon\n"
                     "env_file: other\n"
                     "trusted_proxies:\n"
                     "  - {a: 1}\n"
                     "upstreams:\n"
                     "  - name: reports\n"
                     "    url: http://127.0.0.1:1\n"
                     "limits: {users: {}}\n"
                     "routes:\n"
                     "  - method: GET\n"
                     "    path: /r\n"
                     "    audience: user\n"
                     "    upstream: report\n"),
            At(4) + "ENV_FILE cannot be set in the file itself\n" + At(6) +
                "TRUSTED_PROXIES must be a list of texts\n" + At(9) +
                "unknown key url of an upstream; did you mean urls?\n" + At(10) +
                "unknown key users of limits; did you mean user?\n" + At(15) +
                "there is no upstream report; did you mean reports?\n" + At(2) +
                "unknown key LOG_LEVLE; did you mean LOG_LEVEL?\n" + At(3) +
                "CACHE_TTL must be a whole number from 0 to 3600, not \"soon\"");
}

TEST_F(ConfigFileTest, AFileThatCannotBeReadIsAProblem) {
  std::filesystem::remove(path());
  EXPECT_EQ(std::string(Read().status().message()),
            path() + ": cannot be read: No such file or directory");
  std::filesystem::create_directory(path());
  EXPECT_EQ(std::string(Read().status().message()), path() + ": cannot be read: not a file");
}

TEST_F(ConfigFileTest, TheFileMustBeAMap) {
  EXPECT_EQ(Problems("- a\n- b\n"), At(1) + "the file must be a map of keys and values");
  EXPECT_EQ(Problems(""), "");
  EXPECT_EQ(Problems("routes:\nupstreams: []\nlimits: {}\n"), "");
  EXPECT_EQ(Problems("routes: {a: 1}\n"), At(1) + "routes must be a list");
}

TEST_F(ConfigFileTest, UpstreamsTakeFromTheSettingsWhatTheyLeaveOut) {
  const auto hot = Read(
      "upstream_timeout: 7\n"
      "connection_timeout: 0.5\n"
      "circuit_breaker: {enabled: false, threshold: 9, timeout: 3}\n"
      "retry: {enabled: false, max_attempts: 2, backoff: 0.1}\n"
      "upstreams:\n"
      "  - name: plain\n"
      "    urls: http://127.0.0.1:1\n"
      "  - name: own\n"
      "    urls: [http://127.0.0.1:2, http://127.0.0.1:3]\n"
      "    health_path: /healthz\n"
      "    health_interval: 0.5\n"
      "    connect_timeout: 1\n"
      "    head_timeout: 2\n"
      "    idle_timeout: 3\n"
      "    tunnel_idle_timeout: 60\n"
      "    pool_idle: 1.5\n"
      "    pool_max: 8\n"
      "    retries: true\n"
      "    attempts_max: 5\n"
      "    retry_backoff: 0.25\n"
      "    breaker: true\n"
      "    breaker_threshold: 4\n"
      "    breaker_timeout: 2\n");
  ASSERT_TRUE(hot.ok()) << hot.status();
  ASSERT_EQ(hot->upstreams.size(), 2u);
  const http::UpstreamOptions& plain = hot->upstreams[0].options;
  EXPECT_EQ(plain.head_timeout, milliseconds(7000));
  EXPECT_EQ(plain.idle_timeout, milliseconds(7000));
  EXPECT_EQ(plain.connect_timeout, milliseconds(500));
  EXPECT_FALSE(plain.breaks);
  EXPECT_EQ(plain.breaker_threshold, 9);
  EXPECT_EQ(plain.breaker_timeout, milliseconds(3000));
  EXPECT_FALSE(plain.retries);
  EXPECT_EQ(plain.attempts_max, 1) << "without retries";
  EXPECT_EQ(plain.retry_backoff, milliseconds(100));
  UpstreamConfig own;
  own.options = {"own",
                 "",
                 milliseconds(1000),
                 milliseconds(2000),
                 milliseconds(3000),
                 milliseconds(60000),
                 milliseconds(1500),
                 8,
                 true,
                 5,
                 milliseconds(250),
                 true,
                 4,
                 milliseconds(2000)};
  own.urls = {"http://127.0.0.1:2", "http://127.0.0.1:3"};
  own.health_path = "/healthz";
  own.health_interval = milliseconds(500);
  EXPECT_EQ(hot->upstreams[1], own);
}

TEST_F(ConfigFileTest, UpstreamsThatCannotBeAreRefused) {
  EXPECT_EQ(Problems("upstreams:\n  - {urls: http://a:1}\n"), At(2) + "an upstream needs name");
  EXPECT_EQ(Problems("upstreams:\n  - {name: a}\n"), At(2) + "the upstream a needs urls");
  EXPECT_THAT(Problems("upstreams:\n  - {name: A B, urls: http://a:1}\n"),
              HasSubstr(At(2) + "a name is"));
  EXPECT_THAT(Problems("upstreams:\n  - name: a\n    urls: [http://a:1, 'ftp://b']\n"),
              HasSubstr(At(3) + "\"ftp://b\": "));
  EXPECT_EQ(
      Problems("upstreams:\n  - {name: a, urls: http://a:1}\n  - {name: a, urls: http://b:1}\n"),
      At(3) + "a second upstream a");
  EXPECT_THAT(Problems("upstreams:\n  - {name: a, urls: http://a:1, pool_max: many}\n"),
              HasSubstr(At(2) + "pool_max must be a whole number from 0 to 4096, not \"many\""));
  EXPECT_THAT(Problems("upstreams:\n  - {name: a, urls: http://a:1, head_timout: 1}\n"),
              HasSubstr("unknown key head_timout of an upstream; did you mean head_timeout?"));
  EXPECT_EQ(Problems("upstreams:\n  - just a text\n"),
            At(2) + "an upstream must be a map of keys and values");
}

TEST_F(ConfigFileTest, CoreManagerMayBeASectionOrASettingNotBoth) {
  const std::string section = "upstreams:\n  - {name: core-manager, health_path: /h";
  const auto both = Read("core_manager_url: http://127.0.0.1:5\n" + section + "}\n");
  ASSERT_TRUE(both.ok()) << both.status();
  EXPECT_EQ(both->upstreams[0].health_path, "/h");
  EXPECT_THAT(both->upstreams[0].urls, ElementsAre("http://127.0.0.1:5"));
  EXPECT_EQ(Problems("core_manager_url: http://a:5\n" + section + ", urls: http://a:6}\n"),
            At(1) + "the upstream core-manager has urls of its own");
  EXPECT_TRUE(Read(section + "}\n")->upstreams.empty()) << "no address: no upstream";
}

TEST_F(ConfigFileTest, LimitsAreReadPerClass) {
  const auto hot = Read(
      "limits:\n"
      "  user: {per_second: 5, burst: 50}\n"
      "  in_flight: {proxy: 7}\n");
  ASSERT_TRUE(hot.ok()) << hot.status();
  EXPECT_EQ(hot->rates.at(Limit::kUser), (RateConfig{5, 50}));
  EXPECT_EQ(hot->rates.count(Limit::kProxy), 0u);
  EXPECT_EQ(hot->in_flight_max.at(Lane::kProxy), 7);
  EXPECT_EQ(hot->in_flight_max.at(Lane::kApi), HotConfig().in_flight_max.at(Lane::kApi));
  EXPECT_EQ(Problems("limits:\n  proxy:\n    burst: 5\n"),
            At(3) + "a limit needs per_second and burst");
  EXPECT_EQ(Problems("limits: {in_flight: {vital: 1}}\n"),
            At(1) + "unknown key vital of in_flight");
}

}  // namespace
}  // namespace gatehouse::gateway
