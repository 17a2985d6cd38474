#include "libs/http/listener.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>

namespace gatehouse::http {
namespace {

constexpr int kBacklog = 4096;
// A client that vanished without a word under a silent stream is noticed by these only.
constexpr int kKeepAliveIdleSeconds = 60;
constexpr int kKeepAliveIntervalSeconds = 15;
constexpr int kKeepAliveProbes = 4;

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;

  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
  // Both families have the port at the same place.
  int port() const { return ntohs(reinterpret_cast<const sockaddr_in*>(&storage)->sin_port); }
};

absl::Status AddressInvalid(const std::string& address) {
  return Error(absl::StatusCode::kInvalidArgument, "ADDRESS_INVALID",
               "not an address to listen on, such as 127.0.0.1:8000 or [::1]:8000: " + address);
}

absl::Status PortInUse(const std::string& address) {
  return Error(absl::StatusCode::kAlreadyExists, "PORT_IN_USE",
               "another process listens on " + address);
}

absl::Status ListenFailed(const std::string& address, int error) {
  if (error == EADDRINUSE) return PortInUse(address);
  return Error(absl::StatusCode::kUnavailable, "LISTEN_FAILED",
               "cannot listen on " + address + ": " + std::strerror(error));
}

// getaddrinfo would take 70000 and wrap it.
bool IsPort(const std::string& text) {
  return !text.empty() && text.size() <= 5 && text.find_first_not_of("0123456789") == text.npos &&
         std::stoi(text) <= 65535;
}

absl::StatusOr<SocketAddress> Parse(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  if (colon == address.npos || colon == 0 || !IsPort(address.substr(colon + 1))) {
    return AddressInvalid(address);
  }
  std::string host = address.substr(0, colon);
  if (host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host.c_str(), address.c_str() + colon + 1, &hints, &found) != 0) {
    return AddressInvalid(address);
  }
  SocketAddress parsed;
  std::memcpy(&parsed.storage, found->ai_addr, found->ai_addrlen);
  parsed.size = found->ai_addrlen;
  ::freeaddrinfo(found);
  return parsed;
}

UniqueFd MakeSocket(int family) {
  UniqueFd made(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const int one = 1;
  if (made.valid()) ::setsockopt(made.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  return made;
}

// An abstract unix socket named by the port: the kernel lets it go with us, and it
// lives in the same network namespace as the port.
absl::StatusOr<UniqueFd> LockPort(int port, const std::string& address) {
  UniqueFd lock(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const std::string name = "gatehouse-http-port-" + std::to_string(port);
  sockaddr_un at{};
  at.sun_family = AF_UNIX;
  std::memcpy(at.sun_path + 1, name.data(), name.size());
  const socklen_t size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  if (!lock.valid() || ::bind(lock.get(), reinterpret_cast<sockaddr*>(&at), size) != 0) {
    return ListenFailed(address, errno);
  }
  return lock;
}

// A socket without SO_REUSEPORT can be bound only where nobody listens.
absl::Status CheckNobodyListens(SocketAddress at, const std::string& address) {
  const UniqueFd probe = MakeSocket(at.storage.ss_family);
  if (!probe.valid() || ::bind(probe.get(), at.get(), at.size) != 0) {
    return ListenFailed(address, errno);
  }
  return absl::OkStatus();
}

bool SetOption(int fd, int level, int name, int value) {
  return ::setsockopt(fd, level, name, &value, sizeof value) == 0;
}

// Inherited by the sockets that it accepts.
bool SetOptionsOfClients(int fd) {
  return SetOption(fd, IPPROTO_TCP, TCP_NODELAY, 1) && SetOption(fd, SOL_SOCKET, SO_KEEPALIVE, 1) &&
         SetOption(fd, IPPROTO_TCP, TCP_KEEPIDLE, kKeepAliveIdleSeconds) &&
         SetOption(fd, IPPROTO_TCP, TCP_KEEPINTVL, kKeepAliveIntervalSeconds) &&
         SetOption(fd, IPPROTO_TCP, TCP_KEEPCNT, kKeepAliveProbes);
}

absl::StatusOr<UniqueFd> ListenOnce(SocketAddress at, const std::string& address) {
  UniqueFd made = MakeSocket(at.storage.ss_family);
  if (!made.valid() || !SetOption(made.get(), SOL_SOCKET, SO_REUSEPORT, 1) ||
      !SetOptionsOfClients(made.get()) || ::bind(made.get(), at.get(), at.size) != 0 ||
      ::listen(made.get(), kBacklog) != 0) {
    return ListenFailed(address, errno);
  }
  return made;
}

std::string Text(const SocketAddress& at) {
  const std::string host = HostText(at.storage);
  const bool is_v6 = host.find(':') != host.npos;
  return (is_v6 ? "[" + host + "]" : host) + ":" + std::to_string(at.port());
}

}  // namespace

absl::StatusOr<Listeners> Listen(const std::string& address, int count) {
  GH_ASSIGN_OR_RETURN(SocketAddress at, Parse(address));
  Listeners listeners;
  if (at.port() != 0) {
    GH_ASSIGN_OR_RETURN(listeners.lock, LockPort(at.port(), address));
    GH_RETURN_IF_ERROR(CheckNobodyListens(at, address));
  }
  for (int i = 0; i < count; ++i) {
    GH_ASSIGN_OR_RETURN(UniqueFd made, ListenOnce(at, address));
    at.size = sizeof at.storage;
    ::getsockname(made.get(), at.get(), &at.size);
    listeners.sockets.push_back(std::move(made));
  }
  listeners.address = Text(at);
  return listeners;
}

std::string HostText(const sockaddr_storage& address) {
  char text[INET6_ADDRSTRLEN] = "";
  if (address.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    ::inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
  } else if (address.ss_family == AF_INET6) {
    const in6_addr& v6 = reinterpret_cast<const sockaddr_in6&>(address).sin6_addr;
    if (IN6_IS_ADDR_V4MAPPED(&v6)) {
      ::inet_ntop(AF_INET, v6.s6_addr + 12, text, sizeof text);
    } else {
      ::inet_ntop(AF_INET6, &v6, text, sizeof text);
    }
  }
  return text;
}

}  // namespace gatehouse::http
