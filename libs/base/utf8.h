// Repairs text that is to leave the process as UTF-8. Not a validator of input:
// what clients send is refused, not repaired.
#pragma once

#include <cstddef>
#include <string>

namespace gatehouse {

// The length of the valid UTF-8 sequence that begins at `text[at]`, 1 to 4, or 0
// when none does (RFC 3629: no overlong forms, no surrogates, at most U+10FFFF).
std::size_t Utf8Length(const std::string& text, std::size_t at);

// `text` with every byte that is part of no valid sequence replaced by U+FFFD.
std::string ReplaceInvalidUtf8(const std::string& text);

}  // namespace gatehouse
