#include "libs/token/strict_json.h"

#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <set>

namespace gatehouse::token {
namespace {

namespace json = boost::json;

constexpr std::size_t kDepthMax = 8;

// Boost.JSON's own parser lets the last of two equal names win; a verifier must
// not, since another reader may let the first one win. This handler sees names only.
struct DuplicateNames {
  static constexpr std::size_t max_object_size = 1024;
  static constexpr std::size_t max_array_size = 1024;
  static constexpr std::size_t max_key_size = 1024;
  static constexpr std::size_t max_string_size = 1 << 20;

  std::vector<std::set<std::string>> levels;
  std::string name;
  bool found = false;

  bool on_document_begin(json::error_code&) { return true; }
  bool on_document_end(json::error_code&) { return true; }
  bool on_object_begin(json::error_code&) {
    levels.emplace_back();
    return true;
  }
  bool on_object_end(std::size_t, json::error_code&) {
    levels.pop_back();
    return true;
  }
  bool on_array_begin(json::error_code&) { return true; }
  bool on_array_end(std::size_t, json::error_code&) { return true; }
  bool on_key_part(json::string_view part, std::size_t, json::error_code&) {
    name.append(part.data(), part.size());
    return true;
  }
  bool on_key(json::string_view part, std::size_t, json::error_code&) {
    name.append(part.data(), part.size());
    if (!levels.back().insert(std::move(name)).second) found = true;
    name.clear();
    return true;
  }
  bool on_string_part(json::string_view, std::size_t, json::error_code&) { return true; }
  bool on_string(json::string_view, std::size_t, json::error_code&) { return true; }
  bool on_number_part(json::string_view, json::error_code&) { return true; }
  bool on_int64(std::int64_t, json::string_view, json::error_code&) { return true; }
  bool on_uint64(std::uint64_t, json::string_view, json::error_code&) { return true; }
  bool on_double(double, json::string_view, json::error_code&) { return true; }
  bool on_bool(bool, json::error_code&) { return true; }
  bool on_null(json::error_code&) { return true; }
  bool on_comment_part(json::string_view, json::error_code&) { return true; }
  bool on_comment(json::string_view, json::error_code&) { return true; }
};

json::parse_options Options() {
  json::parse_options options;
  options.max_depth = kDepthMax;
  return options;
}

}  // namespace

bool ParseStrictObject(const std::string& text, json::value* out) {
  json::error_code error;
  json::basic_parser<DuplicateNames> names{Options()};
  const std::size_t used = names.write_some(false, text.data(), text.size(), error);
  if (error || used != text.size() || names.handler().found) return false;
  *out = json::parse(json::string_view(text.data(), text.size()), error, {}, Options());
  return !error && out->is_object();
}

std::optional<std::string> TextMember(const json::object& object, const char* name) {
  const json::value* value = object.if_contains(name);
  if (value == nullptr || !value->is_string()) return std::nullopt;
  const json::string& text = value->get_string();
  return std::string(text.data(), text.size());
}

std::optional<std::int64_t> IntegerMember(const json::object& object, const char* name) {
  const json::value* value = object.if_contains(name);
  if (value == nullptr || !value->is_int64()) return std::nullopt;
  return value->get_int64();
}

std::optional<std::vector<std::string>> TextListMember(const json::object& object,
                                                       const char* name) {
  const json::value* value = object.if_contains(name);
  if (value == nullptr || !value->is_array()) return std::nullopt;
  std::vector<std::string> list;
  for (const json::value& item : value->get_array()) {
    if (!item.is_string()) return std::nullopt;
    list.emplace_back(item.get_string().data(), item.get_string().size());
  }
  return list;
}

}  // namespace gatehouse::token
