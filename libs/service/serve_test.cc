#include <gmock/gmock.h>
#include <signal.h>

#include <filesystem>

#include "libs/rpc/client.h"
#include "libs/service/testing.h"

namespace gatehouse::service {
namespace {

using ::testing::AllOf;
using testing::Environment;
using testing::Eventually;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using testing::Sample;
using ::testing::StartsWith;

class ServeTest : public testing::SampleTest {
 protected:
  bool IsServing() { return rpc::Client("sample", socket(), nullptr).IsServing(kTimeout); }

  static constexpr std::chrono::seconds kTimeout{5};
};

TEST_F(ServeTest, BecomesServingAndTellsItsAddresses) {
  Sample sample(directory(), {}, ServeEnvironment(), true);
  const auto ready = sample.AwaitReady();
  ASSERT_EQ(ready.size(), 3u) << sample.Errors();
  EXPECT_EQ(ready.at("grpc"), socket());
  EXPECT_THAT(ready.at("metrics"), StartsWith("127.0.0.1:"));
  EXPECT_EQ(ready.at("http"), "127.0.0.1:1") << "the program's own line";
  EXPECT_TRUE(IsServing());

  const std::string metrics = testing::Scrape(ready.at("metrics"));
  EXPECT_THAT(metrics, HasSubstr("gatehouse_ready 1\n"));
  EXPECT_THAT(metrics, HasSubstr("gatehouse_build_info{service=\"sample\",version=\"0."));
  EXPECT_THAT(sample.Errors(), AllOf(HasSubstr("\"message\":\"started\""), HasSubstr("version")));
}

TEST_F(ServeTest, ServesAtAPortThatTheSystemChose) {
  Environment environment = ServeEnvironment();
  environment["GRPC_ADDRESS"] = "127.0.0.1:0";
  Sample sample(directory(), {"serve"}, environment, true);
  const auto ready = sample.AwaitReady();
  ASSERT_EQ(ready.count("grpc"), 1u) << sample.Errors();
  EXPECT_THAT(ready.at("grpc"), Not(HasSubstr(":0")));
  EXPECT_TRUE(rpc::Client("sample", ready.at("grpc"), nullptr).IsServing(kTimeout));
}

TEST_F(ServeTest, SigtermAndSigintDrainAndExitWith0) {
  for (const int signal : {SIGTERM, SIGINT}) {
    Environment environment = ServeEnvironment();
    environment["DRAIN_SECONDS"] = "7";
    Sample sample(directory(), {}, environment, true);
    ASSERT_EQ(sample.AwaitReady().size(), 3u) << sample.Errors();
    sample.Signal(signal);
    EXPECT_EQ(sample.Wait(), 0) << sample.Errors();
    const std::string log = sample.Errors();
    const std::size_t draining = log.find("\"message\":\"draining\"");
    const std::size_t own = log.find("\"message\":\"sample drained\"");
    const std::size_t stopped = log.find("\"message\":\"stopped\"");
    EXPECT_NE(stopped, std::string::npos);
    EXPECT_LT(draining, own);
    EXPECT_LT(own, stopped);
    EXPECT_THAT(log, HasSubstr("\"grace_ms\":7000"));
    EXPECT_FALSE(IsServing());
  }
}

TEST_F(ServeTest, ASignalBeforeItServesIsNotLost) {
  Environment environment = ServeEnvironment();
  environment["READY_FILE"] = directory() + "/absent";
  Sample sample(directory(), {}, environment);
  ASSERT_TRUE(sample.AwaitLog("\"message\":\"started\""));
  sample.Signal(SIGTERM);
  EXPECT_EQ(sample.Wait(), 0);
}

TEST_F(ServeTest, SighupAppliesWhatIsReloadable) {
  Environment environment = ServeEnvironment();
  environment["ENV_FILE"] = Write("env", "LOG_LEVEL=info\nPOOL_MAX=3\n");
  Sample sample(directory(), {}, environment, true);
  ASSERT_EQ(sample.AwaitReady().size(), 3u) << sample.Errors();

  Write("env", "LOG_LEVEL=debug\nGREETING=bonjour\nPOOL_MAX=4\n");
  sample.Signal(SIGHUP);
  // Logged at debug: the level was applied before the program's own reload.
  EXPECT_TRUE(sample.AwaitLog("sample reloaded")) << sample.Errors();
  EXPECT_TRUE(sample.AwaitLog("Configuration reload complete")) << sample.Errors();
  EXPECT_THAT(sample.Errors(), HasSubstr("SIGHUP received: reloading configuration..."));
  EXPECT_THAT(sample.Errors(), HasSubstr("\"changed\":\"LOG_LEVEL,GREETING\""));
  EXPECT_THAT(sample.Errors(), HasSubstr("\"message\":\"config changed\",\"key\":\"LOG_LEVEL\","
                                         "\"old\":\"info\",\"new\":\"debug\""));
  EXPECT_THAT(sample.Errors(), HasSubstr("\"message\":\"config changed, needs a restart\","
                                         "\"key\":\"POOL_MAX\""));
  EXPECT_THAT(sample.Errors(), HasSubstr("\"greeting\":\"bonjour\""));

  Write("env", "LOG_LEVEL=loud\n");
  sample.Signal(SIGHUP);
  EXPECT_TRUE(sample.AwaitLog("Configuration reload failed"));
  EXPECT_THAT(sample.Errors(), HasSubstr("LOG_LEVEL must be"));
  EXPECT_TRUE(sample.IsRunning());
  EXPECT_TRUE(IsServing());
}

TEST_F(ServeTest, SighupSwitchesTheFormatOfLinesAndTheMetrics) {
  Environment environment = ServeEnvironment();
  environment["ENV_FILE"] = Write("env", "");
  Sample sample(directory(), {}, environment, true);
  const auto ready = sample.AwaitReady();
  ASSERT_EQ(ready.size(), 3u) << sample.Errors();
  EXPECT_THAT(testing::Scrape(ready.at("metrics")), HasSubstr("gatehouse_build_info"));

  Write("env", "LOG_FORMAT=plain\nMETRICS_ENABLED=false\n");
  sample.Signal(SIGHUP);
  EXPECT_TRUE(sample.AwaitLog("INFO sample Configuration reload complete changed="))
      << sample.Errors();
  EXPECT_THAT(testing::Scrape(ready.at("metrics")), Not(HasSubstr("gatehouse_build_info")));

  Write("env", "");
  sample.Signal(SIGHUP);
  EXPECT_TRUE(Eventually([&] {
    return testing::Scrape(ready.at("metrics")).find("gatehouse_build_info") != std::string::npos;
  }));
}

TEST_F(ServeTest, FollowsTheReadinessOfTheProgram) {
  Environment environment = ServeEnvironment();
  environment["READY_FILE"] = directory() + "/ready";
  Sample sample(directory(), {}, environment, true);
  ASSERT_TRUE(sample.AwaitLog("\"message\":\"not ready\"")) << sample.Errors();
  EXPECT_THAT(sample.Errors(), HasSubstr("SAMPLE_NOT_READY"));
  EXPECT_FALSE(IsServing());

  Write("ready", "");
  const auto ready = sample.AwaitReady();
  ASSERT_EQ(ready.size(), 3u) << sample.Errors();
  EXPECT_TRUE(IsServing());

  std::filesystem::remove(directory() + "/ready");
  EXPECT_TRUE(Eventually([&] { return !IsServing(); }));
  EXPECT_TRUE(Eventually([&] {
    return testing::Scrape(ready.at("metrics")).find("gatehouse_ready 0\n") != std::string::npos;
  }));
  Write("ready", "");
  EXPECT_TRUE(Eventually([&] { return IsServing(); }));
}

TEST_F(ServeTest, TellsItsAddressesAlsoWhenItDoesNotBecomeReady) {
  Environment environment = ServeEnvironment();
  environment["READY_FILE"] = directory() + "/absent";
  Sample sample(directory(), {}, environment, true);
  EXPECT_EQ(sample.AwaitReady().size(), 3u) << sample.Errors();
  EXPECT_FALSE(IsServing());
}

TEST_F(ServeTest, AFailedStartExitsWith1) {
  Environment environment = ServeEnvironment();
  environment["START_ERROR"] = "no listener";
  Sample sample(directory(), {}, environment, true);
  EXPECT_EQ(sample.Wait(), 1);
  EXPECT_THAT(sample.Errors(), AllOf(HasSubstr("SAMPLE_FAILED"), HasSubstr("no listener")));
  EXPECT_THAT(sample.AwaitReady(), IsEmpty());
}

TEST_F(ServeTest, AnAddressInUseIsLeftAloneAndAStaleOneIsTaken) {
  Sample first(directory(), {}, ServeEnvironment(), true);
  ASSERT_EQ(first.AwaitReady().size(), 3u) << first.Errors();
  Sample second(directory(), {}, ServeEnvironment());
  EXPECT_EQ(second.Wait(), 1) << second.Errors();
  EXPECT_TRUE(IsServing()) << "the first still serves";

  first.Signal(SIGKILL);
  EXPECT_EQ(first.Wait(), -1);
  EXPECT_FALSE(IsServing());
  Sample third(directory(), {}, ServeEnvironment(), true);
  EXPECT_EQ(third.AwaitReady().size(), 3u) << third.Errors();
  EXPECT_TRUE(IsServing());
}

TEST_F(ServeTest, ATakenMetricsPortExitsWith1) {
  Sample first(directory(), {}, ServeEnvironment(), true);
  const auto ready = first.AwaitReady();
  ASSERT_EQ(ready.count("metrics"), 1u) << first.Errors();
  Environment environment = ServeEnvironment();
  environment["GRPC_ADDRESS"] = "127.0.0.1:0";
  environment["METRICS_ADDRESS"] = ready.at("metrics");
  const auto second = RunSample({}, environment);
  EXPECT_EQ(second.code, 1);
  EXPECT_THAT(second.errors, HasSubstr("METRICS_ADDRESS_UNAVAILABLE"));
}

TEST_F(ServeTest, ClientsFindAProcessByItsAddressSetting) {
  Sample sample(directory(), {}, ServeEnvironment(), true);
  ASSERT_EQ(sample.AwaitReady().size(), 3u) << sample.Errors();
  Environment environment = ServeEnvironment();
  environment["SAMPLE_ADDRESS"] = socket();
  const auto asked = RunSample({"ask-health"}, environment);
  EXPECT_EQ(asked.output, "serving\n") << asked.errors;
  EXPECT_EQ(asked.code, 0);
}

TEST_F(ServeTest, NoSecretIsLogged) {
  Environment environment = ServeEnvironment();
  environment["LOG_LEVEL"] = "debug";
  environment["SAMPLE_SECRET"] = "hunter2-hunter2";
  Sample sample(directory(), {}, environment, true);
  ASSERT_EQ(sample.AwaitReady().size(), 3u) << sample.Errors();
  sample.Signal(SIGHUP);
  ASSERT_TRUE(sample.AwaitLog("sample reloaded"));
  sample.Signal(SIGTERM);
  EXPECT_EQ(sample.Wait(), 0);
  EXPECT_THAT(sample.Errors(), Not(HasSubstr("hunter2")));
}

}  // namespace
}  // namespace gatehouse::service
