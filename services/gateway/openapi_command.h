// The command that prints the OpenAPI document without serving it.
#pragma once

#include "libs/service/process.h"
#include "services/gateway/config_file.h"

namespace gatehouse::gateway {

// Prints the document of the settings in hand, whose source is `file`, as the edge
// would serve it. `file` must outlive it.
service::Command OpenApiCommand(const ConfigFile& file);

}  // namespace gatehouse::gateway
