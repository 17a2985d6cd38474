#include "libs/http/frame_tracker.h"

#include <algorithm>
#include <random>

namespace gatehouse::http {
namespace {

constexpr unsigned kOpcodeBits = 0x0f;
constexpr unsigned kCloseOpcode = 0x8;
constexpr unsigned kFinalBit = 0x80;
constexpr unsigned kMaskBit = 0x80;
constexpr unsigned kLengthBits = 0x7f;
constexpr unsigned kLength16 = 126;
constexpr unsigned kLength64 = 127;
constexpr std::uint8_t kMaskBytes = 4;

}  // namespace

void FrameTracker::Feed(std::string_view bytes) {
  while (!bytes.empty()) {
    if (step_ == Step::kBroken) return;
    if (step_ == Step::kPayload) {
      const std::size_t count = std::min<std::uint64_t>(payload_left_, bytes.size());
      bytes.remove_prefix(count);
      payload_left_ -= count;
      if (payload_left_ == 0) step_ = Step::kFirst;
      continue;
    }
    TakeHeaderByte(static_cast<unsigned char>(bytes.front()));
    bytes.remove_prefix(1);
  }
}

std::size_t FrameTracker::FeedToBoundary(std::string_view bytes) {
  std::size_t used = 0;
  while (used < bytes.size() && !at_boundary()) {
    std::size_t count = 1;
    if (step_ == Step::kPayload) {
      count = std::min<std::uint64_t>(payload_left_, bytes.size() - used);
    } else if (step_ == Step::kBroken) {
      count = bytes.size() - used;
    }
    Feed(bytes.substr(used, count));
    used += count;
  }
  return used;
}

void FrameTracker::TakeHeaderByte(unsigned char byte) {
  switch (step_) {
    case Step::kFirst:
      saw_close_ = saw_close_ || (byte & kOpcodeBits) == kCloseOpcode;
      step_ = Step::kSecond;
      return;
    case Step::kSecond: {
      is_masked_ = (byte & kMaskBit) != 0;
      const unsigned length = byte & kLengthBits;
      payload_left_ = length < kLength16 ? length : 0;
      if (length < kLength16) return EndLength();
      header_left_ = length == kLength64 ? 8 : 2;
      step_ = Step::kLength;
      return;
    }
    case Step::kLength:
      payload_left_ = payload_left_ << 8 | byte;
      if (--header_left_ == 0) EndLength();
      return;
    case Step::kMask:
      if (--header_left_ == 0) step_ = payload_left_ > 0 ? Step::kPayload : Step::kFirst;
      return;
    case Step::kPayload:
    case Step::kBroken:
      return;
  }
}

void FrameTracker::EndLength() {
  if (payload_left_ >> 63 != 0) {
    step_ = Step::kBroken;  // The first bit of a long length is always 0.
  } else if (is_masked_) {
    header_left_ = kMaskBytes;
    step_ = Step::kMask;
  } else {
    step_ = payload_left_ > 0 ? Step::kPayload : Step::kFirst;
  }
}

std::string CloseFrame(int code, bool masked) {
  std::string frame;
  frame += static_cast<char>(kFinalBit | kCloseOpcode);
  frame += static_cast<char>(2 | (masked ? kMaskBit : 0));
  char payload[2] = {static_cast<char>(code >> 8), static_cast<char>(code)};
  if (masked) {
    const std::uint32_t mask = std::random_device()();
    for (int i = 0; i < kMaskBytes; ++i) frame += static_cast<char>(mask >> (8 * i));
    for (int i = 0; i < 2; ++i) payload[i] = static_cast<char>(payload[i] ^ frame[2 + i]);
  }
  frame.append(payload, 2);
  return frame;
}

}  // namespace gatehouse::http
