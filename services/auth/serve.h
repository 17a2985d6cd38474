// Wires the program's parts and serves until it is told to end. Not the commands
// (program.h).
#pragma once

#include "libs/service/process.h"

namespace gatehouse::auth {

// Returns the exit code.
int Serve(service::Process& process);

}  // namespace gatehouse::auth
