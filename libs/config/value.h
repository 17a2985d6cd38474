// The texts of settings as values, and what is wrong with one; also for who reads the same
// kinds of values from a file. Knows nothing of where they come from.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "libs/config/settings.h"

namespace gatehouse::config {

std::optional<std::int64_t> ParseInt(const std::string& text);
std::optional<bool> ParseBool(const std::string& text);
// "0.05", "30": not negative, to the millisecond.
std::optional<std::chrono::milliseconds> ParseSeconds(const std::string& text);

// What is wrong with a value, as in "must be …"; "" when nothing.
std::string Fault(const Setting& setting, const std::string& value);

// Why a value would not do as a secret in production; "" when it is strong. The
// value itself is never told.
std::string Weakness(const std::string& value);

}  // namespace gatehouse::config
