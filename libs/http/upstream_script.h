// Both ends of a proxied exchange as a test writes them: a listener whose
// connections are taken one by one, and a peer that says and hears exact bytes.
// For the tests of libs/http; not for use in a service.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>

#include "libs/base/unique_fd.h"
#include "libs/http/testing.h"

namespace gatehouse::http {

// Waits for kPatience at most, wherever it waits.
class RawPeer {
 public:
  RawPeer() = default;
  explicit RawPeer(UniqueFd socket) : socket_(std::move(socket)) {}
  // Not connected if nobody listens. A small `receive_buffer` makes a slow reader.
  static RawPeer Connect(const std::string& address, int receive_buffer = 0);

  bool connected() const { return socket_.valid(); }

  // False when the other side has closed or takes no more within `patience`; *taken
  // counts what went out.
  bool Send(std::string_view bytes, std::chrono::milliseconds patience = kPatience,
            std::size_t* taken = nullptr);

  // Up to the empty line and with it; less, if the other side ends first.
  std::string ReadHead();
  // So many bytes; less, if the other side ends first.
  std::string Read(std::size_t size);
  // All until the end; "no end" behind it if there is none.
  std::string ReadAll();
  // A response with its body, taken out of its framing; status 0: none, or broken off.
  Received ReadReply(bool without_body = false);
  // A chunked body, decoded; *complete: with its last chunk.
  std::string ReadChunked(bool* complete);

  // Whether the other side ends or resets without another byte.
  bool AwaitEnd();
  // The other side has ended, after whatever bytes.
  bool AwaitEndOfAll();

  void ShutDown();  // Ends the sending side only.
  void Reset();     // Leaves with a reset instead of an end.
  void Close() { socket_.Reset(); }

 private:
  bool Fill();

  UniqueFd socket_;
  std::string buffer_;
};

class ScriptedUpstream {
 public:
  explicit ScriptedUpstream(int backlog = 64);

  const std::string& address() const { return address_; }
  std::string port() const { return address_.substr(address_.rfind(':') + 1); }
  // The next connection; not connected after kPatience.
  RawPeer Accept(std::chrono::milliseconds patience = kPatience);
  // Whether one is waiting to be accepted now.
  bool HasConnection();
  // Refuses from now on.
  void Close() { socket_.Reset(); }

 private:
  UniqueFd socket_;
  std::string address_;
};

}  // namespace gatehouse::http
