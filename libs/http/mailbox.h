// Work for one worker from any thread. Whoever may outlive the worker holds the
// mailbox, never the worker: once it is closed, work is dropped. Internal to
// libs/http.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "libs/base/unique_fd.h"

namespace gatehouse::http {

class Mailbox {
 public:
  using Work = std::function<void()>;

  Mailbox();

  // Readable when there is something to Run; -1 if there are no descriptors left.
  int fd() const { return event_.get(); }

  // Any thread. Work posted after Close is destroyed without being called.
  void Post(Work work);

  // Makes Run's caller come again. Any thread.
  void Wake();

  // Whether this is the worker's thread and the worker still works.
  bool OnOwnThread() const;

  // On the worker's thread only.
  void BindToThread();
  void Run();
  void Close();

 private:
  UniqueFd event_;
  std::thread::id owner_;  // Set before anybody can hold an exchange of the worker.
  std::atomic<bool> closed_ = false;
  std::mutex mutex_;
  std::vector<Work> posted_;
};

}  // namespace gatehouse::http
