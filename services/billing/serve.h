// Puts the parts of the process `billing` together and serves until it is told to end.
// Only wiring.
#pragma once

#include "libs/service/process.h"

namespace gatehouse::billing {

// The exit code of the process.
int Serve(service::Process& process);

}  // namespace gatehouse::billing
