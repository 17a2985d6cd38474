#include "services/gateway/query.h"

#include <algorithm>

#include "libs/http/message.h"
#include "services/gateway/text.h"

namespace gatehouse::gateway {

absl::StatusOr<Query> Query::Parse(std::string_view query) {
  Query parsed;
  if (query.empty()) return parsed;
  auto arguments = http::ParseQuery(query);
  if (!arguments) {
    return Error(absl::StatusCode::kInvalidArgument, "QUERY_MALFORMED",
                 "the query is not valid percent-encoded UTF-8");
  }
  parsed.arguments_ = *std::move(arguments);
  return parsed;
}

std::optional<std::string> Query::Text(const std::string& name) const {
  for (const auto& [key, value] : arguments_) {
    if (key == name && !value.empty()) return value;
  }
  return std::nullopt;
}

std::int64_t Query::Number(const std::string& name, std::int64_t fallback, std::int64_t min,
                           std::int64_t max) {
  const std::optional<std::string> text = Text(name);
  if (!text) return fallback;
  const std::optional<std::int64_t> number = ParseInteger(*text);
  if (!number) {
    Note(name, "must be an integer");
    return fallback;
  }
  return std::clamp(*number, min, max);
}

bool Query::Flag(const std::string& name) {
  const std::string text = AsciiLower(Text(name).value_or("false"));
  if (text == "1" || text == "true" || text == "yes") return true;
  if (text != "0" && text != "false" && text != "no") Note(name, "must be true or false");
  return false;
}

void Query::Note(const std::string& name, const std::string& problem) {
  notes_.emplace_back(name, problem);
}

absl::Status Query::Finish() const {
  if (notes_.empty()) return absl::OkStatus();
  absl::Status status = Error(absl::StatusCode::kInvalidArgument, "VALIDATION_FAILED",
                              "the request has invalid arguments");
  for (const auto& [name, problem] : notes_) {
    status = WithFieldViolation(std::move(status), name, problem);
  }
  return status;
}

}  // namespace gatehouse::gateway
