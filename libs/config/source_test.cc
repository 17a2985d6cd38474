#include <gmock/gmock.h>

#include "libs/config/settings.h"
#include "libs/config/settings_testing.h"

namespace gatehouse::config {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class SourceTest : public SettingsTest {
 protected:
  const std::vector<Setting> declared_ = {
      {.name = "CONFIG_FILE", .help = "File.", .fallback = "default.yaml"},
      {.name = "LOG_LEVEL", .help = "Level.", .fallback = "info", .reloadable = true},
      {.name = "UPSTREAM_TIMEOUT",
       .help = "Time.",
       .fallback = "30",
       .kind = Kind::kSeconds,
       .alias = "REQUEST_TIMEOUT",
       .reloadable = true,
       .min = 10,
       .max = 600000},
      {.name = "API_KEY", .help = "Key.", .secret = true}};

  // A source whose file says what `given_` says.
  Source FromGiven() {
    return [this](const std::function<std::string(const std::string&)>& text, Problems* problems) {
      asked_ = text("CONFIG_FILE");
      std::ranges::copy(broken_, std::back_inserter(*problems));
      return given_;
    };
  }

  absl::StatusOr<Settings> Load() { return Settings::Load(declared_, FromGiven()); }

  std::string Refusal() {
    const absl::Status status = Load().status();
    EXPECT_EQ(Reason(status), "SETTINGS_INVALID");
    return std::string(status.message());
  }

  std::vector<Sourced> given_;
  Problems broken_;
  std::string asked_;
};

TEST_F(SourceTest, StandsBelowTheEnvironmentAndItsFileAndAboveTheDefault) {
  given_ = {{"LOG_LEVEL", "debug", "f.yaml:1"}};
  EXPECT_EQ(Load()->Text("LOG_LEVEL"), "debug");
  Set("ENV_FILE", Write("env", "LOG_LEVEL=warning\n"));
  EXPECT_EQ(Load()->Text("LOG_LEVEL"), "warning");
  Set("LOG_LEVEL", "error");
  EXPECT_EQ(Load()->Text("LOG_LEVEL"), "error");
  given_.clear();
  ::clearenv();
  EXPECT_EQ(Load()->Text("LOG_LEVEL"), "info");
}

TEST_F(SourceTest, LearnsTheNameOfItsFileFromTheOthers) {
  ASSERT_TRUE(Load().ok());
  EXPECT_EQ(asked_, "default.yaml");
  Set("ENV_FILE", Write("env", "CONFIG_FILE=mine.yaml\n"));
  ASSERT_TRUE(Load().ok());
  EXPECT_EQ(asked_, "mine.yaml");
}

TEST_F(SourceTest, AnAliasOfTheEnvironmentBeatsTheNameInTheFile) {
  given_ = {{"UPSTREAM_TIMEOUT", "5", "f.yaml:1"}};
  Set("REQUEST_TIMEOUT", "7");
  EXPECT_EQ(Load()->Seconds("UPSTREAM_TIMEOUT"), milliseconds(7000));
}

TEST_F(SourceTest, KnowsAliases) {
  given_ = {{"REQUEST_TIMEOUT", "0.25", "f.yaml:3"}};
  const auto settings = Load();
  ASSERT_TRUE(settings.ok()) << settings.status();
  EXPECT_EQ(settings->Seconds("UPSTREAM_TIMEOUT"), milliseconds(250));
  EXPECT_EQ(settings->Where("UPSTREAM_TIMEOUT"), "f.yaml:3");
  EXPECT_EQ(settings->Where("LOG_LEVEL"), "");
}

TEST_F(SourceTest, EveryProblemIsToldWithItsPlace) {
  given_ = {{"LOG_LEVLE", "debug", "f.yaml:1"},
            {"UPSTREAM_TIMEOUT", "soon", "f.yaml:2"},
            {"LOG_LEVEL", "info", "f.yaml:3"},
            {"LOG_LEVEL", "warn", "f.yaml:4"},
            {"SOMETHING_ELSE_AGAIN", "1", "f.yaml:5"}};
  broken_ = {{"f.yaml:9", "a route has no path"}};
  EXPECT_EQ(Refusal(),
            "f.yaml:9: a route has no path\n"
            "f.yaml:1: unknown key LOG_LEVLE; did you mean LOG_LEVEL?\n"
            "f.yaml:4: LOG_LEVEL is given twice, first at f.yaml:3\n"
            "f.yaml:5: unknown key SOMETHING_ELSE_AGAIN\n"
            "f.yaml:2: UPSTREAM_TIMEOUT must be a number of seconds from 0.01 to 600, "
            "not \"soon\"");
  const auto violations = FieldViolations(Load().status());
  EXPECT_EQ(violations.size(), 5u);
  EXPECT_EQ(violations.count("f.yaml:9"), 1u);
}

TEST_F(SourceTest, SecondsAreDecimalAndWithinTheirRange) {
  for (const auto& [text, millis] :
       {std::pair("0.05", 50), {"30", 30000}, {"1.5", 1500}, {"0.01", 10}, {"600", 600000}}) {
    given_ = {{"UPSTREAM_TIMEOUT", text, "f.yaml:1"}};
    EXPECT_EQ(Load()->Seconds("UPSTREAM_TIMEOUT"), milliseconds(millis)) << text;
  }
  for (const char* text : {"0", "601", "-1", "1e2", "nan", "inf", "1s", " 1", "1,5"}) {
    given_ = {{"UPSTREAM_TIMEOUT", text, "f.yaml:1"}};
    EXPECT_THAT(Refusal(), HasSubstr("f.yaml:1: UPSTREAM_TIMEOUT must be")) << text;
  }
}

TEST_F(SourceTest, AReloadAsksItAgain) {
  given_ = {{"LOG_LEVEL", "debug", "f.yaml:1"}};
  auto settings = Load();
  ASSERT_TRUE(settings.ok());
  given_ = {{"LOG_LEVEL", "error", "f.yaml:8"}};
  const auto changes = settings->Reload();
  ASSERT_TRUE(changes.ok());
  ASSERT_EQ(changes->size(), 1u);
  EXPECT_EQ(settings->Text("LOG_LEVEL"), "error");
  EXPECT_EQ(settings->Where("LOG_LEVEL"), "f.yaml:8");
  given_ = {{"LOG_LEVLE", "info", "f.yaml:1"}};
  EXPECT_FALSE(settings->Reload().ok());
  EXPECT_EQ(settings->Text("LOG_LEVEL"), "error") << "a bad file changes nothing";
}

TEST_F(SourceTest, AnotherSourceMakesOthersOfTheSame) {
  given_ = {{"LOG_LEVEL", "debug", "f.yaml:1"}};
  const auto settings = Load();
  Problems problems;
  const auto plain = settings->With(nullptr, &problems);
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->Text("LOG_LEVEL"), "info");
  EXPECT_EQ(settings->Text("LOG_LEVEL"), "debug");
}

TEST_F(SourceTest, EntriesShowEverythingButSecrets) {
  given_ = {{"API_KEY", "hunter2", "f.yaml:1"}};
  std::vector<std::string> shown;
  for (const Entry& entry : Load()->Entries()) shown.push_back(entry.name + "=" + entry.value);
  EXPECT_THAT(shown, ElementsAre("CONFIG_FILE=default.yaml", "LOG_LEVEL=info",
                                 "UPSTREAM_TIMEOUT=30", "API_KEY=[redacted]"));
}

}  // namespace
}  // namespace gatehouse::config
