#include "tests/reload/wire.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cstdlib>

namespace gatehouse::reload {

Wire::Wire(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  sockaddr_in peer{};
  peer.sin_family = AF_INET;
  peer.sin_port = htons(static_cast<std::uint16_t>(std::atoi(address.c_str() + colon + 1)));
  ::inet_pton(AF_INET, address.substr(0, colon).c_str(), &peer.sin_addr);
  fd_ = UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const timeval patience{kPatience.count(), 0};
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  if (::connect(fd_.get(), reinterpret_cast<sockaddr*>(&peer), sizeof peer) != 0) fd_.Reset();
}

bool Wire::Send(const std::string& bytes) {
  std::size_t sent = 0;
  while (sent < bytes.size()) {
    const ssize_t count = ::send(fd_.get(), bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (count <= 0) return false;
    sent += static_cast<std::size_t>(count);
  }
  return true;
}

bool Wire::ReadMore() {
  char buffer[16384];
  const ssize_t count = ::recv(fd_.get(), buffer, sizeof buffer, 0);
  if (count <= 0) return false;
  rest_.append(buffer, static_cast<std::size_t>(count));
  return true;
}

std::string Wire::ReadUntil(const std::string& end) {
  std::size_t at;
  while ((at = rest_.find(end)) == std::string::npos) {
    if (!ReadMore()) return "";
  }
  std::string text = rest_.substr(0, at + end.size());
  rest_.erase(0, text.size());
  return text;
}

std::string Wire::ReadBytes(std::size_t bytes) {
  while (rest_.size() < bytes && ReadMore()) continue;
  std::string text = rest_.substr(0, bytes);
  rest_.erase(0, text.size());
  return text;
}

int Ask(Wire& wire, const std::string& head) {
  if (!wire.Send(head)) return 0;
  const std::string answer = wire.ReadUntil("\r\n\r\n");
  if (answer.size() < 12) return 0;
  const std::size_t length = answer.find("Content-Length: ");
  if (length != std::string::npos) {
    const auto bytes = static_cast<std::size_t>(std::atoll(answer.c_str() + length + 16));
    if (wire.ReadBytes(bytes).size() != bytes) return 0;
  } else {
    // In pieces: the last of them is empty.
    if (wire.ReadUntil("0\r\n\r\n").empty()) return 0;
  }
  return std::atoi(answer.c_str() + 9);
}

}  // namespace gatehouse::reload
