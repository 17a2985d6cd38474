#include "services/auth/terminal.h"

#include <poll.h>
#include <signal.h>
#include <termios.h>
#include <unistd.h>

#include <cstdio>

namespace gatehouse::auth {
namespace {

constexpr std::size_t kLineBytesMax = 4096;

absl::Status Invalid(const std::string& reason, const std::string& message) {
  return Error(absl::StatusCode::kInvalidArgument, reason, message);
}

void Say(const std::string& text) {
  std::fputs(text.c_str(), stderr);
  std::fflush(stderr);
}

// A line without its end, a byte at a time: what follows belongs to the next reader.
// Under `waiting_mask`, if there is one, a signal ends the wait.
absl::StatusOr<std::string> ReadLine(const sigset_t* waiting_mask = nullptr) {
  std::string line;
  char byte = 0;
  while (true) {
    pollfd input{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
    const bool is_there = ::ppoll(&input, 1, nullptr, waiting_mask) > 0;
    const ssize_t count = is_there ? ::read(STDIN_FILENO, &byte, 1) : -1;
    if (count < 0 || (count == 0 && line.empty())) {
      return Invalid("INPUT_ENDED", "standard input has ended, or was interrupted");
    }
    if (count == 0 || byte == '\n') break;
    if (line.size() == kLineBytesMax) return Invalid("INPUT_TOO_LONG", "the line is too long");
    line += byte;
  }
  if (!line.empty() && line.back() == '\r') line.pop_back();
  return line;
}

// Hides what is typed. An interrupt ends the wait for it instead of the process, so
// that the terminal is put right in any case. The signals are blocked but for that
// wait: one that comes just before is not lost.
class NoEcho {
 public:
  NoEcho() {
    struct sigaction interrupted {};
    interrupted.sa_handler = [](int) {};
    ::sigaction(SIGINT, &interrupted, &sigint_);
    ::sigaction(SIGTERM, &interrupted, &sigterm_);
    sigset_t blocked;
    ::sigemptyset(&blocked);
    ::sigaddset(&blocked, SIGINT);
    ::sigaddset(&blocked, SIGTERM);
    ::pthread_sigmask(SIG_BLOCK, &blocked, &mask_);
    if (::tcgetattr(STDIN_FILENO, &before_) != 0) return;
    termios silent = before_;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    is_silent_ = ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent) == 0;
  }
  ~NoEcho() {
    if (is_silent_) ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
    ::sigaction(SIGINT, &sigint_, nullptr);
    ::sigaction(SIGTERM, &sigterm_, nullptr);
    ::pthread_sigmask(SIG_SETMASK, &mask_, nullptr);
  }
  NoEcho(const NoEcho&) = delete;
  NoEcho& operator=(const NoEcho&) = delete;

  bool is_silent() const { return is_silent_; }
  const sigset_t& waiting_mask() const { return mask_; }

 private:
  termios before_{};
  bool is_silent_ = false;
  sigset_t mask_{};
  struct sigaction sigint_ {};
  struct sigaction sigterm_ {};
};

absl::StatusOr<std::string> AskSilently(const std::string& question) {
  const NoEcho no_echo;
  if (!no_echo.is_silent()) {
    return Invalid("TERMINAL_ECHOES", "the terminal cannot hide what is typed");
  }
  Say(question);
  absl::StatusOr<std::string> line = ReadLine(&no_echo.waiting_mask());
  Say("\n");
  return line;
}

}  // namespace

bool HasTerminal() { return ::isatty(STDIN_FILENO) == 1; }

absl::StatusOr<std::string> Ask(const std::string& question) {
  Say(question);
  return ReadLine();
}

absl::StatusOr<std::string> AskPassword() {
  if (!HasTerminal()) return ReadLine();
  GH_ASSIGN_OR_RETURN(std::string password, AskSilently("Password: "));
  GH_ASSIGN_OR_RETURN(const std::string again, AskSilently("Again: "));
  if (password != again) return Invalid("PASSWORDS_DIFFER", "the two passwords differ");
  return password;
}

}  // namespace gatehouse::auth
