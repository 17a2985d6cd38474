// Users who ask at a steady pace, each on one connection that is never opened anew:
// a connection or an answer that is lost is counted. Not a benchmark.
#pragma once

#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

namespace gatehouse::reload {

class Load {
 public:
  // `per_second` requests in all from `connections` threads, taking the paths in turn.
  Load(const std::string& address, const std::string& token, std::vector<std::string> paths,
       int connections, int per_second);
  ~Load();

  void Stop();  // Joins. Idempotent.

  int requests() const { return requests_; }
  int failures() const { return failures_; }
  // Of the first failure: path and status.
  const std::string& first_failure() const { return first_failure_; }

 private:
  void Run(const std::string& address, int number);

  const std::string token_;
  const std::vector<std::string> paths_;
  const std::chrono::microseconds pause_;
  std::atomic<bool> stopping_{false};
  std::atomic<int> requests_{0};
  std::atomic<int> failures_{0};
  std::atomic<bool> has_failed_{false};
  std::string first_failure_;  // Written once; read after Stop.
  std::vector<std::thread> threads_;
};

}  // namespace gatehouse::reload
