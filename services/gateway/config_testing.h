// A CONFIG_FILE in a directory of its own, and the settings that come of it. Not for
// use outside the gateway's tests.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "libs/service/process.h"
#include "services/gateway/config_file.h"
#include "services/gateway/options.h"

namespace gatehouse::gateway {

// What the gateway declares, without the need of keys and addresses.
inline std::vector<config::Setting> SettingsForTests() {
  std::vector<config::Setting> settings = service::CommonSettings(false);
  std::ranges::move(DeclaredSettings(), std::back_inserter(settings));
  for (config::Setting& setting : settings) {
    setting.required = false;
    if (setting.name == "ENV_FILE") setting.fallback = "";
  }
  return settings;
}

class ConfigSetup {
 public:
  explicit ConfigSetup(const std::string& yaml = "")
      : directory_(MakeDirectory()), file_(WriteFile(yaml)) {}
  ~ConfigSetup() { std::filesystem::remove_all(directory_); }

  // "DIRECTORY/gateway.yaml"
  std::string path() const { return directory_ + "/gateway.yaml"; }
  std::string WriteFile(const std::string& yaml) {
    std::ofstream(path(), std::ios::binary) << yaml;
    return path();
  }
  // "DIRECTORY/gateway.yaml:LINE: "
  std::string At(int line) const { return config::PlaceOf(path(), line) + ": "; }

  ConfigFile& file() { return file_; }

  // The settings as they are from now on; loaded when first asked for.
  config::Settings& settings() {
    if (!settings_) {
      auto loaded = config::Settings::Load(SettingsForTests(), file_.AsSource());
      EXPECT_TRUE(loaded.ok()) << loaded.status();
      settings_ = *std::move(loaded);
    }
    return *settings_;
  }

  // What the file gives now, read on its own.
  absl::StatusOr<HotConfig> Read() {
    const auto settings = config::Settings::Load(SettingsForTests(), file_.AsSource());
    if (!settings.ok()) return settings.status();
    return ReadHotConfig(*settings, file_.sections());
  }
  absl::StatusOr<HotConfig> Read(const std::string& yaml) {
    WriteFile(yaml);
    return Read();
  }
  // Every problem of a file, a line each; "" when it is good.
  std::string Problems(const std::string& yaml) {
    return std::string(Read(yaml).status().message());
  }

 private:
  static std::string MakeDirectory() {
    std::string pattern = ::testing::TempDir() + "config-XXXXXX";
    return ::mkdtemp(pattern.data());
  }

  const std::string directory_;
  ConfigFile file_;
  std::optional<config::Settings> settings_;
};

}  // namespace gatehouse::gateway
