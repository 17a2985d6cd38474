// What differs between two configurations: for the log of a reload and for
// `gateway check`. Decides nothing.
#pragma once

#include <string>
#include <vector>

#include "services/gateway/hot_config.h"

namespace gatehouse::gateway {

struct ConfigDiff {
  struct Item {
    std::string section;  // "routes", "upstreams", "limits"; empty: a setting.
    std::string name;     // "GET /reports/{id}", "reports", "user", "LOG_LEVEL"
    std::string before;   // Empty: it was not there.
    std::string after;    // Empty: it is gone.
  };
  std::vector<Item> settings;  // As they are shown.
  std::vector<Item> sections;

  bool IsEmpty() const { return settings.empty() && sections.empty(); }
  // Each once.
  std::vector<std::string> SectionNames() const;
  // A line per item, for people: "+ routes GET /a: …", "- …", "~ …: old -> new".
  std::string ToText() const;
};

ConfigDiff Compare(const HotConfig& before, const HotConfig& after);

}  // namespace gatehouse::gateway
