// What the program `auth` is: its name, settings, migrations and commands.
#pragma once

#include "libs/service/process.h"

namespace gatehouse::auth {

service::Program AuthProgram();

}  // namespace gatehouse::auth
