// UUIDs (RFC 9562) as lower-case text. Not secrets: a v7 tells its time.
#pragma once

#include <string>

#include "libs/base/clock.h"

namespace gatehouse {

// Sorted by time to the millisecond, then random. Thread-safe.
std::string UuidV7(Time now);
std::string UuidV7();

// The same for the same name, by SHA-1. `name_space` must be a valid UUID.
std::string UuidV5(const std::string& name_space, const std::string& name);

// Whether `text` is 8-4-4-4-12 hex digits, in either case.
bool IsUuid(const std::string& text);

}  // namespace gatehouse
