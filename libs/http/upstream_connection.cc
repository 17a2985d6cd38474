#include "libs/http/upstream_connection.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <string>

#include "libs/base/unique_fd.h"

namespace gatehouse::http {
namespace {

constexpr int kKeepAliveIdleSeconds = 30;
constexpr int kKeepAliveIntervalSeconds = 10;
constexpr int kKeepAliveProbes = 3;

void SetOption(int fd, int level, int name, int value) {
  ::setsockopt(fd, level, name, &value, sizeof value);
}

void SetOptions(int fd) {
  SetOption(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  SetOption(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  SetOption(fd, IPPROTO_TCP, TCP_KEEPIDLE, kKeepAliveIdleSeconds);
  SetOption(fd, IPPROTO_TCP, TCP_KEEPINTVL, kKeepAliveIntervalSeconds);
  SetOption(fd, IPPROTO_TCP, TCP_KEEPCNT, kKeepAliveProbes);
}

// Descriptors, memory, ports.
bool IsLacking(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM ||
         error == EADDRNOTAVAIL;
}

}  // namespace

bool UpstreamConnection::Reuse(const Endpoint& endpoint, SocketSink* sink) {
  const UpstreamPool::Idle idle = outgoing_.pool().Take(endpoint);
  if (idle.id == 0) return false;
  id_ = idle.id;
  channel_.emplace(idle.fd);
  is_reused_ = true;
  taken_at_ = outgoing_.now();
  outgoing_.SetSink(id_, sink);
  return true;
}

UpstreamConnection::Begun UpstreamConnection::Connect(const Endpoint& endpoint, SocketSink* sink) {
  is_reused_ = false;
  const auto* address = reinterpret_cast<const sockaddr*>(&endpoint.address);
  UniqueFd socket(::socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return IsLacking(errno) ? Begun::kLacking : Begun::kRefused;
  SetOptions(socket.get());
  if (::connect(socket.get(), address, endpoint.address_size) != 0 && errno != EINPROGRESS) {
    return IsLacking(errno) ? Begun::kLacking : Begun::kRefused;
  }
  const int fd = socket.Release();
  id_ = outgoing_.AddSocket(fd, address, sink);
  if (id_ == 0) return Begun::kLacking;
  channel_.emplace(fd);
  return Begun::kDone;
}

UpstreamConnection::Io UpstreamConnection::FinishConnect() {
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(channel_->fd(), SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0) {
    return Io::kFailed;
  }
  sockaddr_storage peer;
  size = sizeof peer;
  const bool connected =
      ::getpeername(channel_->fd(), reinterpret_cast<sockaddr*>(&peer), &size) == 0;
  return connected ? Io::kDone : Io::kBlocked;
}

void UpstreamConnection::OnReady(bool readable, bool writable, bool ended) {
  if (!channel_) return;
  if (readable) channel_->SetReadable();
  if (writable) channel_->SetWritable();
  if (ended) channel_->SetEnded();
}

bool UpstreamConnection::IsStale(bool readable, bool ended) const {
  return is_reused_ && (readable || ended) && taken_at_ == outgoing_.now();
}

bool UpstreamConnection::Send(std::string_view bytes) {
  while (!bytes.empty() && channel_->empty()) {
    const ssize_t sent = ::send(channel_->fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      break;
    } else if (errno != EINTR) {
      return false;
    }
  }
  if (bytes.empty()) return true;
  channel_->output().Add(std::string(bytes));
  return Flush();
}

bool UpstreamConnection::Flush() {
  std::size_t sent = 0;
  return channel_->Send(&sent) != Io::kFailed;
}

void UpstreamConnection::ShutDown() { channel_->ShutDown(); }

UpstreamConnection::Io UpstreamConnection::Receive(char* buffer, std::size_t size,
                                                   std::size_t* received) {
  return channel_->Receive(buffer, size, received);
}

// Whether nothing has come behind the response. Mostly the read that has brought its
// end was a short one, and has told so.
bool UpstreamConnection::IsQuiet() {
  if (channel_->ended()) return false;
  if (!channel_->readable()) return true;
  char byte;
  std::size_t received = 0;
  return channel_->Receive(&byte, 1, &received) == Io::kBlocked;
}

void UpstreamConnection::Keep(const std::shared_ptr<Endpoint>& endpoint,
                              const UpstreamOptions& options) {
  if (outgoing_.draining() || !channel_->empty() || !IsQuiet()) return Close();
  outgoing_.pool().Put(endpoint, {id_, channel_->fd()}, options.pool_max, options.pool_idle);
  id_ = 0;
  channel_.reset();
}

void UpstreamConnection::Close() {
  if (id_ != 0) outgoing_.CloseSocket(id_);
  id_ = 0;
  channel_.reset();
}

}  // namespace gatehouse::http
