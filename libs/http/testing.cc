#include "libs/http/testing.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <cstring>
#include <thread>
#include <utility>

namespace gatehouse::http {
namespace {

bool AwaitEvent(int fd, short events, std::chrono::milliseconds patience) {
  pollfd entry{fd, events, 0};
  return ::poll(&entry, 1, static_cast<int>(patience.count())) > 0;
}

std::string HeadText(const Request& request) {
  std::string text =
      request.method + " " + std::string(request.path) + " ? " + std::string(request.query) + "\n";
  for (const Header& header : request.headers) text += header.name + "=" + header.value + "\n";
  return text;
}

}  // namespace

std::string Received::Header(std::string_view name) const {
  std::size_t at = head.find("\r\n");
  while (at != head.npos && at + 2 < head.size()) {
    const std::size_t begin = at + 2;
    at = head.find("\r\n", begin);
    const std::string_view line = std::string_view(head).substr(begin, at - begin);
    const std::size_t colon = line.find(": ");
    if (colon != line.npos && SameName(line.substr(0, colon), name)) {
      return std::string(line.substr(colon + 2));
    }
  }
  return "";
}

RawClient::RawClient(const std::string& address, int receive_buffer) {
  const std::size_t colon = address.rfind(':');
  const bool is_v6 = address.front() == '[';
  const auto port = htons(static_cast<std::uint16_t>(std::stoi(address.substr(colon + 1))));
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  v4.sin_port = port;
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = port;
  ::inet_pton(AF_INET, address.substr(0, colon).c_str(), &v4.sin_addr);
  if (is_v6) ::inet_pton(AF_INET6, address.substr(1, colon - 2).c_str(), &v6.sin6_addr);
  socket_ = UniqueFd(::socket(is_v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int one = 1;
  ::setsockopt(fd(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (receive_buffer > 0) {
    ::setsockopt(fd(), SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
  }
  const auto* target = is_v6 ? reinterpret_cast<sockaddr*>(&v6) : reinterpret_cast<sockaddr*>(&v4);
  connected_ = ::connect(fd(), target, is_v6 ? sizeof v6 : sizeof v4) == 0;
}

bool RawClient::Send(std::string_view bytes, std::chrono::milliseconds patience) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    } else if (errno != EAGAIN || !AwaitEvent(fd(), POLLOUT, patience)) {
      return false;
    }
  }
  return true;
}

bool RawClient::Fill() {
  char bytes[16384];
  if (!AwaitEvent(fd(), POLLIN, kPatience)) return false;
  const ssize_t count = ::recv(fd(), bytes, sizeof bytes, 0);
  if (count <= 0) return false;
  buffer_.append(bytes, static_cast<std::size_t>(count));
  return true;
}

Received RawClient::Read(bool head_only) {
  std::size_t end = 0;
  while ((end = buffer_.find("\r\n\r\n")) == buffer_.npos) {
    if (!Fill()) return {};
  }
  Received received;
  received.head = buffer_.substr(0, end + 2);
  buffer_.erase(0, end + 4);
  if (received.head.rfind("HTTP/1.1 ", 0) != 0) return {};
  received.status = std::stoi(received.head.substr(9, 3));
  const std::string length = received.Header("Content-Length");
  const std::size_t size = head_only || length.empty() ? 0 : std::stoul(length);
  while (buffer_.size() < size) {
    if (!Fill()) return {};
  }
  received.body = buffer_.substr(0, size);
  buffer_.erase(0, size);
  return received;
}

std::vector<Received> RawClient::ReadAll() {
  std::vector<Received> all;
  while (Received one = Read()) all.push_back(std::move(one));
  EXPECT_TRUE(AwaitEnd()) << "the server has not closed, or has left: " << buffer_;
  return all;
}

bool RawClient::AwaitEnd() {
  if (!buffer_.empty() || !AwaitEvent(fd(), POLLIN, kPatience)) return false;
  char byte;
  return ::recv(fd(), &byte, 1, MSG_PEEK) == 0;
}

std::size_t RawClient::Drain(std::size_t enough) {
  std::size_t total = buffer_.size();
  buffer_.clear();
  while (total < enough && Fill()) {
    total += buffer_.size();
    buffer_.clear();
  }
  return total;
}

void RawClient::ShutDown() { ::shutdown(fd(), SHUT_WR); }

void RawClient::Reset() {
  const linger at_once{1, 0};
  ::setsockopt(fd(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  socket_.Reset();
}

int ServersEnd(const RawClient& client) {
  sockaddr_in wanted{}, peer{};
  socklen_t size = sizeof wanted;
  ::getsockname(client.fd(), reinterpret_cast<sockaddr*>(&wanted), &size);
  for (int fd = 3; fd < 1024; ++fd) {
    size = sizeof peer;
    if (::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) == 0 &&
        peer.sin_family == AF_INET && peer.sin_port == wanted.sin_port) {
      return fd;
    }
  }
  return -1;
}

std::string Get(std::string_view target, std::string_view more_lines) {
  return "GET " + std::string(target) + " HTTP/1.1\r\nHost: a\r\n" + std::string(more_lines) +
         "\r\n";
}

TestServer::TestServer(ServerOptions options) {
  if (options.address == ServerOptions().address) options.address = "127.0.0.1:0";
  auto started = Server::Start(
      options, [this](std::shared_ptr<Exchange> exchange) { Handle(std::move(exchange)); });
  if (!started.ok()) std::abort();
  server_ = *std::move(started);
}

TestServer::~TestServer() {
  server_->Drain(std::chrono::milliseconds(0));
  held_.clear();
}

void TestServer::Handle(std::shared_ptr<Exchange> exchange) {
  const Request& request = exchange->request();
  {
    std::lock_guard<std::mutex> lock(mutex_);
    executed_.push_back(request.target);
  }
  if (request.path == "/hold") return Hold(std::move(exchange));
  Response response;
  if (request.path == "/echo") {
    response.body = request.body;
  } else if (request.path == "/head") {
    response.body = HeadText(request);
  } else if (request.path == "/big") {
    response.body.assign(std::stoul(std::string(request.query)), 'x');
  } else {
    response.body = request.path;
  }
  exchange->Reply(std::move(response));
}

void TestServer::Hold(std::shared_ptr<Exchange> exchange) {
  exchange->OnGone([this] {
    std::lock_guard<std::mutex> lock(mutex_);
    ++gone_;
    changed_.notify_all();
  });
  std::lock_guard<std::mutex> lock(mutex_);
  held_.push_back(std::move(exchange));
  changed_.notify_all();
}

std::vector<std::string> TestServer::TakeExecuted() {
  std::lock_guard<std::mutex> lock(mutex_);
  return std::exchange(executed_, {});
}

std::shared_ptr<Exchange> TestServer::TakeHeld() {
  std::unique_lock<std::mutex> lock(mutex_);
  if (!changed_.wait_for(lock, kPatience, [this] { return !held_.empty(); })) return nullptr;
  std::shared_ptr<Exchange> taken = std::move(held_.front());
  held_.erase(held_.begin());
  return taken;
}

int TestServer::gone() {
  std::lock_guard<std::mutex> lock(mutex_);
  return gone_;
}

bool TestServer::AwaitGone(int count) {
  std::unique_lock<std::mutex> lock(mutex_);
  return changed_.wait_for(lock, kPatience, [&] { return gone_ >= count; });
}

bool Eventually(const std::function<bool()>& condition) {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

}  // namespace gatehouse::http
