// A blocking connection to the gateway for the clients of the reload test: bytes in,
// bytes out, each with a deadline. Not a client of HTTP or WebSocket.
#pragma once

#include <chrono>
#include <string>

#include "libs/base/unique_fd.h"

namespace gatehouse::reload {

class Wire {
 public:
  static constexpr std::chrono::seconds kPatience{20};

  // `address`: "127.0.0.1:8000".
  explicit Wire(const std::string& address);

  bool Send(const std::string& bytes);
  // Reads until `end` is there, and returns what is before and with it; what follows
  // stays. "" when the connection ends or nothing comes.
  std::string ReadUntil(const std::string& end);
  // Reads until `bytes` have come; fewer when the connection ends.
  std::string ReadBytes(std::size_t bytes);

  // For who reads by itself: the descriptor, and what was read too far.
  int fd() const { return fd_.get(); }
  std::string TakeRest() { return std::move(rest_); }

 private:
  bool ReadMore();

  UniqueFd fd_;
  std::string rest_;
};

// One request on a connection that stays open: its status, 0 when it broke.
int Ask(Wire& wire, const std::string& head);

}  // namespace gatehouse::reload
