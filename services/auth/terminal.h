// Asks an operator at a terminal, or reads lines where there is none. Not an editor of
// lines. For programs that have one thread so far: an interrupt must end the read.
#pragma once

#include <string>

#include "libs/status/status.h"

namespace gatehouse::auth {

// Whether standard input is a terminal.
bool HasTerminal();

// A line after `question`. INVALID_ARGUMENT / INPUT_ENDED or INPUT_TOO_LONG.
absl::StatusOr<std::string> Ask(const std::string& question);

// A password: asked for twice without echo at a terminal, else one line of standard
// input. As Ask, or PASSWORDS_DIFFER or TERMINAL_ECHOES.
absl::StatusOr<std::string> AskPassword();

}  // namespace gatehouse::auth
