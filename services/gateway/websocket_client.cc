#include "services/gateway/websocket_client.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include "libs/http/websocket_case.h"
#include "services/gateway/text.h"

namespace gatehouse::gateway {
namespace {

constexpr int kText = 1;
constexpr int kBinary = 2;
constexpr int kClose = 8;
constexpr int kPing = 9;
constexpr int kPong = 10;

std::string WithDefaults(const std::string& address, const std::string& path,
                         const Headers& headers) {
  Headers all = {{"Host", address},
                 {"Upgrade", "websocket"},
                 {"Connection", "Upgrade"},
                 {"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="},
                 {"Sec-WebSocket-Version", "13"}};
  for (const http::Header& header : headers) {
    bool is_known = false;
    for (http::Header& known : all) {
      if (!http::SameName(known.name, header.name)) continue;
      known.value = header.value;
      is_known = true;
    }
    if (!is_known) all.push_back(header);
  }
  std::string head = "GET " + path + " HTTP/1.1\r\n";
  for (const http::Header& header : all) {
    if (!header.value.empty()) head += header.name + ": " + header.value + "\r\n";
  }
  return head + "\r\n";
}

}  // namespace

WebSocketClient::WebSocketClient(const std::string& address, const std::string& path,
                                 const Headers& headers, int receive_buffer)
    : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  const std::size_t colon = address.rfind(':');
  sockaddr_in peer{};
  peer.sin_family = AF_INET;
  peer.sin_port = htons(static_cast<std::uint16_t>(std::stoi(address.substr(colon + 1))));
  ::inet_pton(AF_INET, address.substr(0, colon).c_str(), &peer.sin_addr);
  const timeval patience{20, 0};
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  if (receive_buffer > 0) {
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
  }
  EXPECT_EQ(::connect(fd_.get(), reinterpret_cast<sockaddr*>(&peer), sizeof peer), 0);
  const std::string head = WithDefaults(address, path, headers);
  EXPECT_EQ(::send(fd_.get(), head.data(), head.size(), MSG_NOSIGNAL),
            static_cast<ssize_t>(head.size()));
  ReadAnswer();
}

bool WebSocketClient::Fill() {
  char bytes[16384];
  const ssize_t count = ::recv(fd_.get(), bytes, sizeof bytes, 0);
  if (count > 0) received_.append(bytes, static_cast<std::size_t>(count));
  return count > 0;
}

void WebSocketClient::ReadAnswer() {
  std::size_t end = 0;
  while ((end = received_.find("\r\n\r\n")) == std::string::npos) {
    if (!Fill()) return;
  }
  answer_.status = std::stoi(received_.substr(9, 3));
  for (std::size_t at = received_.find("\r\n") + 2; at < end;) {
    const std::size_t line_end = received_.find("\r\n", at);
    const std::size_t colon = received_.find(':', at);
    answer_.headers.push_back(
        {received_.substr(at, colon - at),
         std::string(Trim(received_.substr(colon + 1, line_end - colon - 1)))});
    at = line_end + 2;
  }
  received_.erase(0, end + 4);
  const std::string length = answer_.Get("Content-Length");
  const std::size_t size = length.empty() ? 0 : std::stoul(length);
  while (received_.size() < size && Fill()) {
  }
  if (size > 0) answer_.body = received_.substr(0, size);
}

void WebSocketClient::SendFrame(int first, const std::string& payload) {
  const std::string frame = http::Frame(http::kFin | first, payload);
  EXPECT_EQ(::send(fd_.get(), frame.data(), frame.size(), MSG_NOSIGNAL),
            static_cast<ssize_t>(frame.size()));
}

void WebSocketClient::SendText(const std::string& text) { SendFrame(kText, text); }
void WebSocketClient::SendBinary(const std::string& bytes) { SendFrame(kBinary, bytes); }
void WebSocketClient::SendClose(int code) {
  SendFrame(kClose, {static_cast<char>(code >> 8), static_cast<char>(code)});
}

std::string WebSocketClient::Read() {
  for (;;) {
    http::ServerFrame frame;
    if (!http::TakeServerFrame(&received_, &frame)) {
      if (Fill()) continue;
      return errno == EAGAIN ? "silence" : "end";
    }
    if (frame.opcode == kText) return frame.payload;
    if (frame.opcode == kPing) SendFrame(kPong, frame.payload);
    if (frame.opcode != kClose) continue;
    SendFrame(kClose, frame.payload.substr(0, 2));
    return "closed " + frame.CloseText();
  }
}

std::string WebSocketClient::ReadUntil(const std::string& part) {
  for (;;) {
    std::string message = Read();
    if (message.find(part) != std::string::npos) return message;
    if (message == "end" || message == "silence" || message.starts_with("closed ")) {
      ADD_FAILURE() << "no " << part << ", but " << message;
      return message;
    }
  }
}

}  // namespace gatehouse::gateway
