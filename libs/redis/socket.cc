#include "libs/redis/socket.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>

namespace gatehouse::redis {
namespace {

using std::chrono::milliseconds;

absl::Status Unreachable(const std::string& cause) {
  return Error(absl::StatusCode::kUnavailable, "REDIS_UNREACHABLE", cause);
}

absl::Status Unreachable(const std::string& step, int error) {
  return Unreachable(step + ": " + std::strerror(error));
}

absl::Status Late() {
  return Error(absl::StatusCode::kDeadlineExceeded, "REDIS_LATE", "no answer in time");
}

absl::Status Await(int fd, short events, SteadyTime deadline) {
  while (true) {
    const auto left = std::chrono::ceil<milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left <= milliseconds(0)) return Late();
    pollfd wait{fd, events, 0};
    const int ready = ::poll(&wait, 1, static_cast<int>(left.count()));
    if (ready > 0) return absl::OkStatus();
    if (ready < 0 && errno != EINTR) return Unreachable("poll", errno);
  }
}

absl::StatusOr<UniqueFd> ConnectTo(const sockaddr* address, socklen_t size, SteadyTime deadline) {
  UniqueFd fd(::socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return Unreachable("socket", errno);
  if (::connect(fd.get(), address, size) != 0) {
    if (errno != EINPROGRESS && errno != EAGAIN) return Unreachable("connect", errno);
    GH_RETURN_IF_ERROR(Await(fd.get(), POLLOUT, deadline));
    int error = 0;
    socklen_t length = sizeof error;
    ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &length);
    if (error != 0) return Unreachable("connect", error);
  }
  return fd;
}

absl::StatusOr<UniqueFd> ConnectUnix(const std::string& path, SteadyTime deadline) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  return ConnectTo(reinterpret_cast<const sockaddr*>(&address), sizeof address, deadline);
}

absl::StatusOr<UniqueFd> ConnectTcp(const Url& url, SteadyTime deadline) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG | AI_NUMERICSERV;
  addrinfo* list = nullptr;
  const std::string port = std::to_string(url.port);
  if (const int error = ::getaddrinfo(url.host.c_str(), port.c_str(), &hints, &list); error != 0) {
    return Unreachable(std::string("the name: ") + ::gai_strerror(error));
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> found(list, &::freeaddrinfo);
  absl::StatusOr<UniqueFd> fd = Unreachable("the name has no address");
  for (const addrinfo* one = list; one != nullptr; one = one->ai_next) {
    fd = ConnectTo(one->ai_addr, one->ai_addrlen, deadline);
    if (!fd.ok()) continue;
    const int on = 1;
    ::setsockopt(fd->get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    break;
  }
  return fd;
}

bool IsAddress(const std::string& host) {
  in6_addr address;
  return ::inet_pton(AF_INET, host.c_str(), &address) == 1 ||
         ::inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

absl::Status TlsRefused(const std::string& cause) {
  return Error(absl::StatusCode::kFailedPrecondition, "REDIS_TLS_REFUSED", cause);
}

std::string LastTlsError() {
  char text[256] = "no cause given";
  if (const unsigned long code = ::ERR_get_error(); code != 0) {
    ::ERR_error_string_n(code, text, sizeof text);
  }
  return text;
}

}  // namespace

void Socket::FreeSsl::operator()(SSL* ssl) const { ::SSL_free(ssl); }

absl::StatusOr<Socket> Socket::Connect(const Url& url, const std::string& ca_file,
                                       SteadyTime deadline) {
  absl::StatusOr<UniqueFd> fd =
      url.path.empty() ? ConnectTcp(url, deadline) : ConnectUnix(url.path, deadline);
  if (!fd.ok()) return fd.status();
  Socket socket(*std::move(fd));
  if (url.is_tls) GH_RETURN_IF_ERROR(socket.BeginTls(url, ca_file, deadline));
  return socket;
}

absl::Status Socket::BeginTls(const Url& url, const std::string& ca_file, SteadyTime deadline) {
  const std::unique_ptr<SSL_CTX, decltype(&::SSL_CTX_free)> context(
      ::SSL_CTX_new(::TLS_client_method()), &::SSL_CTX_free);
  ::SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  ::SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  const int trusts = ca_file.empty()
                         ? ::SSL_CTX_set_default_verify_paths(context.get())
                         : ::SSL_CTX_load_verify_locations(context.get(), ca_file.c_str(), nullptr);
  if (trusts != 1) return TlsRefused("the authorities cannot be read: " + LastTlsError());
  ssl_.reset(::SSL_new(context.get()));
  if (IsAddress(url.host)) {
    ::X509_VERIFY_PARAM_set1_ip_asc(::SSL_get0_param(ssl_.get()), url.host.c_str());
  } else {
    ::SSL_set_hostflags(ssl_.get(), X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    ::SSL_set1_host(ssl_.get(), url.host.c_str());
    ::SSL_set_tlsext_host_name(ssl_.get(), url.host.c_str());
  }
  ::SSL_set_fd(ssl_.get(), fd_.get());
  while (true) {
    ::ERR_clear_error();
    const int result = ::SSL_connect(ssl_.get());
    if (result == 1) return absl::OkStatus();
    if (const long verified = ::SSL_get_verify_result(ssl_.get()); verified != X509_V_OK) {
      return TlsRefused(::X509_verify_cert_error_string(verified));
    }
    GH_RETURN_IF_ERROR(AwaitTls(result, deadline));
  }
}

// After a step of TLS that did not succeed: waits until it can go on.
absl::Status Socket::AwaitTls(int result, SteadyTime deadline) {
  switch (::SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
      return Await(fd_.get(), POLLIN, deadline);
    case SSL_ERROR_WANT_WRITE:
      return Await(fd_.get(), POLLOUT, deadline);
    case SSL_ERROR_ZERO_RETURN:
      return Unreachable("the connection was closed");
    case SSL_ERROR_SYSCALL:
      return errno == 0 ? Unreachable("the connection was closed") : Unreachable("TLS", errno);
    default:
      return Unreachable("TLS: " + LastTlsError());
  }
}

absl::Status Socket::Write(std::string_view bytes, SteadyTime deadline) {
  while (!bytes.empty()) {
    if (ssl_ != nullptr) {
      ::ERR_clear_error();
      std::size_t count = 0;
      const int result = ::SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &count);
      if (result == 1) {
        bytes.remove_prefix(count);
      } else {
        GH_RETURN_IF_ERROR(AwaitTls(result, deadline));
      }
      continue;
    }
    const ssize_t count = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(count));
    } else if (errno == EAGAIN) {
      GH_RETURN_IF_ERROR(Await(fd_.get(), POLLOUT, deadline));
    } else if (errno != EINTR) {
      return Unreachable("send", errno);
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> Socket::Read(SteadyTime deadline) {
  char buffer[16384];
  while (true) {
    if (ssl_ != nullptr) {
      ::ERR_clear_error();
      std::size_t count = 0;
      const int result = ::SSL_read_ex(ssl_.get(), buffer, sizeof buffer, &count);
      if (result == 1) return std::string(buffer, count);
      GH_RETURN_IF_ERROR(AwaitTls(result, deadline));
      continue;
    }
    const ssize_t count = ::recv(fd_.get(), buffer, sizeof buffer, 0);
    if (count > 0) return std::string(buffer, static_cast<std::size_t>(count));
    if (count == 0) return Unreachable("the connection was closed");
    if (errno == EAGAIN) {
      GH_RETURN_IF_ERROR(Await(fd_.get(), POLLIN, deadline));
    } else if (errno != EINTR) {
      return Unreachable("recv", errno);
    }
  }
}

}  // namespace gatehouse::redis
