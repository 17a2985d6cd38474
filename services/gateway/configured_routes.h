// The routes of CONFIG_FILE: read, checked against the own routes and against each other.
// Not the table they end in (snapshot.h).
#pragma once

#include <set>
#include <string>
#include <vector>

#include "libs/config/yaml_tree.h"
#include "services/gateway/hot_config.h"

namespace gatehouse::gateway {

// A route per method of each item. Those with problems may be missing.
std::vector<RouteConfig> ReadRoutes(const std::vector<config::YamlNode>& items,
                                    const std::string& file, const std::set<std::string>& upstreams,
                                    config::Problems* problems);

// What two routes may not have in common: the method, and the path regardless of the
// names of its parameters and of a slash at its end.
std::string RouteKey(const std::string& method, std::string_view path);

}  // namespace gatehouse::gateway
