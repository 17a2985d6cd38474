// A server behind the gateway for tests: keeps the bytes of every request as they came
// and answers with the bytes that a test gives it. Understands no more of HTTP than
// where a request ends. Not for use outside tests.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "libs/base/unique_fd.h"

namespace gatehouse::gateway {

struct SeenRequest {
  std::string head;  // Request line and header lines, each with its CRLF.
  std::string body;  // As it came, chunks and trailers included.

  std::string RequestLine() const;
  // The values of the fields whose name is `name`, regardless of case.
  std::vector<std::string> All(const std::string& name) const;
  // The names of all fields, in order.
  std::vector<std::string> Names() const;
};

class FakeUpstream {
 public:
  // The whole answer, status line first. Behind one with status 101, WebSocket frames
  // are echoed. "" closes the connection without an answer.
  using Handler = std::function<std::string(const SeenRequest&)>;

  // Answers 200 with a small JSON object.
  FakeUpstream();
  ~FakeUpstream();
  FakeUpstream(const FakeUpstream&) = delete;
  FakeUpstream& operator=(const FakeUpstream&) = delete;

  void Do(Handler handler);
  const std::string& address() const { return address_; }  // "127.0.0.1:41234"
  std::string url() const { return "http://" + address_; }

  // What has come since the last call, in order.
  std::vector<SeenRequest> Take();
  int connections() const { return connections_; }

  // Refuses connections from now on, and ends those that are open.
  void Stop();

 private:
  void Accept();
  void Serve(int fd);

  UniqueFd listener_;
  std::string address_;
  std::mutex mutex_;
  Handler handler_;                // guarded by mutex_
  std::vector<SeenRequest> seen_;  // guarded by mutex_
  std::set<int> open_;             // guarded by mutex_
  std::vector<std::thread> threads_;
  std::atomic<bool> stopping_{false};
  std::atomic<int> connections_{0};
  std::thread acceptor_;
};

// An answer of `status` with these header lines and a body of known length.
std::string RawAnswer(const std::string& status, const std::string& lines,
                      const std::string& body = "");

}  // namespace gatehouse::gateway
