#include "services/jobs/json_text.h"

#include <boost/json.hpp>

namespace gatehouse::jobs {
namespace {

namespace json = boost::json;

absl::Status Invalid(const std::string& field, const std::string& description) {
  return WithFieldViolation(
      Error(absl::StatusCode::kInvalidArgument, "PAYLOAD_INVALID", field + " " + description),
      field, description);
}

absl::StatusOr<json::object> ParseObject(const std::string& text) {
  json::parse_options options;
  options.max_depth = 32;
  json::error_code error;
  json::value value = json::parse(text, error, {}, options);
  if (error) return Invalid("payload", "is not valid JSON, or nested too deep");
  if (!value.is_object()) return Invalid("payload", "must be a JSON object");
  return std::move(value.get_object());
}

}  // namespace

absl::Status CheckPayload(const std::string& text) {
  if (text.size() > kPayloadBytesMax) {
    return WithFieldViolation(
        Error(absl::StatusCode::kInvalidArgument, "PAYLOAD_TOO_LARGE",
              "the payload has more than " + std::to_string(kPayloadBytesMax) + " bytes"),
        "payload", "must have at most " + std::to_string(kPayloadBytesMax) + " bytes");
  }
  return ParseObject(text).status();
}

absl::StatusOr<std::string> PayloadText(const std::string& text, const std::string& name) {
  GH_ASSIGN_OR_RETURN(const json::object object, ParseObject(text));
  const json::value* member = object.if_contains(name);
  if (member == nullptr) return Invalid("payload." + name, "is required");
  if (!member->is_string()) return Invalid("payload." + name, "must be a string");
  return std::string(member->get_string());
}

absl::StatusOr<std::int64_t> PayloadInt(const std::string& text, const std::string& name,
                                        std::int64_t min, std::int64_t max) {
  GH_ASSIGN_OR_RETURN(const json::object object, ParseObject(text));
  const json::value* member = object.if_contains(name);
  if (member == nullptr) return Invalid("payload." + name, "is required");
  if (!member->is_int64() || member->get_int64() < min || member->get_int64() > max) {
    return Invalid("payload." + name,
                   "must be an integer from " + std::to_string(min) + " to " + std::to_string(max));
  }
  return member->get_int64();
}

std::string JsonObject(std::initializer_list<std::pair<const char*, JsonValue>> members) {
  json::object object;
  for (const auto& [name, value] : members) {
    if (const auto* number = std::get_if<std::int64_t>(&value)) object[name] = *number;
    if (const auto* text = std::get_if<std::string>(&value)) object[name] = *text;
  }
  return json::serialize(object);
}

std::string JsonTextStats(std::int64_t lines, std::int64_t words, std::int64_t bytes,
                          const std::vector<std::pair<std::string, std::int64_t>>& top_words) {
  json::array top;
  for (const auto& [word, count] : top_words) {
    top.push_back(json::object{{"word", word}, {"count", count}});
  }
  return json::serialize(json::object{
      {"lines", lines}, {"words", words}, {"bytes", bytes}, {"top_words", std::move(top)}});
}

}  // namespace gatehouse::jobs
