#include "libs/service/testing.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <thread>

namespace gatehouse::service::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
}

std::vector<char*> Pointers(std::vector<std::string>* texts) {
  std::vector<char*> pointers;
  for (std::string& text : *texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

std::string NextNumber() {
  static int count = 0;
  return std::to_string(++count);
}

}  // namespace

bool Eventually(const std::function<bool()>& condition) {
  const auto end = steady_clock::now() + seconds(10);
  while (!condition()) {
    if (steady_clock::now() > end) return false;
    std::this_thread::sleep_for(milliseconds(5));
  }
  return true;
}

Sample::Sample(const std::string& directory, const std::vector<std::string>& arguments,
               const Environment& environment, bool ready)
    : directory_(directory), number_(NextNumber()) {
  constexpr int kReadyFd = 9;
  std::vector<std::string> words = {SERVICE_SAMPLE};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<std::string> variables;
  for (const auto& [name, value] : environment)
    variables.push_back(std::string(name).append("=").append(value));
  if (ready) variables.push_back("READY_FD=" + std::to_string(kReadyFd));
  const std::vector<char*> argv = Pointers(&words);
  const std::vector<char*> envp = Pointers(&variables);
  const std::string output = directory_ + "/stdout." + number_;
  const std::string errors = directory_ + "/stderr." + number_;
  int ends[2] = {-1, -1};
  if (ready && ::pipe2(ends, O_CLOEXEC) != 0) ADD_FAILURE() << "no pipe";
  ready_.Reset(ends[0]);
  const UniqueFd written(ends[1]);

  pid_ = ::fork();
  if (pid_ == 0) {
    // Only what is safe after a fork in a program with threads.
    ::dup2(::open(output.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600), STDOUT_FILENO);
    ::dup2(::open(errors.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600), STDERR_FILENO);
    // When the pipe happens to have this number, dup2 would leave its flag.
    if (ready && ends[1] == kReadyFd) ::fcntl(kReadyFd, F_SETFD, 0);
    if (ready && ends[1] != kReadyFd) ::dup2(ends[1], kReadyFd);
    if (::chdir(directory_.c_str()) != 0) ::_exit(126);
    ::execve(argv[0], argv.data(), envp.data());
    ::_exit(127);
  }
}

Sample::~Sample() {
  if (!IsRunning()) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, &status_, 0);
}

bool Sample::IsRunning() {
  if (pid_ > 0 && ::waitpid(pid_, &status_, WNOHANG) == pid_) pid_ = -1;
  return pid_ > 0;
}

int Sample::Wait() {
  if (!Eventually([this] { return !IsRunning(); })) return -1;
  return WIFEXITED(status_) ? WEXITSTATUS(status_) : -1;
}

void Sample::Signal(int signal) {
  if (IsRunning()) ::kill(pid_, signal);
}

std::string Sample::Output() const { return ReadFile(directory_ + "/stdout." + number_); }
std::string Sample::Errors() const { return ReadFile(directory_ + "/stderr." + number_); }

bool Sample::AwaitLog(const std::string& text) const {
  return Eventually([&] { return Errors().find(text) != std::string::npos; });
}

std::map<std::string, std::string> Sample::AwaitReady() {
  std::string text;
  char buffer[1024];
  while (true) {
    pollfd wait{.fd = ready_.get(), .events = POLLIN, .revents = 0};
    if (::poll(&wait, 1, 10000) != 1) return {};
    const ssize_t got = ::read(ready_.get(), buffer, sizeof buffer);
    if (got <= 0) break;
    text.append(buffer, static_cast<std::size_t>(got));
  }
  std::map<std::string, std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) {
    const std::size_t equals = line.find('=');
    lines[line.substr(0, equals)] = equals == std::string::npos ? "" : line.substr(equals + 1);
  }
  return lines;
}

void SampleTest::SetUp() {
  std::string pattern = ::testing::TempDir() + "service-XXXXXX";
  directory_ = ::mkdtemp(pattern.data());
  const Result made = RunSample({"keygen", directory_});
  ASSERT_EQ(made.code, 0) << made.errors;
  Write("service-keys", "# public keys\n" + made.output);
}

void SampleTest::TearDown() { std::filesystem::remove_all(directory_); }

Environment SampleTest::ServeEnvironment() const {
  return {{"GRPC_ADDRESS", socket()},
          {"SERVICE_KEY_FILE", directory_ + "/sample.key"},
          {"SERVICE_KEYS_FILE", directory_ + "/service-keys"}};
}

SampleTest::Result SampleTest::RunSample(const std::vector<std::string>& arguments,
                                         const Environment& environment) {
  Sample sample(directory_, arguments, environment);
  const int code = sample.Wait();
  return {code, sample.Output(), sample.Errors()};
}

std::string SampleTest::Write(const std::string& name, const std::string& text) const {
  std::string path = directory_ + "/" + name;
  std::ofstream(path, std::ios::binary) << text;
  return path;
}

std::string Scrape(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  if (colon == std::string::npos) return "";
  const UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in target{};
  target.sin_family = AF_INET;
  target.sin_port = htons(static_cast<std::uint16_t>(std::stoi(address.substr(colon + 1))));
  ::inet_pton(AF_INET, address.substr(0, colon).c_str(), &target.sin_addr);
  if (::connect(socket.get(), reinterpret_cast<sockaddr*>(&target), sizeof target) != 0) return "";
  const std::string request = "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
  if (::send(socket.get(), request.data(), request.size(), MSG_NOSIGNAL) < 0) return "";
  std::string answer;
  char buffer[4096];
  for (ssize_t got; (got = ::recv(socket.get(), buffer, sizeof buffer, 0)) > 0;) {
    answer.append(buffer, static_cast<std::size_t>(got));
  }
  return answer;
}

}  // namespace gatehouse::service::testing
