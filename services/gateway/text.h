// Small rules about header texts that several parts of the edge share. Not a
// string library.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gatehouse::gateway {

std::string_view Trim(std::string_view text);

// The parts between commas, trimmed; empty ones are passed over.
std::vector<std::string_view> SplitList(std::string_view list);

std::string AsciiLower(std::string_view text);
bool SameAsciiText(std::string_view a, std::string_view b);  // Regardless of case.

// Printable ASCII of at most `bytes_max` bytes; any other byte becomes "?".
std::string Printable(std::string_view text, std::size_t bytes_max);

// A whole decimal number, with an optional "-".
std::optional<std::int64_t> ParseInteger(std::string_view text);

// A decimal number as JSON writes it ("12.5", "1e-06") in units of 10^-places, exactly:
// 1250 with two. nullopt for what does not come to whole ones, or to too many.
std::optional<std::int64_t> ParseDecimal(std::string_view text, int places);

// The other way: 1250 with two places is "12.50". `places` is 1 to 18.
std::string DecimalText(std::int64_t units, int places);

}  // namespace gatehouse::gateway
