#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "libs/config/settings.h"
#include "libs/config/settings_testing.h"

namespace gatehouse::config {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class ReloadTest : public SettingsTest {
 protected:
  // The names of what a reload applied, in their order.
  static std::vector<std::string> Applied(Settings& settings) {
    const auto changes = settings.Reload();
    EXPECT_TRUE(changes.ok()) << changes.status();
    std::vector<std::string> names;
    if (!changes.ok()) return names;
    for (const Change& change : *changes) {
      if (change.applied) names.push_back(change.name);
    }
    return names;
  }

  // Replaces ENV_FILE's file.
  void WriteEnv(const std::string& text) { Set("ENV_FILE", Write("env", text)); }

  Settings Load() {
    auto settings = Settings::Load(
        {{.name = "LOG_LEVEL", .help = "Level.", .fallback = "info", .reloadable = true},
         {.name = "RATE",
          .help = "Rate.",
          .fallback = "1",
          .kind = Kind::kInt,
          .reloadable = true,
          .max = 100},
         {.name = "API_KEY", .help = "Key.", .secret = true, .reloadable = true},
         {.name = "ADDRESS", .help = "Where.", .fallback = "here"}});
    EXPECT_TRUE(settings.ok()) << settings.status();
    return *settings;
  }
};

TEST_F(ReloadTest, TakesOverTheReloadableOnesAndNamesThem) {
  WriteEnv("RATE=5\nADDRESS=old\n");
  Settings settings = Load();
  WriteEnv("RATE=6\nADDRESS=new\nLOG_LEVEL=debug\n");
  EXPECT_THAT(Applied(settings), ElementsAre("LOG_LEVEL", "RATE"));
  EXPECT_EQ(settings.Int("RATE"), 6);
  EXPECT_EQ(settings.Text("LOG_LEVEL"), "debug");
  EXPECT_EQ(settings.Text("ADDRESS"), "old") << "needs a restart";
}

TEST_F(ReloadTest, TellsWhatChangedFromWhatToWhatWithoutSecrets) {
  WriteEnv("RATE=5\nADDRESS=old\nAPI_KEY=hunter2\n");
  Settings settings = Load();
  WriteEnv("RATE=6\nADDRESS=new\nAPI_KEY=hunter3\n");
  const auto changes = settings.Reload();
  ASSERT_TRUE(changes.ok()) << changes.status();
  ASSERT_EQ(changes->size(), 3u);
  const auto find = [&](const std::string& name) {
    return *std::ranges::find(*changes, name, &Change::name);
  };
  EXPECT_EQ(find("RATE").before, "5");
  EXPECT_EQ(find("RATE").after, "6");
  EXPECT_EQ(find("API_KEY").before, "[redacted]");
  EXPECT_EQ(find("API_KEY").after, "[redacted]");
  EXPECT_EQ(find("ADDRESS").after, "new");
  EXPECT_FALSE(find("ADDRESS").applied) << "needs a restart";
  EXPECT_TRUE(find("RATE").applied);
}

TEST_F(ReloadTest, WhatWasReadAgainChangesNothingBeforeItIsTaken) {
  WriteEnv("RATE=5\n");
  Settings settings = Load();
  WriteEnv("RATE=6\nADDRESS=new\n");
  Problems problems;
  const auto next = settings.Again(&problems);
  ASSERT_TRUE(next) << TextOf(problems);
  EXPECT_EQ(next->Int("RATE"), 6);
  EXPECT_EQ(next->Text("ADDRESS"), "here") << "as it will be: it needs a restart";
  EXPECT_EQ(settings.Int("RATE"), 5);
  settings.Take(*next);
  EXPECT_EQ(settings.Int("RATE"), 6);
}

TEST_F(ReloadTest, NothingChangedIsNoNames) {
  WriteEnv("RATE=5\n");
  Settings settings = Load();
  EXPECT_THAT(Applied(settings), IsEmpty());
}

TEST_F(ReloadTest, AnInvalidFileChangesNothing) {
  WriteEnv("RATE=5\nLOG_LEVEL=debug\n");
  Settings settings = Load();
  WriteEnv("RATE=1000\nLOG_LEVEL=error\n");
  EXPECT_EQ(Reason(settings.Reload().status()), "SETTINGS_INVALID");
  EXPECT_EQ(settings.Int("RATE"), 5);
  EXPECT_EQ(settings.Text("LOG_LEVEL"), "debug");
}

TEST_F(ReloadTest, ALineThatIsGoneMeansTheDefault) {
  WriteEnv("RATE=5\n");
  Settings settings = Load();
  WriteEnv("");
  EXPECT_THAT(Applied(settings), ElementsAre("RATE"));
  EXPECT_EQ(settings.Int("RATE"), 1);
}

TEST_F(ReloadTest, ReadsTheFilesOfSecretsAgain) {
  Set("API_KEY_FILE", Write("key", "one\n"));
  Settings settings = Load();
  const std::string& held = settings.Text("API_KEY");
  Write("key", "two\n");
  EXPECT_THAT(Applied(settings), ElementsAre("API_KEY"));
  EXPECT_EQ(settings.Text("API_KEY"), "two");
  EXPECT_EQ(held, "one") << "a reference handed out keeps its value";
}

TEST_F(ReloadTest, TheProcessEnvironmentStillBeatsTheFile) {
  Set("RATE", "7");
  Settings settings = Load();
  WriteEnv("RATE=8\n");
  EXPECT_THAT(Applied(settings), IsEmpty());
  EXPECT_EQ(settings.Int("RATE"), 7);
}

TEST_F(ReloadTest, ReadersRaceWithReloading) {
  WriteEnv("LOG_LEVEL=a\n");
  Settings settings = Load();
  std::atomic<bool> stop{false};
  std::atomic<int> strange{0};
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&] {
      while (!stop) {
        const std::string& value = settings.Text("LOG_LEVEL");
        if (value != "a" && value != "b") ++strange;
      }
    });
  }
  for (int i = 0; i < 100; ++i) {
    WriteEnv(i % 2 == 0 ? "LOG_LEVEL=b\n" : "LOG_LEVEL=a\n");
    EXPECT_TRUE(settings.Reload().ok());
  }
  stop = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(strange, 0);
}

}  // namespace
}  // namespace gatehouse::config
