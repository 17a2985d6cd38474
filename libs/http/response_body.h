// Takes the framing off an upstream's response body, in any number of pieces, and
// knows where it ends. Internal to libs/http.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "libs/http/chunk_decoder.h"
#include "libs/http/response_head.h"

namespace gatehouse::http {

class ResponseBody {
 public:
  void Begin(const ResponseHead& head);

  // Appends what belongs to the body to `body`; returns how many bytes of `input` it
  // has used. What it leaves, when done, nobody asked for.
  std::size_t Feed(std::string_view input, std::string* body);

  // The connection has ended: whether the body is complete by that.
  bool End();

  bool done() const { return done_; }
  bool is_bad() const { return chunks_.status() != 0; }

 private:
  ResponseHead::Framing framing_ = ResponseHead::Framing::kNone;
  bool done_ = false;
  std::uint64_t left_ = 0;  // With kLength.
  ChunkDecoder chunks_;
};

}  // namespace gatehouse::http
