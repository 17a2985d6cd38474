#include "services/gateway/json_parser.h"

#include <boost/json/basic_parser_impl.hpp>
#include <cmath>
#include <string>
#include <unordered_set>

#include "services/gateway/json_writer.h"

namespace gatehouse::gateway {
namespace {

namespace json = boost::json;
using Kind = JsonBody::Kind;
using Piece = json::string_view;

// Receives the parser's events. Values below the top level are written out
// again, so that numbers keep their digits.
class MemberCollector {
 public:
  static constexpr std::size_t max_object_size = std::size_t(-1);
  static constexpr std::size_t max_array_size = std::size_t(-1);
  static constexpr std::size_t max_key_size = std::size_t(-1);
  static constexpr std::size_t max_string_size = std::size_t(-1);

  explicit MemberCollector(std::vector<JsonBody::Member>* members) : members_(members) {}

  const char* refusal() const { return refusal_; }

  bool on_document_begin(json::error_code&) { return true; }
  bool on_document_end(json::error_code&) { return true; }

  bool on_object_begin(json::error_code&) {
    if (Depth() > 0) Begin(Kind::kObject, '{');
    keys_.emplace_back();
    is_object_.push_back(true);
    return true;
  }
  bool on_object_end(std::size_t, json::error_code&) {
    keys_.pop_back();
    return End('}');
  }
  bool on_array_begin(json::error_code& error) {
    if (Depth() == 0) return Refuse("JSON_NOT_OBJECT", error);
    Begin(Kind::kArray, '[');
    is_object_.push_back(false);
    return true;
  }
  bool on_array_end(std::size_t, json::error_code&) { return End(']'); }

  bool on_key_part(Piece piece, std::size_t, json::error_code&) { return Gather(piece); }
  bool on_key(Piece piece, std::size_t, json::error_code& error) {
    std::string key = Gathered(piece);
    if (key.find('\0') != std::string::npos) return Refuse("JSON_NUL", error);
    if (!keys_.back().insert(key).second) return Refuse("JSON_DUPLICATE_KEY", error);
    if (Depth() == 1) {
      members_->emplace_back().name = std::move(key);
      return true;
    }
    Separate();
    AppendJsonText(&Current().text, key);
    Current().text += ':';
    return true;
  }

  bool on_string_part(Piece piece, std::size_t, json::error_code&) { return Gather(piece); }
  bool on_string(Piece piece, std::size_t, json::error_code& error) {
    std::string text = Gathered(piece);
    if (text.find('\0') != std::string::npos) return Refuse("JSON_NUL", error);
    if (Depth() == 0) return Refuse("JSON_NOT_OBJECT", error);
    if (Depth() > 1) {
      Separate();
      AppendJsonText(&Current().text, text);
      if (Depth() == 2 && !is_object_.back()) Current().texts.push_back(std::move(text));
    } else {
      Current().kind = Kind::kText;
      Current().text = std::move(text);
    }
    return true;
  }

  bool on_number_part(Piece piece, json::error_code&) { return Gather(piece); }
  bool on_int64(std::int64_t number, Piece piece, json::error_code& error) {
    return Number(Kind::kInt, number, piece, error);
  }
  bool on_uint64(std::uint64_t, Piece piece, json::error_code& error) {
    return Number(Kind::kNumber, 0, piece, error);  // Above the greatest int64.
  }
  bool on_double(double number, Piece piece, json::error_code& error) {
    if (!std::isfinite(number)) return Refuse("JSON_MALFORMED", error);
    return Number(Kind::kNumber, 0, piece, error);
  }
  bool on_bool(bool flag, json::error_code& error) {
    return Word(Kind::kBool, flag ? "true" : "false", flag, error);
  }
  bool on_null(json::error_code& error) { return Word(Kind::kNull, "null", 0, error); }
  bool on_comment_part(Piece, json::error_code&) { return true; }
  bool on_comment(Piece, json::error_code&) { return true; }

 private:
  std::size_t Depth() const { return is_object_.size(); }
  JsonBody::Member& Current() { return members_->back(); }

  bool Refuse(const char* reason, json::error_code& error) {
    refusal_ = reason;
    error = json::error::syntax;
    return false;
  }

  bool Gather(Piece piece) {
    gathered_.append(piece.data(), piece.size());
    return true;
  }
  std::string Gathered(Piece piece) {
    Gather(piece);
    return std::exchange(gathered_, {});
  }

  void Separate() {
    std::string& text = Current().text;
    if (text.empty()) return;
    const char last = text.back();
    if (last != '{' && last != '[' && last != ':') text += ',';
  }

  void Begin(Kind kind, char bracket) {
    if (Depth() == 1) Current().kind = kind;
    Separate();
    Current().text += bracket;
  }
  bool End(char bracket) {
    is_object_.pop_back();
    if (Depth() > 0) Current().text += bracket;
    return true;
  }

  bool Number(Kind kind, std::int64_t number, Piece piece, json::error_code& error) {
    const std::string text = Gathered(piece);
    if (Depth() == 1) Current().text = text;
    return Word(kind, text, number, error);
  }
  bool Word(Kind kind, const std::string& text, std::int64_t number, json::error_code& error) {
    if (Depth() == 0) return Refuse("JSON_NOT_OBJECT", error);
    if (Depth() == 1) {
      Current().kind = kind;
      Current().number = number;
    } else {
      Separate();
      Current().text += text;
    }
    return true;
  }

  std::vector<JsonBody::Member>* const members_;
  std::vector<bool> is_object_;                        // One per open bracket.
  std::vector<std::unordered_set<std::string>> keys_;  // One per open object.
  std::string gathered_;
  const char* refusal_ = nullptr;
};

absl::Status Refusal(const std::string& reason) {
  const char* message = "the body is not valid JSON";
  if (reason == "JSON_NOT_OBJECT") message = "the body must be a JSON object";
  if (reason == "JSON_DUPLICATE_KEY") message = "the body names a member twice";
  if (reason == "JSON_TOO_DEEP") message = "the body is nested too deeply";
  if (reason == "JSON_NUL") message = "the body contains the character U+0000";
  return Error(absl::StatusCode::kInvalidArgument, reason, message);
}

}  // namespace

absl::Status ParseJsonObject(std::string_view text, std::vector<JsonBody::Member>* members) {
  json::parse_options options;
  options.max_depth = kJsonDepthMax;
  json::basic_parser<MemberCollector> parser(options, members);
  json::error_code error;
  const std::size_t used = parser.write_some(false, text.data(), text.size(), error);
  if (const char* refusal = parser.handler().refusal()) return Refusal(refusal);
  if (error == json::error::too_deep) return Refusal("JSON_TOO_DEEP");
  if (error || used != text.size()) return Refusal("JSON_MALFORMED");
  return absl::OkStatus();
}

}  // namespace gatehouse::gateway
