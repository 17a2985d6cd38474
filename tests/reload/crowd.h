// Many who listen: WebSockets of /api/v1/ws and event streams of /api/v1/events, all
// on one thread that answers pings and counts what each has heard. Not a client for
// anything else.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tests/reload/wire.h"

namespace gatehouse::reload {

class Crowd {
 public:
  Crowd(std::string address, std::string token)
      : address_(std::move(address)), token_(std::move(token)) {}
  ~Crowd();

  // Opens one more; false when it is refused. Before Listen.
  bool AddSocket();
  bool AddStream();

  void Listen();

  // How many have received `text`, and are still there.
  int Heard(const std::string& text) const;
  int open() const { return open_; }

 private:
  struct Listener {
    explicit Listener(const std::string& address) : wire(address) {}
    Wire wire;
    bool is_socket = false;
    bool is_open = true;
    std::string unread;  // Frames that are not complete.
    std::string heard;   // Everything else.
  };

  void Run();
  void Read(Listener& listener);
  void TakeFrames(Listener& listener);

  const std::string address_;
  const std::string token_;
  std::vector<std::unique_ptr<Listener>> listeners_;
  mutable std::mutex mutex_;  // Of what was heard.
  std::atomic<int> open_{0};
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace gatehouse::reload
