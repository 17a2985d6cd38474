// The head of a request as views into the bytes that it was read from, and what
// it says about the body and the connection. Internal to libs/http; handlers see
// a Request, which owns its text.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace gatehouse::http {

struct RequestHead {
  struct Field {
    std::string_view name;
    std::string_view value;
  };
  enum class Framing { kNone, kLength, kChunked };

  std::string_view method;
  std::string_view target;     // Origin form, or "*".
  std::string_view authority;  // Of an absolute-form target; stands in for Host.
  int minor_version = 1;
  std::vector<Field> fields;

  // Set by CheckHead.
  Framing framing = Framing::kNone;
  std::uint64_t content_length = 0;
  bool keep_alive = true;
  bool expects_continue = false;

  // Empties it but keeps the memory of `fields`.
  void Clear() {
    method = target = authority = {};
    minor_version = 1;
    fields.clear();
    framing = Framing::kNone;
    content_length = 0;
    keep_alive = true;
    expects_continue = false;
  }
};

}  // namespace gatehouse::http
