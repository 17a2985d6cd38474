#include "tests/harness/slow_reader.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <cerrno>

namespace gatehouse::harness {

SlowReader::SlowReader(const std::string& address)
    : address_(address), fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  const std::size_t colon = address.rfind(':');
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<std::uint16_t>(std::stoi(address.substr(colon + 1))));
  inet_pton(AF_INET, address.substr(0, colon).c_str(), &to.sin_addr);
  const int small = 16384;
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
  const timeval patience{10, 0};
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  if (::connect(fd_.get(), reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) fd_.Reset();
}

bool SlowReader::Ask(const std::string& method, const std::string& path, const std::string& token) {
  const std::string request = method + " " + path + " HTTP/1.1\r\nHost: " + address_ +
                              "\r\nAuthorization: Token " + token + "\r\n\r\n";
  return fd_.valid() && ::send(fd_.get(), request.data(), request.size(), MSG_NOSIGNAL) ==
                            static_cast<ssize_t>(request.size());
}

std::string SlowReader::Read(std::size_t count) {
  std::string text;
  char buffer[4096];
  while (text.size() < count) {
    const std::size_t wanted = std::min(sizeof buffer, count - text.size());
    const ssize_t got = ::recv(fd_.get(), buffer, wanted, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    text.append(buffer, static_cast<std::size_t>(got));
  }
  return text;
}

}  // namespace gatehouse::harness
