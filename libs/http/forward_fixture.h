// A server that forwards all it gets to one group of upstreams, and what was
// reported of it. For the tests of libs/http; not for use in a service.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "libs/http/forward.h"
#include "libs/http/upstream_script.h"

namespace gatehouse::http {

class ForwardTest : public ::testing::Test {
 protected:
  static constexpr std::chrono::milliseconds kSoon{300};

  ForwardTest();
  ~ForwardTest() override;

  // Begins with what is set below; a first request does it too.
  void Start();
  Server& server() { return *server_; }
  UpstreamGroup& group() { return *group_; }
  UpstreamGroup::Breaker breaker() { return group_->breaker(std::chrono::steady_clock::now()); }

  RawPeer Client(int receive_buffer = 0);
  // Connects, sends, and gives the client back.
  RawPeer Ask(std::string_view request);
  // The upstream's side of it: accepts, and reads a request's head.
  RawPeer AcceptRequest(std::string* head = nullptr);
  // One GET answered by "HTTP/1.1 200 OK" with `name` as its body, on a new client
  // connection. The upstream's connection, which is idle now.
  RawPeer Exchange200(const std::string& name);

  // The next one; one with the endpoint "none" after kPatience.
  ForwardReport NextReport();

  // Before Start. `streams`: of the body plan.
  UpstreamOptions options;
  ServerOptions server_options;
  bool streams = true;
  std::vector<std::string> addresses;  // Default: upstream's.
  ScriptedUpstream upstream;

  // What the owners do: the close code of tunnels and event streams; events are 429; a body with
  // "forbidden" is 422, one with "short" at its end 422 too, but only when that is known.
  std::atomic<int> close_code{0};
  std::atomic<bool> refuses_events{false};
  std::atomic<bool> fails_at_heads{false};  // With an exception.

 private:
  class Owner;
  void Handle(const std::shared_ptr<Exchange>& exchange);
  void Report(const ForwardReport& report);

  std::shared_ptr<UpstreamGroup> group_;
  std::unique_ptr<Server> server_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<ForwardReport> reports_;
};

// A response with this body and a Content-Length.
std::string Ok(std::string_view body, std::string_view more_lines = "");

}  // namespace gatehouse::http
