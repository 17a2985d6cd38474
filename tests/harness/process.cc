#include "tests/harness/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <utility>

namespace gatehouse::harness {
namespace {

constexpr auto kReadyTimeout = std::chrono::seconds(20);
constexpr int kReadyFd = 3;

std::string ProgramPath(const std::string& name) { return std::string(GATEHOUSE_BIN) + "/" + name; }

int ExitCode(int status) { return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status); }

// In the child, between fork and exec: only async-signal-safe calls.
[[noreturn]] void Exec(const char* path, char* const* argv, char* const* envp, int log, int ready,
                       pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  dup2(log, 1);
  dup2(log, 2);
  if (ready >= 0) {
    if (ready == kReadyFd) {
      fcntl(ready, F_SETFD, 0);
    } else {
      dup2(ready, kReadyFd);
    }
  }
  execve(path, argv, envp);
  _exit(127);
}

}  // namespace

Process::Process(std::string name, Environment environment, std::string log_path)
    : name_(std::move(name)),
      environment_(std::move(environment)),
      log_path_(std::move(log_path)) {}

Process::~Process() { Kill(); }

void Process::Spawn(const std::vector<std::string>& arguments) {
  Kill();
  addresses_.clear();
  int ready[2];
  if (pipe2(ready, O_CLOEXEC) != 0) std::abort();
  const int log = open(log_path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  const std::string path = ProgramPath(name_);
  std::vector<std::string> words = {path};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<std::string> settings = {"PATH=/usr/bin:/bin"};
  for (const auto& [key, value] : environment_) settings.push_back(key + "=" + value);
  settings.push_back("READY_FD=" + std::to_string(kReadyFd));
  std::vector<char*> argv, envp;
  for (std::string& word : words) argv.push_back(word.data());
  for (std::string& setting : settings) envp.push_back(setting.data());
  argv.push_back(nullptr);
  envp.push_back(nullptr);
  const pid_t parent = getpid();
  pid_ = fork();
  if (pid_ == 0) Exec(path.c_str(), argv.data(), envp.data(), log, ready[1], parent);
  close(log);
  close(ready[1]);
  ready_fd_ = ready[0];
}

bool Process::AwaitReady(std::chrono::milliseconds timeout) {
  const auto end = std::chrono::steady_clock::now() + timeout;
  std::string text;
  bool closed = false;
  while (!closed && std::chrono::steady_clock::now() < end) {
    pollfd waiting{ready_fd_, POLLIN, 0};
    if (poll(&waiting, 1, 100) <= 0) continue;
    char bytes[4096];
    const ssize_t count = read(ready_fd_, bytes, sizeof bytes);
    if (count > 0) text.append(bytes, static_cast<std::size_t>(count));
    closed = count <= 0;
  }
  close(std::exchange(ready_fd_, -1));
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const std::size_t equals = line.find('=');
    if (equals != line.npos) addresses_[line.substr(0, equals)] = line.substr(equals + 1);
  }
  return !addresses_.empty();
}

bool Process::Start(const std::vector<std::string>& arguments) {
  Spawn(arguments);
  return AwaitReady(kReadyTimeout);
}

int Process::Run(const std::vector<std::string>& arguments) {
  Spawn(arguments);
  close(std::exchange(ready_fd_, -1));
  int status = 0;
  waitpid(std::exchange(pid_, -1), &status, 0);
  return ExitCode(status);
}

void Process::Signal(int signal) {
  if (pid_ > 0) kill(pid_, signal);
}

void Process::Freeze() { Signal(SIGSTOP); }

void Process::Thaw() { Signal(SIGCONT); }

void Process::Kill() {
  if (ready_fd_ >= 0) close(std::exchange(ready_fd_, -1));
  if (pid_ <= 0) return;
  kill(pid_, SIGKILL);
  waitpid(std::exchange(pid_, -1), nullptr, 0);
}

bool Process::AwaitExit(std::chrono::milliseconds timeout, int* exit_code) {
  if (pid_ <= 0) return false;
  int status = 0;
  if (!Eventually([&] { return waitpid(pid_, &status, WNOHANG) == pid_; }, timeout)) return false;
  pid_ = -1;
  if (exit_code != nullptr) *exit_code = ExitCode(status);
  return true;
}

int Process::Stop(std::chrono::milliseconds timeout) {
  Signal(SIGTERM);
  int exit_code = 0;
  if (AwaitExit(timeout, &exit_code)) return exit_code;
  Kill();
  return -1000;
}

std::string Process::Address(const std::string& kind) const {
  auto found = addresses_.find(kind);
  return found == addresses_.end() ? "" : found->second;
}

std::string Process::Log() const {
  std::ifstream file(log_path_);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace gatehouse::harness
