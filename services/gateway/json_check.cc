#include "services/gateway/json_check.h"

#include <boost/json/basic_parser_impl.hpp>

#include "services/gateway/json_body.h"

namespace gatehouse::gateway {
namespace {

namespace json = boost::json;
using Piece = json::string_view;

// Hears the parser's events and minds none of them.
struct NullHandler {
  static constexpr std::size_t max_object_size = std::size_t(-1);
  static constexpr std::size_t max_array_size = std::size_t(-1);
  static constexpr std::size_t max_key_size = std::size_t(-1);
  static constexpr std::size_t max_string_size = std::size_t(-1);

  bool on_document_begin(json::error_code&) { return true; }
  bool on_document_end(json::error_code&) { return true; }
  bool on_object_begin(json::error_code&) { return true; }
  bool on_object_end(std::size_t, json::error_code&) { return true; }
  bool on_array_begin(json::error_code&) { return true; }
  bool on_array_end(std::size_t, json::error_code&) { return true; }
  bool on_key_part(Piece, std::size_t, json::error_code&) { return true; }
  bool on_key(Piece, std::size_t, json::error_code&) { return true; }
  bool on_string_part(Piece, std::size_t, json::error_code&) { return true; }
  bool on_string(Piece, std::size_t, json::error_code&) { return true; }
  bool on_number_part(Piece, json::error_code&) { return true; }
  bool on_int64(std::int64_t, Piece, json::error_code&) { return true; }
  bool on_uint64(std::uint64_t, Piece, json::error_code&) { return true; }
  bool on_double(double, Piece, json::error_code&) { return true; }
  bool on_bool(bool, json::error_code&) { return true; }
  bool on_null(json::error_code&) { return true; }
  bool on_comment_part(Piece, json::error_code&) { return true; }
  bool on_comment(Piece, json::error_code&) { return true; }
};

json::parse_options StrictOptions() {
  json::parse_options options;
  options.max_depth = kJsonDepthMax;
  return options;
}

}  // namespace

struct JsonCheck::Parser {
  json::basic_parser<NullHandler> parser{StrictOptions()};
};

JsonCheck::JsonCheck() = default;
JsonCheck::~JsonCheck() = default;

const char* JsonCheck::Feed(std::string_view bytes, bool is_last) {
  if (refusal_ != nullptr) return refusal_;
  if (!parser_) {
    if (bytes.empty()) return nullptr;
    parser_ = std::make_unique<Parser>();
  }
  if (bytes.empty() && !is_last) return nullptr;
  json::error_code error;
  const char* begin = bytes.empty() ? "" : bytes.data();
  const std::size_t used = parser_->parser.write_some(!is_last, begin, bytes.size(), error);
  if (error == json::error::too_deep) {
    refusal_ = "JSON_TOO_DEEP";
  } else if (error || used != bytes.size()) {
    refusal_ = "JSON_MALFORMED";
  }
  return refusal_;
}

}  // namespace gatehouse::gateway
