#include "libs/http/upstream_script.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <cstdlib>
#include <utility>

#include "libs/http/chunk_decoder.h"

namespace gatehouse::http {
namespace {

bool AwaitEvent(int fd, short events, std::chrono::milliseconds patience) {
  pollfd entry{fd, events, 0};
  return ::poll(&entry, 1, static_cast<int>(patience.count())) > 0;
}

sockaddr_in Loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

}  // namespace

RawPeer RawPeer::Connect(const std::string& address, int receive_buffer) {
  UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int one = 1;
  ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (receive_buffer > 0) {
    ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
  }
  const int port = std::stoi(address.substr(address.rfind(':') + 1));
  const sockaddr_in to = Loopback(static_cast<std::uint16_t>(port));
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) return {};
  return RawPeer(std::move(socket));
}

bool RawPeer::Send(std::string_view bytes, std::chrono::milliseconds patience, std::size_t* taken) {
  while (!bytes.empty()) {
    const ssize_t sent =
        ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(sent));
      if (taken != nullptr) *taken += static_cast<std::size_t>(sent);
    } else if (errno != EAGAIN || !AwaitEvent(socket_.get(), POLLOUT, patience)) {
      return false;
    }
  }
  return true;
}

bool RawPeer::Fill() {
  char bytes[65536];
  if (!AwaitEvent(socket_.get(), POLLIN, kPatience)) return false;
  const ssize_t count = ::recv(socket_.get(), bytes, sizeof bytes, 0);
  if (count <= 0) return false;
  buffer_.append(bytes, static_cast<std::size_t>(count));
  return true;
}

std::string RawPeer::ReadHead() {
  std::size_t end = 0;
  while ((end = buffer_.find("\r\n\r\n")) == buffer_.npos) {
    if (!Fill()) return std::exchange(buffer_, {});
  }
  return Read(end + 4);
}

std::string RawPeer::Read(std::size_t size) {
  while (buffer_.size() < size && Fill()) {
  }
  std::string read = buffer_.substr(0, size);
  buffer_.erase(0, size);
  return read;
}

std::string RawPeer::ReadAll() {
  while (Fill()) {
  }
  std::string all = std::exchange(buffer_, {});
  return AwaitEnd() ? all : all + "no end";
}

Received RawPeer::ReadReply(bool without_body) {
  Received received;
  received.head = ReadHead();
  if (received.head.rfind("HTTP/1.1 ", 0) != 0) return {};
  received.head.resize(received.head.size() - 2);
  received.status = std::stoi(received.head.substr(9, 3));
  if (without_body) return received;
  const std::string length = received.Header("Content-Length");
  bool complete = true;
  if (received.Header("Transfer-Encoding") == "chunked") {
    received.body = ReadChunked(&complete);
  } else if (!length.empty()) {
    received.body = Read(std::stoul(length));
    complete = received.body.size() == std::stoul(length);
  } else if (received.status >= 200 && received.status != 204 && received.status != 304) {
    received.body = ReadAll();
  }
  if (!complete) received.status = 0;
  return received;
}

std::string RawPeer::ReadChunked(bool* complete) {
  ChunkDecoder decoder;
  std::string body;
  for (;;) {
    buffer_.erase(0, decoder.Feed(buffer_, std::size_t{1} << 40, &body));
    *complete = decoder.done();
    if (decoder.done() || decoder.status() != 0 || !Fill()) return body;
  }
}

bool RawPeer::AwaitEnd() { return buffer_.empty() && AwaitEndOfAll() && buffer_.empty(); }

bool RawPeer::AwaitEndOfAll() {
  while (Fill()) {
  }
  char byte;
  const ssize_t count = ::recv(socket_.get(), &byte, 1, MSG_DONTWAIT);
  return count == 0 || (count < 0 && errno != EAGAIN);
}

void RawPeer::ShutDown() { ::shutdown(socket_.get(), SHUT_WR); }

void RawPeer::Reset() {
  const linger at_once{1, 0};
  ::setsockopt(socket_.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  socket_.Reset();
}

ScriptedUpstream::ScriptedUpstream(int backlog)
    : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address = Loopback(0);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (::bind(socket_.get(), generic, size) != 0 || ::listen(socket_.get(), backlog) != 0 ||
      ::getsockname(socket_.get(), generic, &size) != 0) {
    std::abort();
  }
  address_ = "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
}

RawPeer ScriptedUpstream::Accept(std::chrono::milliseconds patience) {
  if (!AwaitEvent(socket_.get(), POLLIN, patience)) return {};
  UniqueFd accepted(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  const int one = 1;
  ::setsockopt(accepted.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  return RawPeer(std::move(accepted));
}

bool ScriptedUpstream::HasConnection() {
  return AwaitEvent(socket_.get(), POLLIN, std::chrono::milliseconds(0));
}

}  // namespace gatehouse::http
