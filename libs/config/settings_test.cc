#include "libs/config/settings.h"

#include <gmock/gmock.h>

#include "libs/config/settings_testing.h"

namespace gatehouse::config {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

const std::vector<Setting> kPlain = {
    {.name = "ADDRESS", .help = "Where it listens.", .fallback = "127.0.0.1:0"},
    {.name = "POOL_MAX",
     .help = "Connections.",
     .fallback = "8",
     .kind = Kind::kInt,
     .min = 1,
     .max = 64},
    {.name = "HTTPS_ONLY", .help = "Behind TLS.", .fallback = "false", .kind = Kind::kBool},
    {.name = "API_KEY", .help = "A key.", .secret = true},
};

// In production a strong secret is asked for.
const std::vector<Setting> kWithEnv = {
    {.name = "ENV", .help = "Kind of installation.", .fallback = "development"},
    {.name = "SECRET_KEY", .help = "Keys the HMACs.", .secret = true, .strong_in_production = true},
};

constexpr char kStrong[] = "Zk3vQ9xw1LmT7bRy5uHc2nJd8sPf4gKa";

TEST_F(SettingsTest, DefaultsHoldWhenNothingIsSet) {
  const auto settings = Settings::Load(kPlain);
  ASSERT_TRUE(settings.ok()) << settings.status();
  EXPECT_EQ(settings->Text("ADDRESS"), "127.0.0.1:0");
  EXPECT_EQ(settings->Int("POOL_MAX"), 8);
  EXPECT_FALSE(settings->Bool("HTTPS_ONLY"));
  EXPECT_EQ(settings->Text("API_KEY"), "");
}

TEST_F(SettingsTest, TheEnvironmentBeatsTheFileAndTheFileTheDefault) {
  Set("ENV_FILE", Write("env", "ADDRESS=from-file\nPOOL_MAX=9\n"));
  Set("ADDRESS", "from-environment");
  const auto settings = Settings::Load(kPlain);
  ASSERT_TRUE(settings.ok()) << settings.status();
  EXPECT_EQ(settings->Text("ADDRESS"), "from-environment");
  EXPECT_EQ(settings->Int("POOL_MAX"), 9);
}

TEST_F(SettingsTest, AnEmptyValueCountsAsAbsent) {
  Set("ENV_FILE", Write("env", "POOL_MAX=\nADDRESS=from-file\n"));
  Set("ADDRESS", "");
  const auto settings = Settings::Load(kPlain);
  ASSERT_TRUE(settings.ok()) << settings.status();
  EXPECT_EQ(settings->Text("ADDRESS"), "from-file");
  EXPECT_EQ(settings->Int("POOL_MAX"), 8);
}

TEST_F(SettingsTest, ASecretMayStandInAFileOfItsOwn) {
  Set("API_KEY_FILE", Write("key", "from key file\n"));
  EXPECT_EQ(Settings::Load(kPlain)->Text("API_KEY"), "from key file");
  Set("API_KEY", "direct");
  EXPECT_EQ(Settings::Load(kPlain)->Text("API_KEY"), "direct");
}

TEST_F(SettingsTest, TheEnvFileMayNameASecretsFile) {
  const std::string key = Write("key", "nested");
  Set("ENV_FILE", Write("env", "API_KEY_FILE=" + key));
  EXPECT_EQ(Settings::Load(kPlain)->Text("API_KEY"), "nested");
}

TEST_F(SettingsTest, OnlySecretsAreReadFromFiles) {
  Set("ADDRESS_FILE", Write("address", "never"));
  EXPECT_EQ(Settings::Load(kPlain)->Text("ADDRESS"), "127.0.0.1:0");
}

TEST_F(SettingsTest, ReadsCommentsQuotesAndSpacesOfTheEnvFile) {
  Set("ENV_FILE", Write("env",
                        "# a comment\n\n  ADDRESS = \"unix:/a b#c\" \r\nAPI_KEY='it = \"so\"'\n"
                        "HTTPS_ONLY=Yes\nUNKNOWN=ignored\nPOOL_MAX=10"));
  const auto settings = Settings::Load(kPlain);
  ASSERT_TRUE(settings.ok()) << settings.status();
  EXPECT_EQ(settings->Text("ADDRESS"), "unix:/a b#c");
  EXPECT_EQ(settings->Text("API_KEY"), "it = \"so\"");
  EXPECT_TRUE(settings->Bool("HTTPS_ONLY"));
  EXPECT_EQ(settings->Int("POOL_MAX"), 10);
}

TEST_F(SettingsTest, TheDefaultEnvFileMayBeAbsentButANamedOneMayNot) {
  std::vector<Setting> declared = kPlain;
  declared.push_back(
      {.name = "ENV_FILE", .help = "Settings.", .fallback = directory() + "/absent"});
  EXPECT_TRUE(Settings::Load(declared).ok());
  Write("absent", "POOL_MAX=11");
  EXPECT_EQ(Settings::Load(declared)->Int("POOL_MAX"), 11);

  Set("ENV_FILE", directory() + "/another");
  EXPECT_THAT(ProblemsOf(declared), AllOf(HasSubstr("ENV_FILE"), HasSubstr("/another")));
  Set("ENV_FILE", directory());
  EXPECT_THAT(ProblemsOf(declared), HasSubstr("directory"));
}

TEST_F(SettingsTest, EveryProblemIsReportedAtOnceWithoutSecrets) {
  std::vector<Setting> declared = kPlain;
  declared.push_back(
      {.name = "DATABASE_URL", .help = "Database.", .required = true, .secret = true});
  declared.push_back({.name = "PIN", .help = "A number.", .kind = Kind::kInt, .secret = true});
  Set("ENV_FILE", Write("env", "POOL_MAX=65\nhunter2\n"));
  Set("HTTPS_ONLY", "maybe");
  Set("API_KEY_FILE", directory() + "/nowhere");
  Set("PIN", "hunter3");

  const absl::Status status = Settings::Load(declared).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Reason(status), "SETTINGS_INVALID");
  const std::string text(status.message());
  EXPECT_THAT(text, HasSubstr("line 2 is not NAME=value"));
  EXPECT_THAT(text, HasSubstr("POOL_MAX must be a whole number from 1 to 64, not \"65\""));
  EXPECT_THAT(text, HasSubstr("HTTPS_ONLY must be true or false, not \"maybe\""));
  EXPECT_THAT(text, HasSubstr("API_KEY_FILE: cannot read"));
  EXPECT_THAT(text, HasSubstr("DATABASE_URL (or DATABASE_URL_FILE) is required: Database."));
  EXPECT_THAT(text, HasSubstr("PIN (or PIN_FILE) must be a whole number"));
  EXPECT_THAT(text, Not(HasSubstr("hunter")));
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 5) << text;
}

TEST_F(SettingsTest, NumbersAreWholeAndWithinTheirBounds) {
  for (const char* value :
       {"0", "65", "-1", "8.0", "8 connections", "0x8", "99999999999999999999", "+8"}) {
    Set("POOL_MAX", value);
    EXPECT_THAT(ProblemsOf(kPlain), HasSubstr("POOL_MAX must be")) << value;
  }
  for (const char* value : {"1", "64", "08"}) {
    Set("POOL_MAX", value);
    EXPECT_EQ(ProblemsOf(kPlain), "") << value;
  }
}

TEST_F(SettingsTest, TruthHasEightWordsInAnyCase) {
  for (const char* value : {"1", "true", "YES", "On"}) {
    Set("HTTPS_ONLY", value);
    EXPECT_TRUE(Settings::Load(kPlain)->Bool("HTTPS_ONLY")) << value;
  }
  for (const char* value : {"0", "False", "no", "OFF"}) {
    Set("HTTPS_ONLY", value);
    EXPECT_FALSE(Settings::Load(kPlain)->Bool("HTTPS_ONLY")) << value;
  }
}

TEST_F(SettingsTest, ACheckOfItsOwnIsAskedForValuesThatAreThere) {
  const std::vector<Setting> declared = {
      {.name = "COLOUR", .help = "A colour.", .check = [](const std::string& value) {
         return value == "red" ? "" : "must be red";
       }}};
  EXPECT_EQ(ProblemsOf(declared), "");
  Set("COLOUR", "blue");
  EXPECT_EQ(ProblemsOf(declared), "COLOUR must be red");
  Set("COLOUR", "red");
  EXPECT_EQ(ProblemsOf(declared), "");
}

TEST_F(SettingsTest, ProductionRefusesWeakSecrets) {
  Set("ENV", "production");
  EXPECT_THAT(ProblemsOf(kWithEnv), HasSubstr("is required when ENV=production"));
  for (const char* weak :
       {"tiny", "changeme-changeme-changeme-changeme", "my-SECRET-key-that-is-long-enough-for-it",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "abababababababababababababababababab"}) {
    Set("SECRET_KEY", weak);
    const std::string problems = ProblemsOf(kWithEnv);
    EXPECT_THAT(problems, HasSubstr("SECRET_KEY (or SECRET_KEY_FILE) is too")) << weak;
    EXPECT_THAT(problems, Not(HasSubstr(weak)));
  }
  Set("SECRET_KEY", kStrong);
  EXPECT_EQ(ProblemsOf(kWithEnv), "");
}

TEST_F(SettingsTest, ProductionMayAlsoBeSaidInTheEnvFile) {
  Set("ENV_FILE", Write("env", "ENV=production\nSECRET_KEY=weak\n"));
  EXPECT_THAT(ProblemsOf(kWithEnv), HasSubstr("too short"));
}

TEST_F(SettingsTest, WhatProductionNeedsMayBeAbsentElsewhereAndHaveAnotherName) {
  const std::vector<Setting> declared = {
      {.name = "ENV", .help = "Where.", .fallback = "development"},
      {.name = "HOSTS", .help = "Names.", .alias = "OTHER_HOSTS", .required_in_production = true}};
  EXPECT_EQ(ProblemsOf(declared), "");
  Set("ENV", "production");
  EXPECT_EQ(ProblemsOf(declared), "HOSTS is required when ENV=production");
  Set("OTHER_HOSTS", "a");
  EXPECT_EQ(ProblemsOf(declared), "");
}

TEST_F(SettingsTest, DevelopmentTakesAnySecret) {
  Set("SECRET_KEY", "short");
  EXPECT_EQ(ProblemsOf(kWithEnv), "");
}

TEST_F(SettingsTest, HelpListsNameDefaultMarksAndMeaning) {
  const std::string help = Settings::Help(
      {{.name = "LOG_LEVEL", .help = "Least level.", .fallback = "info", .reloadable = true},
       {.name = "API_KEY", .help = "A key.", .required = true, .secret = true}});
  EXPECT_EQ(help,
            "  NAME       DEFAULT  MARKS             MEANING\n"
            "  LOG_LEVEL  info     reload            Least level.\n"
            "  API_KEY    -        required, secret  A key.\n");
}

TEST_F(SettingsTest, AskingForWhatWasNotDeclaredAborts) {
  const auto settings = Settings::Load(kPlain);
  ASSERT_TRUE(settings.ok());
  EXPECT_DEATH(settings->Text("NOWHERE"), "NOWHERE was not declared");
  EXPECT_DEATH(settings->Text("POOL_MAX"), "POOL_MAX was not declared, or not with this kind");
  EXPECT_DEATH(settings->Bool("ADDRESS"), "ADDRESS");
}

}  // namespace
}  // namespace gatehouse::config
