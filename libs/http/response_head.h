// The head of an upstream's response as views into the bytes that it was read
// from, and what it says about the body and the connection. Internal to libs/http;
// who forwards sees a ForwardedHead.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "libs/http/forward.h"

namespace gatehouse::http {

struct ResponseHead {
  using Field = ForwardedHead::Field;
  // kUntilEnd: the body ends where the connection does.
  enum class Framing : std::uint8_t { kNone, kLength, kChunked, kUntilEnd };

  int status = 0;
  int minor_version = 1;
  std::vector<Field> fields;  // After CheckResponse without framing and hop-by-hop ones.

  // Set by CheckResponse.
  Framing framing = Framing::kNone;
  bool has_length = false;  // Also of a body that is only announced.
  std::uint64_t content_length = 0;
  bool keep_alive = true;
  bool is_websocket = false;     // Connection: upgrade, Upgrade: websocket
  bool is_event_stream = false;  // Content-Type: text/event-stream

  // Empties it but keeps the memory of `fields`.
  void Clear() {
    status = 0;
    minor_version = 1;
    fields.clear();
    framing = Framing::kNone;
    has_length = false;
    content_length = 0;
    keep_alive = true;
    is_websocket = is_event_stream = false;
  }
};

}  // namespace gatehouse::http
