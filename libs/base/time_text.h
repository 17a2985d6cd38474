// RFC 3339 text of times, always UTC with "Z". Not for durations.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "libs/base/clock.h"

namespace gatehouse {

// "2026-11-21T10:00:00.123456Z": microseconds, always six digits.
std::string FormatTime(Time time);

// Accepts a "T" or space, an optional fraction of up to nine digits, and "Z", an offset, or nothing
// (UTC). nullopt for anything else, also for dates that do not exist.
std::optional<Time> ParseTime(const std::string& text);

// Since 1970, rounded down. FromMicros holds what Time cannot (before 1677, after
// 2262) at its ends.
std::int64_t ToMicros(Time time);
Time FromMicros(std::int64_t micros);

}  // namespace gatehouse
