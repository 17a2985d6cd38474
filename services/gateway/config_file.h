// CONFIG_FILE: the scalars in it as a source of settings, the rest as sections. Reads
// the file each time it is asked; says what is wrong with it, all at once. Not what
// overrides it (libs/config).
#pragma once

#include <string>

#include "libs/config/settings.h"
#include "services/gateway/config_sections.h"

namespace gatehouse::gateway {

// Nested keys are joined by "_" and written in capitals: log: {level: info} is
// LOG_LEVEL. The keys of `custom` stand for themselves. A list is joined by commas. Not
// thread-safe: whoever reloads sees to it.
class ConfigFile {
 public:
  // Empty `path`: the one that the setting CONFIG_FILE names, if any.
  explicit ConfigFile(std::string path = "") : fixed_path_(std::move(path)) {}

  // This must outlive what is made of it.
  config::Source AsSource();

  // As the source was last asked.
  const ConfigSections& sections() const { return sections_; }

 private:
  std::vector<config::Sourced> Read(const std::string& path, config::Problems* problems);

  const std::string fixed_path_;
  ConfigSections sections_;
};

}  // namespace gatehouse::gateway
