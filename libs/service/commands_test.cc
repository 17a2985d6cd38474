#include <gmock/gmock.h>
#include <sys/stat.h>

#include <fstream>

#include "libs/base/secret.h"
#include "libs/service/testing.h"

namespace gatehouse::service {
namespace {

using ::testing::AllOf;
using testing::Environment;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;

using CommandsTest = testing::SampleTest;

// Strong enough, and in no other place.
constexpr char kStrong[] = "Zk3vQ9xw1LmT7bRy5uHc2nJd8sPf4gKa";

TEST_F(CommandsTest, HelpListsCommandsAndEverySettingWithoutAnySetting) {
  const auto help = RunSample({"--help"});
  EXPECT_EQ(help.code, 0);
  EXPECT_EQ(help.errors, "");
  EXPECT_THAT(help.output, HasSubstr("Usage: sample [COMMAND]"));
  EXPECT_THAT(help.output, HasSubstr("Does nothing, for tests."));
  for (const char* command : {"serve", "keygen DIR", "greet", "ask-health", "--version"}) {
    EXPECT_THAT(help.output, HasSubstr(std::string("\n  ") + command + " "));
  }
  for (const char* setting : {"ENV", "ENV_FILE", "LOG_LEVEL", "GRPC_ADDRESS", "METRICS_ADDRESS",
                              "SERVICE_KEY", "SERVICE_KEYS_FILE", "POOL_MAX", "DRAIN_SECONDS",
                              "READY_FD", "GREETING", "SAMPLE_SECRET", "SAMPLE_ADDRESS"}) {
    EXPECT_THAT(help.output, HasSubstr(std::string("\n  ") + setting + " "));
  }
  EXPECT_THAT(help.output, Not(HasSubstr("DATABASE_URL"))) << "it has no database";
  EXPECT_EQ(RunSample({"-h"}).output, help.output);
}

TEST_F(CommandsTest, HelpOfAProgramWithADatabaseHasMigrate) {
  const auto help = RunSample({"--help"}, {{"SAMPLE_DATABASE", "1"}});
  EXPECT_THAT(help.output, AllOf(HasSubstr("\n  migrate "), HasSubstr("\n  OWNER_DATABASE_URL ")));
}

TEST_F(CommandsTest, VersionIsNameAndNumber) {
  const auto version = RunSample({"--version"});
  EXPECT_EQ(version.code, 0);
  EXPECT_THAT(version.output, MatchesRegex("sample [0-9]+\\.[0-9]+\\.[0-9]+\n"));
}

TEST_F(CommandsTest, WrongArgumentsExitWith2) {
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{"dance"},
                                             {"--verbose"},
                                             {"serve", "now"},
                                             {"keygen"},
                                             {"keygen", "a", "b"},
                                             {"migrate"}}) {
    const auto result = RunSample(arguments, ServeEnvironment());
    EXPECT_EQ(result.code, 2) << arguments[0];
    EXPECT_THAT(result.errors, HasSubstr("try sample --help"));
    EXPECT_EQ(result.output, "");
  }
}

TEST_F(CommandsTest, KeygenMakesAPrivateFileOnce) {
  const std::string path = directory() + "/sample.key";
  struct stat info;
  ASSERT_EQ(::stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0600u);
  std::string seed;
  std::getline(std::ifstream(path), seed);
  ASSERT_TRUE(Base64UrlDecode(seed).has_value());
  EXPECT_EQ(Base64UrlDecode(seed)->size(), 32u);

  const auto again = RunSample({"keygen", directory()});
  EXPECT_EQ(again.code, 0);
  EXPECT_THAT(again.output, MatchesRegex("sample [A-Za-z0-9_-]{43}\n"));
  EXPECT_THAT(again.output, Not(HasSubstr(seed)));
  std::string kept;
  std::getline(std::ifstream(path), kept);
  EXPECT_EQ(kept, seed);
  EXPECT_EQ(RunSample({"keygen", directory()}).output, again.output);
}

TEST_F(CommandsTest, RacingKeygensAgreeOnOneKey) {
  ASSERT_EQ(::unlink((directory() + "/sample.key").c_str()), 0);
  std::vector<std::unique_ptr<testing::Sample>> racers;
  for (int i = 0; i < 8; ++i) {
    racers.push_back(std::make_unique<testing::Sample>(
        directory(), std::vector<std::string>{"keygen", directory()}, Environment{}));
  }
  for (const auto& racer : racers) EXPECT_EQ(racer->Wait(), 0) << racer->Errors();
  for (const auto& racer : racers) EXPECT_EQ(racer->Output(), racers[0]->Output());
}

TEST_F(CommandsTest, KeygenReportsWhatItCannotUse) {
  const auto nowhere = RunSample({"keygen", directory() + "/nowhere"});
  EXPECT_EQ(nowhere.code, 1);
  EXPECT_THAT(nowhere.errors, HasSubstr("cannot write"));
  Write("sample.key", "garbage\n");
  const auto garbage = RunSample({"keygen", directory()});
  EXPECT_EQ(garbage.code, 1);
  EXPECT_THAT(garbage.errors, AllOf(HasSubstr("holds no key"), Not(HasSubstr("garbage"))));
}

TEST_F(CommandsTest, EveryProblemOfTheSettingsIsListedAtOnce) {
  const auto result = RunSample({}, {{"ENV", "prod"},
                                     {"LOG_LEVEL", "loud"},
                                     {"GRPC_ADDRESS", "nowhere"},
                                     {"POOL_MAX", "0"},
                                     {"SERVICE_KEY", "tooshort"},
                                     {"SERVICE_KEYS_FILE", Write("keys", "sample not-a-key\n")}});
  EXPECT_EQ(result.code, 2);
  EXPECT_EQ(result.output, "");
  for (const char* problem :
       {"ENV must be development or production", "LOG_LEVEL must be", "GRPC_ADDRESS must be",
        "POOL_MAX must be a whole number from 1 to 256",
        "SERVICE_KEY (or SERVICE_KEY_FILE) must be", "SERVICE_KEYS_FILE cannot be used"}) {
    EXPECT_THAT(result.errors, HasSubstr(problem));
  }
  EXPECT_THAT(result.errors, Not(HasSubstr("tooshort")));

  const auto absent = RunSample({});
  EXPECT_EQ(absent.code, 2);
  EXPECT_THAT(absent.errors, AllOf(HasSubstr("SERVICE_KEY (or SERVICE_KEY_FILE) is required"),
                                   HasSubstr("SERVICE_KEYS_FILE is required")));
}

TEST_F(CommandsTest, ProductionRefusesAWeakSecret) {
  Environment environment = ServeEnvironment();
  environment["ENV"] = "production";
  EXPECT_THAT(RunSample({}, environment).errors,
              HasSubstr("SAMPLE_SECRET (or SAMPLE_SECRET_FILE) is required"));
  environment["SAMPLE_SECRET"] = "changeme";
  const auto weak = RunSample({}, environment);
  EXPECT_EQ(weak.code, 2);
  EXPECT_THAT(weak.errors, HasSubstr("SAMPLE_SECRET (or SAMPLE_SECRET_FILE) is too short"));
  environment["SAMPLE_SECRET"] = kStrong;
  EXPECT_EQ(RunSample({"greet"}, environment).code, 0);
}

TEST_F(CommandsTest, ACommandOfTheProgramNeedsNoKeys) {
  const auto greeted = RunSample({"greet", "dear", "world"}, {{"GREETING", "good day"}});
  EXPECT_EQ(greeted.code, 0) << greeted.errors;
  EXPECT_EQ(greeted.output, "good day dear world\n");
}

TEST_F(CommandsTest, HelpOfACommandNeedsNoSettings) {
  for (const char* help : {"--help", "-h"}) {
    const auto plain = RunSample({"ask-health", help}, {{"ENV", "prod"}});
    EXPECT_EQ(plain.code, 0) << plain.errors;
    EXPECT_EQ(plain.output, "Usage: sample ask-health\n\nAsks the sample whether it serves.\n");
  }
  EXPECT_EQ(RunSample({"greet", "--help"}).output, "Usage: sample greet [NAME]...\n");
}

TEST_F(CommandsTest, FailpointsAreNotArmedWhenTheEnvFileSaysProduction) {
  Environment environment = {{"GATEHOUSE_FAILPOINTS", "sample.greet=error"},
                             {"SAMPLE_SECRET", kStrong}};
  EXPECT_EQ(RunSample({"greet"}, environment).code, 3);
  environment["ENV_FILE"] = Write("env", "ENV=production\n");
  EXPECT_EQ(RunSample({"greet"}, environment).code, 0);
}

TEST_F(CommandsTest, SettingsAreReadFromTheEnvFileOfTheWorkingDirectory) {
  Write(".env", "GREETING=\"from the file\"\n");
  EXPECT_EQ(RunSample({"greet"}).output, "from the file\n");
}

}  // namespace
}  // namespace gatehouse::service
