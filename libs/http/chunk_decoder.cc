#include "libs/http/chunk_decoder.h"

#include <algorithm>

#include "libs/http/chars.h"
#include "libs/http/message.h"

namespace gatehouse::http {
namespace {

constexpr int kBadRequest = 400;
constexpr int kTooLarge = 413;
constexpr int kTrailersTooLarge = 431;
constexpr int kDigitsMax = 15;  // 60 bits: no size can overflow.

// RFC 9110 section 6.5.1: fields that may not be in a trailer, because whoever merges
// it into the head would read another message.
bool FramesMessages(std::string_view name) {
  return SameName(name, "content-length") || SameName(name, "transfer-encoding") ||
         SameName(name, "host");
}

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
      case State::kExtensionName:
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
  const bool in_extension = state_ == State::kExtension || state_ == State::kExtensionName;
  if (!in_extension && digit >= 0) {
    if (++digits_ > kDigitsMax) return Refuse(kBadRequest);
    left_ = left_ * 16 + static_cast<std::uint64_t>(digit);
    state_ = State::kSize;
    return;
  }
  if (state_ == State::kFirstDigit) return Refuse(kBadRequest);
  // A name follows every ";"; others refuse what has none.
  if (state_ == State::kExtensionName && !In(kTokenChars, c)) return Refuse(kBadRequest);
  if (c == '\r') {
    state_ = State::kSizeEnd;
    return;
  }
  if (state_ == State::kSize && c != ';') return Refuse(kBadRequest);
  state_ = c == ';' ? State::kExtensionName : State::kExtension;
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
        name_size_ = 1;
        name_[0] = c;
      } else {
        Refuse(kBadRequest);
      }
      return;
    case State::kTrailerName:
      if (c == ':') {
        state_ = State::kTrailerValue;
        if (FramesMessages({name_, name_size_})) Refuse(kBadRequest);
      } else if (!In(kTokenChars, c)) {
        Refuse(kBadRequest);
      } else if (name_size_ < sizeof name_) {
        name_[name_size_++] = c;
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
