// A client that sends exactly the bytes it is told to, and a server with a few
// routes to send them to. For the tests of libs/http; not for use in a service.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "libs/base/unique_fd.h"
#include "libs/http/message.h"
#include "libs/http/server.h"

namespace gatehouse::http {

// No test waits longer for anything.
inline constexpr std::chrono::seconds kPatience{10};

struct Received {
  int status = 0;
  std::string head;  // Status line and header lines, with their line ends.
  std::string body;

  explicit operator bool() const { return status != 0; }

  // The value of a header, or "".
  std::string Header(std::string_view name) const;
};

class RawClient {
 public:
  // Connects; a small `receive_buffer` makes a reader that is easily overrun.
  explicit RawClient(const std::string& address, int receive_buffer = 0);

  bool connected() const { return connected_; }
  int fd() const { return socket_.get(); }

  // False when the server has closed or takes no more within `patience`.
  bool Send(std::string_view bytes, std::chrono::milliseconds patience = kPatience);
  // The next response; one with status 0 at the end, after kPatience, or for what is
  // none. With `head_only` (for HEAD) Content-Length is not followed by a body.
  Received Read(bool head_only = false);
  // All responses until the server closes; fails the test if it does not.
  std::vector<Received> ReadAll();
  // Whether the server closes without another byte.
  bool AwaitEnd();
  // How many bytes have come when the server closes, or `enough` of them.
  std::size_t Drain(std::size_t enough);

  void ShutDown();  // Ends the sending side only.
  void Reset();     // Leaves with a reset instead of an end.

 private:
  bool Fill();

  UniqueFd socket_;
  bool connected_ = false;
  std::string buffer_;
};

// The server's end of the client's connection, which lives in this process too; -1: none.
int ServersEnd(const RawClient& client);

// "GET <target>" with a Host.
std::string Get(std::string_view target, std::string_view more_lines = "");

// Answers / and every other path with the path, /echo with the body, /head with
// the head as it was understood; /hold is kept until Release; /big?<n> with n bytes.
class TestServer {
 public:
  explicit TestServer(ServerOptions options = {});
  ~TestServer();

  Server& server() { return *server_; }
  const std::string& address() const { return server_->address(); }

  // The targets that reached the handler, in order, since the last call.
  std::vector<std::string> TakeExecuted();

  // Waits until a request to /hold is held, and takes it; nullptr after kPatience.
  std::shared_ptr<Exchange> TakeHeld();
  // How many clients of held requests have been reported as gone; the second waits
  // for that many.
  int gone();
  bool AwaitGone(int count);

 private:
  void Handle(std::shared_ptr<Exchange> exchange);
  void Hold(std::shared_ptr<Exchange> exchange);

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> executed_;
  std::vector<std::shared_ptr<Exchange>> held_;
  int gone_ = 0;
  std::unique_ptr<Server> server_;
};

// Polls `condition` until it is true, for at most kPatience.
bool Eventually(const std::function<bool()>& condition);

}  // namespace gatehouse::http
