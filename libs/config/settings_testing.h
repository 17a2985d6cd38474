// Fixture for the tests of this folder: an environment of their own and files in
// a directory of their own. Not for other tests.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "libs/config/settings.h"

namespace gatehouse::config {

class SettingsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "settings-XXXXXX";
    directory_ = ::mkdtemp(pattern.data());
    ::clearenv();
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  void Set(const std::string& name, const std::string& value) {
    ::setenv(name.c_str(), value.c_str(), 1);
  }

  // Writes a file of the test's directory; returns its path.
  std::string Write(const std::string& name, const std::string& text) {
    const std::string path = directory_ + "/" + name;
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }

  const std::string& directory() const { return directory_; }

 private:
  std::string directory_;
};

// The message of a failed Load; "" when it succeeds.
inline std::string ProblemsOf(const std::vector<Setting>& declared) {
  return std::string(Settings::Load(declared).status().message());
}

}  // namespace gatehouse::config
