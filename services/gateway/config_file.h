// CONFIG_FILE: the scalars in it as a source of settings, the rest as sections. Reads
// the file each time it is asked; says what is wrong with it, all at once. Not what
// overrides it (libs/config).
#pragma once

#include <optional>
#include <string>

#include "libs/config/settings.h"
#include "services/gateway/config_sections.h"

namespace gatehouse::gateway {

// Nested keys are joined by "_" and written in capitals: log: {level: info} is
// LOG_LEVEL. The keys of `custom` stand for themselves. A list is joined by commas. Not
// thread-safe: whoever reloads sees to it.
class ConfigFile {
 public:
  // Empty `path`: the one that the setting CONFIG_FILE names, if any, when the source is
  // asked first. Another name needs a restart.
  explicit ConfigFile(const std::string& path = "") {
    if (!path.empty()) path_ = path;
  }

  // This must outlive what is made of it.
  config::Source AsSource();

  // As the source was last asked.
  const ConfigSections& sections() const { return sections_; }

 private:
  std::vector<config::Sourced> Read(const std::string& path, config::Problems* problems);

  std::optional<std::string> path_;
  ConfigSections sections_;
};

}  // namespace gatehouse::gateway
