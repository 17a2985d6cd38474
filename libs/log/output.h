// What the two ways to write a line have in common. Internal to libs/log.
#pragma once

#include <string>

#include "libs/log/log.h"

namespace gatehouse::log::internal {

const std::string& Service();
Format CurrentFormat();

// `text` between quotes, escaped as JSON.
void AppendQuoted(std::string* line, const std::string& text);
// " name=text", quoted where it could be mistaken for more than one.
void AppendPlainField(std::string* line, const std::string& name, const std::string& text);

// One write(2).
void WriteWhole(const std::string& line);

}  // namespace gatehouse::log::internal
