// Follows the frames of one direction of a WebSocket (RFC 6455 section 5.2) that
// somebody else speaks: only where each of them ends. Payloads are passed over, not
// looked at and not kept. Also makes the one frame of our own, a close frame.
// Internal to libs/http.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace gatehouse::http {

class FrameTracker {
 public:
  // Goes over all of `bytes`.
  void Feed(std::string_view bytes);
  // Goes on to the next boundary, at most to the end of `bytes`; how many bytes that
  // are. 0 when it stands at one.
  std::size_t FeedToBoundary(std::string_view bytes);

  // Between two frames, so that one of our own may be put in.
  bool at_boundary() const { return step_ == Step::kFirst; }
  // A close frame has begun: its sender sends nothing behind it.
  bool saw_close() const { return saw_close_; }
  // A length that no frame can have: there are no more boundaries.
  bool is_broken() const { return step_ == Step::kBroken; }

 private:
  enum class Step : std::uint8_t { kFirst, kSecond, kLength, kMask, kPayload, kBroken };

  void TakeHeaderByte(unsigned char byte);
  void EndLength();

  Step step_ = Step::kFirst;
  bool saw_close_ = false;
  bool is_masked_ = false;
  std::uint8_t header_left_ = 0;  // Of the extended length or of the mask.
  std::uint64_t payload_left_ = 0;
};

// A close frame with this code and no reason; masked as a client's must be.
std::string CloseFrame(int code, bool masked);

}  // namespace gatehouse::http
