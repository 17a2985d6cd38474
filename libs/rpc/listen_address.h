// Where a server may listen. Not a public header.
#pragma once

#include <string>

#include "libs/status/status.h"

namespace gatehouse::rpc {

// Whether `address` is "unix:/path" (or "unix:///path").
bool IsUnixAddress(const std::string& address);

// gRPC unlinks whatever socket file stands in its way, also that of a living
// server, which would then be unreachable and not know it. ALREADY_EXISTS /
// ADDRESS_IN_USE when somebody answers there; a stale file is no obstacle.
absl::Status CheckNobodyListens(const std::string& address);

}  // namespace gatehouse::rpc
