// The commands that every program has beside serve. Each prints its result to
// standard output, its problems to standard error, and returns the exit code.
#pragma once

#include <string>

#include "libs/service/process.h"

namespace gatehouse::service {

// The text of --help: usage, commands, settings.
std::string HelpText(const Program& program);

// The text of --help after a command of the program.
std::string UsageText(const Program& program, const Command& command);

// "auth 0.1.0"; the second is the version alone.
std::string VersionText(const Program& program);
const char* Version();

// Makes DIRECTORY/<name>.key (mode 0600, never overwritten) and prints "name" and
// the public key.
int Keygen(const std::string& name, const std::string& directory);

// Applies the missing migrations as the owner role and prints their names.
int Migrate(const Program& program, const config::Settings& settings);

}  // namespace gatehouse::service
