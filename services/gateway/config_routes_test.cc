// /platform/config: what is in force, the reload by HTTP, what a reload applies.
#include "services/gateway/config_testing.h"
#include "services/gateway/gateway_fixture.h"

namespace gatehouse::gateway {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kBase[] = "access_log: false\nrate_limit: {enabled: false}\n";

class ConfigRoutesTest : protected ConfigSetup, public GatewayTest {
 protected:
  ConfigRoutesTest()
      : ConfigSetup(kBase),
        GatewayTest(TestOptions(), *ReadHotConfig(settings(), file().sections()),
                    {.settings = &settings(), .file = &file()}) {}

  Answer Reload(const std::string& yaml) {
    WriteFile(kBase + yaml);
    return Post("/platform/config/reload", manager_, "");
  }

  const std::string manager_ = services_.AddToken("moderator", {"manage_gateway"});
};

TEST_F(ConfigRoutesTest, TheCurrentConfigurationIsFlatAndTyped) {
  const Answer answer = Get("/platform/config/current", manager_);
  EXPECT_EQ(answer.status, 200);
  EXPECT_THAT(answer.body, AllOf(HasSubstr(R"({"data":{"config":{"ACCESS_LOG":false,)"),
                                 HasSubstr(R"("CACHE_TTL":60,)"), HasSubstr(R"("ROUTES":0,)"),
                                 HasSubstr(R"("LOG_LEVEL":"info")")));
  const std::string command = R"json("reload_command":"kill -HUP $(cat doorman.pid)")json";
  EXPECT_THAT(
      answer.body,
      HasSubstr(R"("source":"Environment variables override config file values",)" + command +
                "}," + command + R"(,"status_code":200,"error_code":null,"error_message":null})"));
}

TEST_F(ConfigRoutesTest, BothNeedThePermissionAndTheListAUser) {
  for (const char* method : {"GET", "POST"}) {
    const std::string path =
        std::string("/platform/config/") + (method[0] == 'G' ? "current" : "reload");
    EXPECT_EQ(Send(method, path, "").status, 401) << path;
    EXPECT_EQ(Send(method, path, user_).status, 403) << path;
    EXPECT_EQ(Send(method, path, admin_).status, 403) << "the permission counts, not the role";
  }
  EXPECT_EQ(Get("/platform/config/reloadable-keys", "").status, 401);
  EXPECT_EQ(Get("/platform/config/reloadable-keys", user_).status, 200);
}

TEST_F(ConfigRoutesTest, AReloadAnswersWithWhatIsInForceAndWhatChanged) {
  const Answer answer = Reload("cache_ttl: 7\n");
  EXPECT_EQ(answer.status, 200) << answer.body;
  EXPECT_THAT(answer.body,
              AllOf(HasSubstr(R"({"data":{"message":"Configuration reloaded successfully",)"),
                    HasSubstr(R"("CACHE_TTL":7,)"), HasSubstr(R"("changed":["CACHE_TTL"]})")));
  EXPECT_THAT(Get("/platform/config/current", manager_).body, HasSubstr(R"("CACHE_TTL":7,)"));
  EXPECT_THAT(Reload("cache_ttl: 7\n").body, HasSubstr(R"("changed":[]})"));
  EXPECT_EQ(hot().cache_ttl, std::chrono::seconds(7));
}

TEST_F(ConfigRoutesTest, ABadFileIs422WithFileLineAndReasonAndKeepsTheOld) {
  ASSERT_EQ(Reload("cache_ttl: 7\n").status, 200);
  ::testing::internal::CaptureStderr();
  const Answer answer = Reload("cache_ttl: 8\nlog_level: loud\nroutes: [{path: x}]\n");
  EXPECT_THAT(
      ::testing::internal::GetCapturedStderr(),
      AllOf(HasSubstr("Configuration reload failed"), HasSubstr(config::PlaceOf(path(), 5))));
  EXPECT_EQ(answer.status, 422);
  EXPECT_EQ(Code(answer), "CONFIG_INVALID");
  const std::string loud = R"(LOG_LEVEL must be debug, info, warning or error, not \"loud\")";
  EXPECT_THAT(answer.body, HasSubstr(At(4) + loud)) << "in the message";
  EXPECT_THAT(answer.body, HasSubstr(R"({"field":")" + config::PlaceOf(path(), 4) + '"'));
  EXPECT_THAT(answer.body, HasSubstr(config::PlaceOf(path(), 5)));
  EXPECT_THAT(Get("/platform/config/current", manager_).body, HasSubstr(R"("CACHE_TTL":7,)"));
}

TEST_F(ConfigRoutesTest, AReloadIsAuditedBeforeAndAgainWhenItFails) {
  ASSERT_EQ(Reload("cache_ttl: 7\n").status, 200);
  ASSERT_EQ(services_.append_audit.calls(), 1u);
  EXPECT_EQ(services_.append_audit.last().event().type(), "gateway_reload_config");
  EXPECT_TRUE(services_.append_audit.last().event().success());
  ASSERT_EQ(Reload("nonsense: 1\n").status, 422);
  EXPECT_TRUE(Eventually([&] { return services_.append_audit.calls() == 3; }));
  EXPECT_FALSE(services_.append_audit.last().event().success());
  EXPECT_EQ(services_.append_audit.last().event().reason(), "CONFIG_INVALID");
  services_.append_audit.Fail(absl::UnavailableError("down"));
  EXPECT_EQ(Reload("cache_ttl: 9\n").status, 503);
  EXPECT_EQ(hot().cache_ttl, std::chrono::seconds(7)) << "what is not audited is not done";
}

TEST_F(ConfigRoutesTest, TheListNamesEveryReloadableKeyAndNoOther) {
  const std::string body = Get("/platform/config/reloadable-keys", user_).body;
  for (const char* key : {"LOG_LEVEL",
                          "LOG_FORMAT",
                          "GATEWAY_TIMEOUT",
                          "UPSTREAM_TIMEOUT",
                          "CONNECTION_TIMEOUT",
                          "RATE_LIMIT_ENABLED",
                          "RATE_LIMIT_REQUESTS",
                          "RATE_LIMIT_WINDOW",
                          "CACHE_TTL",
                          "CACHE_MAX_SIZE",
                          "CIRCUIT_BREAKER_ENABLED",
                          "CIRCUIT_BREAKER_THRESHOLD",
                          "CIRCUIT_BREAKER_TIMEOUT",
                          "RETRY_ENABLED",
                          "RETRY_MAX_ATTEMPTS",
                          "RETRY_BACKOFF",
                          "METRICS_ENABLED",
                          "CORE_MANAGER_URL",
                          "CORS_ALLOWED_ORIGINS",
                          "ACCESS_LOG"}) {
    EXPECT_THAT(body, HasSubstr(std::string(R"({"key":")") + key + R"(","description":")"));
  }
  for (const char* key :
       {"LOG_FILE", "METRICS_INTERVAL", "FEATURE_", "HTTP_ADDRESS", "REDIS_URL", "ALLOWED_HOSTS"}) {
    EXPECT_THAT(body, Not(HasSubstr(std::string(R"("key":")") + key)));
  }
  EXPECT_THAT(body, AllOf(HasSubstr(R"("total":)"), HasSubstr(R"("notes":[")"),
                          HasSubstr(R"("example":"info")")));
}

TEST_F(ConfigRoutesTest, ManyReloadsAtOnceAllAnswer) {
  std::vector<std::thread> clients;
  clients.reserve(8);
  std::atomic<int> good{0};
  for (int i = 0; i < 8; ++i) {
    clients.emplace_back([&] {
      good += Fetch(gateway_.address(), "POST", "/platform/config/reload",
                    {{"Authorization", "Bearer " + manager_}})
                  .status == 200;
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(good, 8);
}

}  // namespace
}  // namespace gatehouse::gateway
