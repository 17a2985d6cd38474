// Writes JSON text straight into a string, member by member in the order of the
// calls. Not a document: nothing can be read back or changed. The caller keeps
// begins and ends in balance.
#pragma once

#include <charconv>
#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

#include "google/protobuf/timestamp.pb.h"
#include "libs/base/clock.h"

namespace gatehouse::gateway {

// Appends `text` as a JSON string with its quotes. `text` is valid UTF-8.
void AppendJsonText(std::string* out, std::string_view text);

class JsonWriter {
 public:
  JsonWriter() { out_.reserve(512); }

  JsonWriter& BeginObject() { return Open('{'); }
  JsonWriter& EndObject() { return Close('}'); }
  JsonWriter& BeginArray() { return Open('['); }
  JsonWriter& EndArray() { return Close(']'); }

  JsonWriter& Key(std::string_view key);
  JsonWriter& Text(std::string_view text);
  JsonWriter& Null() { return Raw("null"); }
  // JSON text that somebody else has made.
  JsonWriter& Raw(std::string_view json);

  // A member of the object in hand.
  JsonWriter& Field(std::string_view key, std::string_view text) { return Key(key).Text(text); }
  template <std::integral T>
  JsonWriter& Field(std::string_view key, T value) {
    if constexpr (std::same_as<T, bool>) {
      return Key(key).Raw(value ? "true" : "false");
    } else {
      char digits[24];
      const char* end = std::to_chars(digits, digits + sizeof digits, value).ptr;
      return Key(key).Raw({digits, static_cast<std::size_t>(end - digits)});
    }
  }
  JsonWriter& NullField(std::string_view key) { return Key(key).Null(); }
  // The text, or null when it is empty.
  JsonWriter& TextOrNull(std::string_view key, std::string_view text);
  // JSON text, or null when it is empty.
  JsonWriter& RawOrNull(std::string_view key, std::string_view json);
  // RFC 3339 text, or null when `present` is false.
  JsonWriter& TimeField(std::string_view key, bool present,
                        const google::protobuf::Timestamp& time);

  std::string Take() { return std::move(out_); }

 private:
  JsonWriter& Open(char bracket);
  JsonWriter& Close(char bracket);
  void Separate();

  std::string out_;
};

}  // namespace gatehouse::gateway
