// A proxy between two of our processes that can be cut, to test what a lost
// connection does. Carries bytes between unix sockets; understands none of them.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace gatehouse::harness {

class Proxy {
 public:
  // Listens on the unix socket `listen_path`, carries to the one at `target_path`.
  Proxy(std::string listen_path, std::string target_path);
  ~Proxy();

  // Closes what is open and refuses what is new, until Mend.
  void Cut();
  void Mend();

  // Carries nothing, but keeps connections open: a partition, not a crash.
  void Stall(bool stalled) { stalled_ = stalled; }

 private:
  void Run();
  void Carry(int client, int target);

  const std::string target_path_;
  int listener_ = -1;
  std::atomic<bool> stopping_{false};
  std::atomic<bool> cut_{false};
  std::atomic<bool> stalled_{false};
  std::mutex mutex_;
  std::vector<std::thread> carriers_;  // guarded by mutex_
  std::thread acceptor_;
};

}  // namespace gatehouse::harness
