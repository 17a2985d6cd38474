// The parts of CONFIG_FILE that are no settings: routes, upstreams, limits. Read
// strictly; a key that nobody knows is a problem with its line. Not what is made of them.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "libs/config/yaml_tree.h"
#include "services/gateway/hot_config.h"

namespace gatehouse::gateway {

struct ConfigSections {
  std::string file;            // As problems call it.
  config::YamlNode upstreams;  // As written: what they leave out is said by settings.
  std::vector<RouteConfig> routes;
  std::map<Limit, RateConfig> rates;
  std::map<Lane, int> in_flight_max;
  config::Problems ignored;  // Settings that are known and have no effect; not errors.
};

inline constexpr std::size_t kConfiguredRoutesMax = 10000;

// The names of these sections in the file.
bool IsSection(std::string_view key);

// Checks all of them, upstreams with the defaults of settings. `root` null or a map.
ConfigSections ReadSections(const config::YamlNode& root, const std::string& file,
                            config::Problems* problems);

// The upstreams of the section; `defaults` for what each leaves out. One named
// core-manager may lack addresses.
std::vector<UpstreamConfig> ReadUpstreams(const ConfigSections& sections,
                                          const UpstreamConfig& defaults,
                                          config::Problems* problems);

}  // namespace gatehouse::gateway
