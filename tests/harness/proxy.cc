#include "tests/harness/proxy.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <utility>

#include "libs/base/unique_fd.h"

namespace gatehouse::harness {
namespace {

constexpr int kTickMillis = 20;

sockaddr_un Named(const std::string& path) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  std::strncpy(name.sun_path, path.c_str(), sizeof name.sun_path - 1);
  return name;
}

bool SendAll(int to, const char* bytes, ssize_t count) {
  while (count > 0) {
    const ssize_t sent = send(to, bytes, static_cast<std::size_t>(count), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes += sent;
    count -= sent;
  }
  return true;
}

}  // namespace

Proxy::Proxy(std::string listen_path, std::string target_path)
    : target_path_(std::move(target_path)) {
  const sockaddr_un name = Named(listen_path);
  listener_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  unlink(listen_path.c_str());
  if (bind(listener_, reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0 ||
      listen(listener_, 128) != 0) {
    std::abort();
  }
  acceptor_ = std::thread([this] { Run(); });
}

Proxy::~Proxy() {
  stopping_ = true;
  acceptor_.join();
  close(listener_);
  for (std::thread& carrier : carriers_) carrier.join();
}

void Proxy::Cut() { cut_ = true; }

void Proxy::Mend() { cut_ = false; }

void Proxy::Run() {
  while (!stopping_) {
    pollfd waiting{listener_, POLLIN, 0};
    if (poll(&waiting, 1, kTickMillis) <= 0) continue;
    UniqueFd client(accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC));
    if (!client.valid() || cut_) continue;
    UniqueFd target(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_un name = Named(target_path_);
    if (connect(target.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0) continue;
    std::lock_guard lock(mutex_);
    carriers_.emplace_back([this, a = client.Release(), b = target.Release()] { Carry(a, b); });
  }
}

void Proxy::Carry(int client, int target) {
  const UniqueFd left(client), right(target);
  char buffer[65536];
  while (!stopping_ && !cut_) {
    pollfd ends[2] = {{client, POLLIN, 0}, {target, POLLIN, 0}};
    if (stalled_ || poll(ends, 2, kTickMillis) <= 0) {
      if (stalled_) usleep(kTickMillis * 1000);
      continue;
    }
    for (int i = 0; i < 2; ++i) {
      if (ends[i].revents == 0) continue;
      const ssize_t count = recv(ends[i].fd, buffer, sizeof buffer, 0);
      if (count <= 0 || !SendAll(ends[1 - i].fd, buffer, count)) return;
    }
  }
}

}  // namespace gatehouse::harness
