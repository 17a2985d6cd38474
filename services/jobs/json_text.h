// The few things this service does with JSON, as text in and out, so that the
// JSON library stays out of every other file. Not a document model.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "libs/status/status.h"

namespace gatehouse::jobs {

inline constexpr std::size_t kPayloadBytesMax = 262144;

// OK for a JSON object nested at most 32 deep, of at most kPayloadBytesMax
// bytes; else INVALID_ARGUMENT / PAYLOAD_INVALID (violation at "payload") or
// PAYLOAD_TOO_LARGE.
absl::Status CheckPayload(const std::string& json);

// A member of a payload: a string, or an integer in [min, max]. Else
// INVALID_ARGUMENT / PAYLOAD_INVALID with a violation at "payload.<name>".
absl::StatusOr<std::string> PayloadText(const std::string& json, const std::string& name);
absl::StatusOr<std::int64_t> PayloadInt(const std::string& json, const std::string& name,
                                        std::int64_t min, std::int64_t max);

// {"name":value,…}. Members with std::nullopt are left out.
using JsonValue = std::variant<std::nullopt_t, std::int64_t, std::string>;
std::string JsonObject(std::initializer_list<std::pair<const char*, JsonValue>> members);

// {"lines":…,"words":…,"bytes":…,"top_words":[{"word":…,"count":…}…]}
std::string JsonTextStats(std::int64_t lines, std::int64_t words, std::int64_t bytes,
                          const std::vector<std::pair<std::string, std::int64_t>>& top_words);

}  // namespace gatehouse::jobs
