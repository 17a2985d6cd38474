// Reads JSON that an attacker may have written: one object, no duplicate names
// at any depth, bounded depth. Not a mapping to structs.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace boost::json {
class object;
class value;
}  // namespace boost::json

namespace gatehouse::token {

// Parses `text` into `out`. False for malformed JSON, invalid UTF-8, trailing
// bytes, a repeated name, more than 8 levels, or anything but an object.
bool ParseStrictObject(const std::string& text, boost::json::value* out);

// A member of exactly that type; nullopt when absent or of another type.
std::optional<std::string> TextMember(const boost::json::object& object, const char* name);
std::optional<std::int64_t> IntegerMember(const boost::json::object& object, const char* name);
std::optional<std::vector<std::string>> TextListMember(const boost::json::object& object,
                                                       const char* name);

}  // namespace gatehouse::token
