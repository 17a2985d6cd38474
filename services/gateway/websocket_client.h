// A small WebSocket client for tests: it sends what it is told, answers pings, and
// tells what it hears. Not for use outside the gateway's tests.
#pragma once

#include <string>

#include "libs/base/unique_fd.h"
#include "services/gateway/gateway_fixture.h"

namespace gatehouse::gateway {

class WebSocketClient {
 public:
  // Connects and asks for the socket. `headers` may replace those of the handshake; one
  // without a value leaves it out. A small `receive_buffer` makes a slow reader.
  WebSocketClient(const std::string& address, const std::string& path, const Headers& headers,
                  int receive_buffer = 0);

  // What the server said to that: 101, or a refusal with its body.
  const Answer& answer() const { return answer_; }

  void SendText(const std::string& text);
  void SendBinary(const std::string& bytes);
  void SendClose(int code);

  // The next text message; "closed CODE REASON" for a close frame, which is answered;
  // "end" behind it or without it; "silence" when nothing comes for 20 seconds.
  std::string Read();
  // Reads until a message contains `part`, which is returned.
  std::string ReadUntil(const std::string& part);

 private:
  bool Fill();
  void ReadAnswer();
  void SendFrame(int first, const std::string& payload);

  UniqueFd fd_;
  Answer answer_;
  std::string received_;
};

}  // namespace gatehouse::gateway
