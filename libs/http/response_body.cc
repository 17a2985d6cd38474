#include "libs/http/response_body.h"

#include <algorithm>
#include <limits>

namespace gatehouse::http {

void ResponseBody::Begin(const ResponseHead& head) {
  framing_ = head.framing;
  left_ = framing_ == ResponseHead::Framing::kLength ? head.content_length : 0;
  done_ = framing_ == ResponseHead::Framing::kNone ||
          (framing_ == ResponseHead::Framing::kLength && left_ == 0);
  chunks_ = ChunkDecoder();
}

std::size_t ResponseBody::Feed(std::string_view input, std::string* body) {
  if (done_) return 0;
  std::size_t used = input.size();
  switch (framing_) {
    case ResponseHead::Framing::kNone:
      return 0;
    case ResponseHead::Framing::kLength:
      used = std::min<std::uint64_t>(left_, input.size());
      body->append(input.data(), used);
      left_ -= used;
      done_ = left_ == 0;
      return used;
    case ResponseHead::Framing::kChunked:
      used = chunks_.Feed(input, std::numeric_limits<std::size_t>::max(), body);
      done_ = chunks_.done();
      return used;
    case ResponseHead::Framing::kUntilEnd:
      body->append(input);
      return used;
  }
  return used;
}

bool ResponseBody::End() {
  if (framing_ == ResponseHead::Framing::kUntilEnd) done_ = true;
  return done_;
}

}  // namespace gatehouse::http
