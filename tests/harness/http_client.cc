#include "tests/harness/http_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <boost/json.hpp>
#include <cerrno>
#include <cstdlib>

#include "libs/base/unique_fd.h"

namespace gatehouse::harness {
namespace {

UniqueFd Connect(const std::string& address, std::chrono::milliseconds timeout) {
  const std::size_t colon = address.rfind(':');
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<std::uint16_t>(std::stoi(address.substr(colon + 1))));
  inet_pton(AF_INET, address.substr(0, colon).c_str(), &to.sin_addr);
  UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  timeval limit{timeout.count() / 1000, (timeout.count() % 1000) * 1000};
  setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  if (connect(fd.get(), reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) fd.Reset();
  return fd;
}

// How long the answer in `bytes` is, once its head is there; npos before that.
std::size_t AnswerLength(const std::string& bytes) {
  const std::size_t head = bytes.find("\r\n\r\n");
  if (head == bytes.npos) return bytes.npos;
  std::string lower = bytes.substr(0, head);
  for (char& c : lower) c = static_cast<char>(std::tolower(c));
  const std::size_t at = lower.find("\r\ncontent-length:");
  if (at == lower.npos) return lower.find(" 204 ") != lower.npos ? head + 4 : bytes.npos;
  return head + 4 + std::strtoul(lower.c_str() + at + 17, nullptr, 10);
}

Answer Parse(const std::string& bytes) {
  Answer answer;
  const std::size_t head = bytes.find("\r\n\r\n");
  if (head == bytes.npos || bytes.compare(0, 5, "HTTP/") != 0) return answer;
  answer.status = std::stoi(bytes.substr(9, 3));
  std::size_t line = bytes.find("\r\n") + 2;
  while (line < head + 2) {
    const std::size_t end = bytes.find("\r\n", line);
    const std::size_t colon = bytes.find(':', line);
    std::size_t value = colon + 1;
    while (value < end && bytes[value] == ' ') ++value;
    answer.headers.emplace_back(bytes.substr(line, colon - line), bytes.substr(value, end - value));
    line = end + 2;
  }
  answer.body = bytes.substr(head + 4);
  return answer;
}

}  // namespace

std::string Answer::Header(const std::string& name) const {
  for (const auto& [key, value] : headers) {
    if (strcasecmp(key.c_str(), name.c_str()) == 0) return value;
  }
  return "";
}

std::string Answer::At(const std::string& pointer) const {
  boost::json::error_code error;
  const boost::json::value document = boost::json::parse(body, error);
  if (error) return "";
  const boost::json::value* found = document.find_pointer(pointer, error);
  if (found == nullptr) return "";
  if (found->is_string()) return std::string(found->get_string());
  return boost::json::serialize(*found);
}

std::string Exchange(const std::string& address, const std::string& bytes,
                     std::chrono::milliseconds timeout) {
  const UniqueFd fd = Connect(address, timeout);
  std::string answer;
  if (!fd.valid()) return answer;
  for (std::size_t sent = 0; sent < bytes.size();) {
    const ssize_t count = send(fd.get(), bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    sent += static_cast<std::size_t>(count);
  }
  const bool is_head = bytes.compare(0, 5, "HEAD ") == 0;
  char buffer[65536];
  for (;;) {
    const ssize_t count = recv(fd.get(), buffer, sizeof buffer, 0);
    if (count < 0 && errno == EINTR) continue;  // A child has ended.
    if (count <= 0) return answer;
    answer.append(buffer, static_cast<std::size_t>(count));
    if (is_head && answer.find("\r\n\r\n") != answer.npos) return answer;
    const std::size_t length = AnswerLength(answer);
    if (length != answer.npos && answer.size() >= length) return answer;
  }
}

Answer HttpClient::Call(const std::string& method, const std::string& path, const std::string& json,
                        const std::string& token,
                        const std::vector<std::pair<std::string, std::string>>& headers) const {
  std::string request = method + " " + path + " HTTP/1.1\r\nHost: " + address_ + "\r\n";
  if (!token.empty()) request += "Authorization: Token " + token + "\r\n";
  for (const auto& [name, value] : headers) request += name + ": " + value + "\r\n";
  if (!json.empty()) request += "Content-Type: application/json\r\n";
  if (!json.empty() || method == "POST" || method == "PATCH") {
    request += "Content-Length: " + std::to_string(json.size()) + "\r\n";
  }
  return Parse(Exchange(address_, request + "Connection: close\r\n\r\n" + json));
}

}  // namespace gatehouse::harness
