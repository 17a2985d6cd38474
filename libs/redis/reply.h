// What a Redis answers, and the reader of its protocol (RESP 2, by hiredis). Reads no
// socket.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libs/status/status.h"

namespace gatehouse::redis {

struct Reply {
  enum class Kind { kNil, kText, kInteger, kList, kError };
  Kind kind = Kind::kNil;
  std::string text;          // Of kText and kError.
  std::int64_t integer = 0;  // Of kInteger.
  std::vector<Reply> items;  // Of kList.

  bool IsError() const { return kind == Kind::kError; }
};

// Not thread-safe.
class ReplyReader {
 public:
  // Of one reply that is not whole yet.
  static constexpr std::size_t kBytesMax = 4 << 20;

  ReplyReader();
  ~ReplyReader();

  void Feed(std::string_view bytes);

  // The next whole reply; nullopt when more bytes are needed. DATA_LOSS /
  // REDIS_PROTOCOL_BROKEN: nothing can be read from this connection any more.
  absl::StatusOr<std::optional<Reply>> Next();

 private:
  struct Impl;
  const std::unique_ptr<Impl> impl_;
};

// A command as it goes over the wire.
void AppendCommand(const std::vector<std::string>& words, std::string* wire);

}  // namespace gatehouse::redis
