// The commands of the gateway that serve nothing: `routes` prints the table, `check`
// tells whether a configuration is valid and what it would change. Neither touches a
// running gateway.
#pragma once

#include "libs/service/process.h"
#include "services/gateway/config_file.h"

namespace gatehouse::gateway {

// Prints the route table of the settings in hand, whose source is `file`. `file` must
// outlive it.
service::Command RoutesCommand(const ConfigFile& file);

// check [CONFIG] [--against OTHER]: exit code 0, or 2 with every problem on standard error.
service::Command CheckCommand();

}  // namespace gatehouse::gateway
