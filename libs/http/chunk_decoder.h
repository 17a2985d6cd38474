// Takes the chunked transfer coding off a request's body, strictly and in any
// number of pieces. Extensions and trailers are checked, bounded and dropped.
// Internal to libs/http.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace gatehouse::http {

class ChunkDecoder {
 public:
  // What may follow all the chunk sizes of one body together, and its trailers.
  static constexpr std::size_t kExtensionBytesMax = 4096;
  static constexpr std::size_t kTrailerBytesMax = 4096;

  // Appends what it decodes to `body`, which may grow to `body_bytes_max`, and
  // returns how many bytes of `input` it has used. Stops when done or refused.
  std::size_t Feed(std::string_view input, std::size_t body_bytes_max, std::string* body);

  bool done() const { return state_ == State::kDone; }
  // 0, or the status to refuse the request with: 400, 413 or 431.
  int status() const { return status_; }

 private:
  enum class State : std::uint8_t {
    kFirstDigit,
    kSize,
    kExtensionName,  // Behind a ";".
    kExtension,
    kSizeEnd,
    kBytes,
    kBytesCr,
    kBytesLf,
    kTrailerLine,
    kTrailerName,
    kTrailerValue,
    kTrailerEnd,
    kFinalLf,
    kDone,
  };

  void Refuse(int status) { status_ = status; }
  void TakeSizeChar(char c);
  void TakeTrailerChar(char c);
  void Expect(char c, char expected, State next);
  std::size_t TakeBytes(std::string_view input, std::string* body);

  State state_ = State::kFirstDigit;
  std::uint8_t digits_ = 0;
  std::uint16_t extension_bytes_ = 0;
  std::uint16_t trailer_bytes_ = 0;
  std::uint16_t status_ = 0;
  std::uint64_t left_ = 0;      // Of the chunk in hand.
  std::uint8_t name_size_ = 0;  // Of the trailer in hand.
  char name_[18];               // Its beginning: one more than the longest that matters.
};

}  // namespace gatehouse::http
