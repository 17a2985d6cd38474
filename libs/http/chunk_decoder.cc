#include "libs/http/chunk_decoder.h"

#include <algorithm>

#include "libs/http/chars.h"

namespace gatehouse::http {
namespace {

constexpr int kBadRequest = 400;
constexpr int kTooLarge = 413;
constexpr int kTrailersTooLarge = 431;
constexpr int kDigitsMax = 15;  // 60 bits: no size can overflow.

}  // namespace

std::size_t ChunkDecoder::Feed(std::string_view input, std::size_t body_bytes_max,
                               std::string* body) {
  std::size_t used = 0;
  while (used < input.size() && state_ != State::kDone && status_ == 0) {
    if (state_ == State::kBytes) {
      used += TakeBytes(input.substr(used), body);
      continue;
    }
    const char c = input[used++];
    switch (state_) {
      case State::kFirstDigit:
      case State::kSize:
      case State::kExtension:
        TakeSizeChar(c);
        break;
      case State::kSizeEnd:
        Expect(c, '\n', left_ == 0 ? State::kTrailerLine : State::kBytes);
        // Refused before the bytes are there, whatever the size says.
        if (status_ == 0 && left_ > body_bytes_max - body->size()) Refuse(kTooLarge);
        break;
      case State::kBytesCr:
        Expect(c, '\r', State::kBytesLf);
        break;
      case State::kBytesLf:
        Expect(c, '\n', State::kFirstDigit);
        digits_ = 0;
        break;
      case State::kFinalLf:
        Expect(c, '\n', State::kDone);
        break;
      default:
        TakeTrailerChar(c);
    }
  }
  return used;
}

void ChunkDecoder::Expect(char c, char expected, State next) {
  if (c != expected) return Refuse(kBadRequest);
  state_ = next;
}

void ChunkDecoder::TakeSizeChar(char c) {
  const int digit = HexDigit(c);
  if (state_ != State::kExtension && digit >= 0) {
    if (++digits_ > kDigitsMax) return Refuse(kBadRequest);
    left_ = left_ * 16 + static_cast<std::uint64_t>(digit);
    state_ = State::kSize;
    return;
  }
  if (state_ == State::kFirstDigit) return Refuse(kBadRequest);
  if (c == '\r') {
    state_ = State::kSizeEnd;
    return;
  }
  if (state_ == State::kSize && c != ';') return Refuse(kBadRequest);
  state_ = State::kExtension;
  if (!In(kFieldChars, c) || ++extension_bytes_ > kExtensionBytesMax) Refuse(kBadRequest);
}

std::size_t ChunkDecoder::TakeBytes(std::string_view input, std::string* body) {
  const std::size_t count = std::min<std::uint64_t>(left_, input.size());
  body->append(input.data(), count);
  left_ -= count;
  if (left_ == 0) state_ = State::kBytesCr;
  return count;
}

void ChunkDecoder::TakeTrailerChar(char c) {
  if (++trailer_bytes_ > kTrailerBytesMax) return Refuse(kTrailersTooLarge);
  switch (state_) {
    case State::kTrailerLine:
      if (c == '\r') {
        state_ = State::kFinalLf;
      } else if (In(kTokenChars, c)) {
        state_ = State::kTrailerName;
      } else {
        Refuse(kBadRequest);
      }
      return;
    case State::kTrailerName:
      if (c == ':') {
        state_ = State::kTrailerValue;
      } else if (!In(kTokenChars, c)) {
        Refuse(kBadRequest);
      }
      return;
    case State::kTrailerValue:
      if (c == '\r') {
        state_ = State::kTrailerEnd;
      } else if (!In(kFieldChars, c)) {
        Refuse(kBadRequest);
      }
      return;
    default:
      return Expect(c, '\n', State::kTrailerLine);
  }
}

}  // namespace gatehouse::http
