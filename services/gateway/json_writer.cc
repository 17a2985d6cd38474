#include "services/gateway/json_writer.h"

#include "libs/base/time_text.h"
#include "libs/rpc/timestamp.h"

namespace gatehouse::gateway {
namespace {

bool NeedsEscape(unsigned char c) { return c < 0x20 || c == '"' || c == '\\'; }

void AppendEscaped(std::string* out, unsigned char c) {
  constexpr char kHex[] = "0123456789abcdef";
  switch (c) {
    case '"':
      *out += "\\\"";
      return;
    case '\\':
      *out += "\\\\";
      return;
    case '\n':
      *out += "\\n";
      return;
    case '\r':
      *out += "\\r";
      return;
    case '\t':
      *out += "\\t";
      return;
    default:
      *out += "\\u00";
      *out += kHex[c >> 4];
      *out += kHex[c & 15];
  }
}

}  // namespace

void AppendJsonText(std::string* out, std::string_view text) {
  *out += '"';
  std::size_t done = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const auto c = static_cast<unsigned char>(text[at]);
    if (!NeedsEscape(c)) continue;
    out->append(text.data() + done, at - done);
    AppendEscaped(out, c);
    done = at + 1;
  }
  out->append(text.data() + done, text.size() - done);
  *out += '"';
}

// A comma is due unless something has just been opened or named. Text always
// ends in a quote, so the last byte tells.
void JsonWriter::Separate() {
  if (out_.empty()) return;
  const char last = out_.back();
  if (last != '{' && last != '[' && last != ':') out_ += ',';
}

JsonWriter& JsonWriter::Open(char bracket) {
  Separate();
  out_ += bracket;
  return *this;
}

JsonWriter& JsonWriter::Close(char bracket) {
  out_ += bracket;
  return *this;
}

JsonWriter& JsonWriter::Key(std::string_view key) {
  Separate();
  out_ += '"';
  out_ += key;
  out_ += "\":";
  return *this;
}

JsonWriter& JsonWriter::Text(std::string_view text) {
  Separate();
  AppendJsonText(&out_, text);
  return *this;
}

JsonWriter& JsonWriter::Raw(std::string_view json) {
  Separate();
  out_ += json;
  return *this;
}

JsonWriter& JsonWriter::TextOrNull(std::string_view key, std::string_view text) {
  return text.empty() ? NullField(key) : Field(key, text);
}

JsonWriter& JsonWriter::RawOrNull(std::string_view key, std::string_view json) {
  return json.empty() ? NullField(key) : Key(key).Raw(json);
}

JsonWriter& JsonWriter::TimeField(std::string_view key, bool present,
                                  const google::protobuf::Timestamp& time) {
  if (!present) return NullField(key);
  return Field(key, FormatTime(rpc::FromTimestamp(time)));
}

}  // namespace gatehouse::gateway
