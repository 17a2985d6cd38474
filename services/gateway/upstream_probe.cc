#include "services/gateway/upstream_probe.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>

#include "libs/base/clock.h"
#include "libs/base/unique_fd.h"

namespace gatehouse::gateway {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// "HTTP/1.1 204": what is read of an answer.
constexpr std::size_t kStatusSize = 12;

// One address being asked.
struct Asked {
  enum class State { kConnecting, kSending, kReading, kWell, kIll };

  UniqueFd socket;
  State state = State::kIll;
  std::string request;  // "": connecting is enough.
  std::size_t sent = 0;
  std::string answer;

  bool is_open() const {
    return state == State::kConnecting || state == State::kSending || state == State::kReading;
  }
};

Asked Begin(const ProbeTarget& target) {
  Asked asked;
  if (!target.health_path.empty()) {
    asked.request = "GET " + target.health_path + " HTTP/1.1\r\nHost: " + target.authority +
                    "\r\nUser-Agent: gatehouse-health\r\nAccept: */*\r\nConnection: close\r\n\r\n";
  }
  const http::Endpoint& endpoint = *target.endpoint;
  asked.socket =
      UniqueFd(::socket(endpoint.address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!asked.socket.valid()) return asked;
  const int result =
      ::connect(asked.socket.get(), reinterpret_cast<const sockaddr*>(&endpoint.address),
                endpoint.address_size);
  if (result == 0 || errno == EINPROGRESS) asked.state = Asked::State::kConnecting;
  return asked;
}

bool IsConnected(int fd) {
  int error = 0;
  socklen_t size = sizeof error;
  return ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0;
}

Asked::State Judge(const std::string& answer) {
  const bool is_well =
      answer.starts_with("HTTP/1.") && answer[8] == ' ' && (answer[9] == '2' || answer[9] == '3');
  return is_well ? Asked::State::kWell : Asked::State::kIll;
}

void SendMore(Asked* asked) {
  const ssize_t count = ::send(asked->socket.get(), asked->request.data() + asked->sent,
                               asked->request.size() - asked->sent, MSG_NOSIGNAL);
  if (count > 0) asked->sent += static_cast<std::size_t>(count);
  if (count < 0 && errno != EAGAIN && errno != EINTR) asked->state = Asked::State::kIll;
  if (asked->sent == asked->request.size()) asked->state = Asked::State::kReading;
}

void ReadMore(Asked* asked) {
  char buffer[kStatusSize];
  const ssize_t count = ::recv(asked->socket.get(), buffer, kStatusSize - asked->answer.size(), 0);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (count > 0) asked->answer.append(buffer, static_cast<std::size_t>(count));
  if (asked->answer.size() == kStatusSize) {
    asked->state = Judge(asked->answer);
  } else if (count <= 0) {
    asked->state = Asked::State::kIll;
  }
}

void Continue(Asked* asked) {
  if (asked->state == Asked::State::kConnecting) {
    if (!IsConnected(asked->socket.get())) {
      asked->state = Asked::State::kIll;
      return;
    }
    asked->state = asked->request.empty() ? Asked::State::kWell : Asked::State::kSending;
  }
  if (asked->state == Asked::State::kSending) {
    SendMore(asked);
  } else if (asked->state == Asked::State::kReading) {
    ReadMore(asked);
  }
}

// Waits for one of them, or `stop_fd`; false when it is over.
bool Turn(std::vector<Asked>* all, SteadyTime end, int stop_fd) {
  std::vector<pollfd> waiting;
  std::vector<Asked*> owners;
  for (Asked& asked : *all) {
    if (!asked.is_open()) continue;
    const bool reads = asked.state == Asked::State::kReading;
    waiting.push_back({asked.socket.get(), static_cast<short>(reads ? POLLIN : POLLOUT), 0});
    owners.push_back(&asked);
  }
  const auto left = std::chrono::ceil<milliseconds>(end - steady_clock::now());
  if (owners.empty() || left.count() <= 0) return false;
  waiting.push_back({stop_fd, POLLIN, 0});
  const int ready = ::poll(waiting.data(), waiting.size(), static_cast<int>(left.count()));
  if (ready < 0) return errno == EINTR;
  if (waiting.back().revents != 0) return false;
  for (std::size_t i = 0; i < owners.size(); ++i) {
    if (waiting[i].revents != 0) Continue(owners[i]);
  }
  return true;
}

bool HasStopped(int stop_fd) {
  pollfd stop{stop_fd, POLLIN, 0};
  return ::poll(&stop, 1, 0) > 0;
}

}  // namespace

std::vector<bool> Probe(const std::vector<ProbeTarget>& targets, milliseconds patience,
                        int stop_fd) {
  std::vector<Asked> all;
  all.reserve(targets.size());
  for (const ProbeTarget& target : targets) all.push_back(Begin(target));
  const SteadyTime end = steady_clock::now() + patience;
  while (Turn(&all, end, stop_fd)) {
  }
  const bool has_stopped = HasStopped(stop_fd);
  std::vector<bool> well;
  well.reserve(all.size());
  for (const Asked& asked : all) {
    well.push_back(asked.state == Asked::State::kWell || (has_stopped && asked.is_open()));
  }
  return well;
}

}  // namespace gatehouse::gateway
