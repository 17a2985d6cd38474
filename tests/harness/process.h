// A real program of ours under test: started, frozen, killed, restarted, and gone
// at the end of the test. Not a mock of one.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <map>
#include <string>
#include <vector>

namespace gatehouse::harness {

using Environment = std::map<std::string, std::string>;

// Not thread-safe. Destruction kills the process.
class Process {
 public:
  // `name` is a program in build/bin. `log_path` gets its standard error.
  Process(std::string name, Environment environment, std::string log_path);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  // Starts it with READY_FD and waits until it is ready; false when it ends or
  // stays silent instead, and then the log tells why. `arguments` come after the
  // program's name.
  bool Start(const std::vector<std::string>& arguments = {});

  // Starts it and does not wait.
  void Spawn(const std::vector<std::string>& arguments = {});
  bool AwaitReady(std::chrono::milliseconds timeout);

  // Runs it to its end; the exit code, or -signal.
  int Run(const std::vector<std::string>& arguments);

  void Signal(int signal);
  void Freeze();  // SIGSTOP
  void Thaw();    // SIGCONT

  // SIGKILL, reaped.
  void Kill();

  // SIGTERM; the exit code, or -signal; -1000 after `timeout`, when it is killed.
  int Stop(std::chrono::milliseconds timeout = std::chrono::seconds(15));

  // Whether it ended by itself within `timeout`; the code in `*exit_code`.
  bool AwaitExit(std::chrono::milliseconds timeout, int* exit_code);

  bool running() const { return pid_ > 0; }
  pid_t pid() const { return pid_; }
  const std::string& name() const { return name_; }

  // What it listens on: "grpc", "metrics", "http".
  std::string Address(const std::string& kind) const;

  Environment& environment() { return environment_; }
  std::string Log() const;

 private:
  const std::string name_;
  Environment environment_;
  const std::string log_path_;
  pid_t pid_ = -1;
  int ready_fd_ = -1;
  std::map<std::string, std::string> addresses_;
};

// Calls `condition` until it holds or `timeout` is over; whether it held.
template <typename Condition>
bool Eventually(Condition condition, std::chrono::milliseconds timeout = std::chrono::seconds(10)) {
  const auto end = std::chrono::steady_clock::now() + timeout;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    constexpr timespec kPause{0, 10'000'000};
    nanosleep(&kPause, nullptr);
  }
  return true;
}

}  // namespace gatehouse::harness
