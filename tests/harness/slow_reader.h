// A client that asks for something long and reads it as slowly as its test wants, or
// leaves in the middle. Not kind to what it asks.
#pragma once

#include <string>

#include "libs/base/unique_fd.h"

namespace gatehouse::harness {

// Not thread-safe. Destruction closes the connection, whatever was not read.
class SlowReader {
 public:
  // Connects to "host:port" with a small receive buffer.
  explicit SlowReader(const std::string& address);

  // Sends a request without a body; `token` as "Authorization: Token …".
  bool Ask(const std::string& method, const std::string& path, const std::string& token);

  // The next `count` bytes; fewer when the server ended or was silent for ten seconds.
  std::string Read(std::size_t count);

 private:
  const std::string address_;
  UniqueFd fd_;
};

}  // namespace gatehouse::harness
