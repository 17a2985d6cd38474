#include "services/billing/json_document.h"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <charconv>

namespace gatehouse::billing {
namespace {

namespace json = boost::json;

constexpr std::size_t kDepthMax = 32;

std::optional<std::size_t> Position(std::string_view name) {
  std::size_t position = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), position);
  if (error != std::errc() || end != name.data() + name.size()) return std::nullopt;
  return position;
}

const json::value* Step(const json::value& from, std::string_view name) {
  if (const json::object* object = from.if_object()) {
    return object->if_contains(json::string_view(name.data(), name.size()));
  }
  const json::array* list = from.if_array();
  const std::optional<std::size_t> position = Position(name);
  if (list == nullptr || !position || *position >= list->size()) return nullptr;
  return &(*list)[*position];
}

// nullptr when there is nothing.
const json::value* Find(const json::value& root, std::string_view path) {
  const json::value* at = &root;
  while (at != nullptr && !path.empty()) {
    const std::size_t dot = path.find('.');
    at = Step(*at, path.substr(0, dot));
    path = dot == std::string_view::npos ? std::string_view() : path.substr(dot + 1);
  }
  return at;
}

absl::Status Malformed() {
  return Error(absl::StatusCode::kInvalidArgument, "JSON_MALFORMED",
               "the text must be a JSON object in UTF-8, nested at most 32 deep");
}

}  // namespace

struct JsonDocument::Value {
  json::value root;
};

absl::StatusOr<JsonDocument> JsonDocument::Parse(std::string_view text) {
  json::parse_options options;
  options.max_depth = kDepthMax;
  options.allow_invalid_utf8 = false;
  json::error_code error;
  json::value root = json::parse(json::string_view(text.data(), text.size()), error, {}, options);
  if (error || !root.is_object()) return Malformed();
  return JsonDocument(std::make_shared<const Value>(Value{std::move(root)}));
}

std::optional<std::string> JsonDocument::Text(std::string_view path) const {
  const json::value* value = Find(value_->root, path);
  if (value == nullptr || !value->is_string()) return std::nullopt;
  const json::string& text = value->get_string();
  if (text.find('\0') != json::string::npos) return std::nullopt;
  return std::string(text.data(), text.size());
}

std::optional<std::int64_t> JsonDocument::Int(std::string_view path) const {
  const json::value* value = Find(value_->root, path);
  if (value == nullptr || !value->is_int64()) return std::nullopt;
  return value->get_int64();
}

std::optional<std::string> JsonDocument::Number(std::string_view path) const {
  const json::value* value = Find(value_->root, path);
  if (value == nullptr || !value->is_number()) return std::nullopt;
  return json::serialize(*value);
}

std::optional<bool> JsonDocument::Bool(std::string_view path) const {
  const json::value* value = Find(value_->root, path);
  if (value == nullptr || !value->is_bool()) return std::nullopt;
  return value->get_bool();
}

std::size_t JsonDocument::Size(std::string_view path) const {
  const json::value* value = Find(value_->root, path);
  return value != nullptr && value->is_array() ? value->get_array().size() : 0;
}

bool JsonDocument::HasObject(std::string_view path) const {
  const json::value* value = Find(value_->root, path);
  return value != nullptr && value->is_object();
}

std::optional<std::string> JsonDocument::Id(std::string_view path) const {
  if (HasObject(path)) return Text(std::string(path) + ".id");
  return Text(path);
}

}  // namespace gatehouse::billing
