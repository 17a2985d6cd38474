#include "libs/redis/testing.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "libs/base/unique_fd.h"

namespace gatehouse::redis::testing {
namespace {

constexpr char kProgram[] = "/usr/bin/redis-server";

[[noreturn]] void Die(const std::string& why) {
  std::fprintf(stderr, "%s\n", why.c_str());
  std::abort();
}

// A port that was free a moment ago.
int FreePort() {
  const UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size) != 0) Die("bind");
  ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.sin_port);
}

void Run(const std::string& command) {
  if (std::system((command + " 2>/dev/null >/dev/null").c_str()) != 0) Die("failed: " + command);
}

// An authority, and a certificate that it has signed.
void MakeCertificate(const std::string& directory) {
  const std::string in = "cd " + directory + " && openssl ";
  Run(in +
      "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=test-ca"
      " -keyout ca.key -out ca.pem");
  Run(in +
      "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=redis"
      " -keyout redis.key -out redis.csr");
  Run("cd " + directory +
      " && echo subjectAltName=IP:127.0.0.1,DNS:localhost > san &&"
      " openssl x509 -req -in redis.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2"
      " -extfile san -out redis.pem");
}

bool Answers(const std::string& path) {
  const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  return ::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
}

}  // namespace

RedisServer::RedisServer(Options options) : options_(std::move(options)) {
  if (::access(kProgram, X_OK) != 0) {
    Die("redis-server is missing: tools/deps.sh tools/packages-test.txt, as `make test` does");
  }
  // What writes to it when it has gone gets an error instead.
  ::signal(SIGPIPE, SIG_IGN);
  char path[] = "/tmp/gh-redis-XXXXXX";
  if (::mkdtemp(path) == nullptr) Die("mkdtemp");
  directory_ = path;
  if (options_.is_tls) MakeCertificate(directory_);
  // Another process may take the port in between: then with another one.
  for (int attempt = 0; attempt < 10; ++attempt) {
    if (options_.is_tls) port_ = FreePort();
    if (Spawn()) return;
  }
  Die("redis-server does not start");
}

RedisServer::~RedisServer() {
  Kill();
  std::filesystem::remove_all(directory_);
}

std::string RedisServer::UrlOf(const std::string& host) const {
  if (!options_.is_tls) {
    const std::string query = options_.password.empty() ? "" : "?password=" + options_.password;
    return "unix:" + directory_ + "/redis.sock" + query;
  }
  const std::string secret = options_.password.empty() ? "" : ":" + options_.password + "@";
  return "rediss://" + secret + host + ":" + std::to_string(port_);
}

std::vector<std::string> RedisServer::Arguments() const {
  std::vector<std::string> words = {
      kProgram, "--port", "0",     "--unixsocket", directory_ + "/redis.sock",
      "--save", "",       "--dir", directory_,     "--appendonly",
      "no"};
  const auto add = [&](std::vector<std::string> more) {
    words.insert(words.end(), more.begin(), more.end());
  };
  if (!options_.password.empty()) add({"--requirepass", options_.password});
  if (options_.is_tls) {
    add({"--tls-port", std::to_string(port_), "--tls-cert-file", directory_ + "/redis.pem",
         "--tls-key-file", directory_ + "/redis.key", "--tls-ca-cert-file", ca_file(),
         "--tls-auth-clients", "no", "--bind", "127.0.0.1"});
  }
  return words;
}

bool RedisServer::Spawn() {
  const std::string socket = directory_ + "/redis.sock";
  ::unlink(socket.c_str());
  std::vector<std::string> words = Arguments();
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  pid_ = ::fork();
  if (pid_ == 0) {
    const int log = ::open((directory_ + "/log").c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    ::dup2(log, 1);
    ::dup2(log, 2);
    ::execv(kProgram, arguments.data());
    ::_exit(127);
  }
  for (int i = 0; i < 1000; ++i) {
    if (Answers(socket)) return true;
    int status = 0;
    if (::waitpid(pid_, &status, WNOHANG) == pid_) {
      pid_ = -1;
      return false;
    }
    constexpr timespec kPause{0, 10'000'000};
    ::nanosleep(&kPause, nullptr);
  }
  Kill();
  return false;
}

void RedisServer::Kill() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

void RedisServer::Start() {
  if (pid_ < 0 && !Spawn()) Die("redis-server does not start again");
}

void RedisServer::Freeze() { ::kill(pid_, SIGSTOP); }
void RedisServer::Thaw() { ::kill(pid_, SIGCONT); }

}  // namespace gatehouse::redis::testing
