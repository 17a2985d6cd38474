#include "tests/reload/crowd.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>

namespace gatehouse::reload {
namespace {

constexpr std::uint8_t kText = 1;
constexpr std::uint8_t kPing = 9;
constexpr std::uint8_t kPong = 10;

// A frame of a client; the mask may be 0.
std::string Frame(std::uint8_t opcode, const std::string& payload) {
  std::string frame(1, static_cast<char>(0x80 | opcode));
  frame += static_cast<char>(0x80 | payload.size());  // Below 126 here.
  return frame + std::string(4, '\0') + payload;
}

// The length of the frame at the front of `bytes` and where its payload begins; false
// while it is not complete.
bool FindFrame(const std::string& bytes, std::size_t* begin, std::size_t* end) {
  if (bytes.size() < 2) return false;
  std::size_t length = static_cast<std::uint8_t>(bytes[1]) & 0x7f;
  *begin = 2;
  if (length >= 126) {
    const std::size_t more = length == 126 ? 2 : 8;
    if (bytes.size() < 2 + more) return false;
    length = 0;
    for (std::size_t i = 0; i < more; ++i) {
      length = length << 8 | static_cast<std::uint8_t>(bytes[2 + i]);
    }
    *begin += more;
  }
  *end = *begin + length;
  return bytes.size() >= *end;
}

}  // namespace

Crowd::~Crowd() {
  stopping_ = true;
  if (thread_.joinable()) thread_.join();
}

bool Crowd::AddSocket() {
  auto listener = std::make_unique<Listener>(address_);
  listener->is_socket = true;
  Wire& wire = listener->wire;
  wire.Send("GET /api/v1/ws HTTP/1.1\r\nHost: " + address_ + "\r\nAuthorization: Bearer " + token_ +
            "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
  if (wire.ReadUntil("\r\n\r\n").substr(0, 12) != "HTTP/1.1 101") return false;
  wire.Send(Frame(kText, R"({"type":"command","event":"subscribe","data":{"events":["system.*"]},)"
                         R"("id":"1"})"));
  listener->unread = wire.TakeRest();
  listeners_.push_back(std::move(listener));
  ++open_;
  return true;
}

bool Crowd::AddStream() {
  auto listener = std::make_unique<Listener>(address_);
  Wire& wire = listener->wire;
  wire.Send("GET /api/v1/events HTTP/1.1\r\nHost: " + address_ + "\r\nAuthorization: Bearer " +
            token_ + "\r\nAccept: text/event-stream\r\n\r\n");
  if (wire.ReadUntil("\r\n\r\n").substr(0, 12) != "HTTP/1.1 200") return false;
  listener->heard = wire.TakeRest();
  listeners_.push_back(std::move(listener));
  ++open_;
  return true;
}

void Crowd::Listen() {
  thread_ = std::thread([this] { Run(); });
}

int Crowd::Heard(const std::string& text) const {
  const std::lock_guard lock(mutex_);
  return static_cast<int>(std::ranges::count_if(listeners_, [&](const auto& listener) {
    return listener->is_open && listener->heard.find(text) != std::string::npos;
  }));
}

void Crowd::Run() {
  std::vector<pollfd> waiting;
  for (const auto& listener : listeners_) waiting.push_back({listener->wire.fd(), POLLIN, 0});
  while (!stopping_) {
    if (::poll(waiting.data(), waiting.size(), 100) <= 0) continue;
    for (std::size_t i = 0; i < waiting.size(); ++i) {
      if (waiting[i].revents == 0) continue;
      Read(*listeners_[i]);
      if (!listeners_[i]->is_open) waiting[i].fd = -1;
    }
  }
}

void Crowd::Read(Listener& listener) {
  char buffer[16384];
  const ssize_t count = ::recv(listener.wire.fd(), buffer, sizeof buffer, MSG_DONTWAIT);
  const std::lock_guard lock(mutex_);
  if (count <= 0) {
    listener.is_open = false;
    --open_;
    return;
  }
  std::string& to = listener.is_socket ? listener.unread : listener.heard;
  to.append(buffer, static_cast<std::size_t>(count));
  if (listener.is_socket) TakeFrames(listener);
}

void Crowd::TakeFrames(Listener& listener) {
  std::size_t begin = 0;
  std::size_t end = 0;
  while (FindFrame(listener.unread, &begin, &end)) {
    const std::uint8_t opcode = static_cast<std::uint8_t>(listener.unread[0]) & 0x0f;
    const std::string payload = listener.unread.substr(begin, end - begin);
    listener.unread.erase(0, end);
    if (opcode == kPing) {
      listener.wire.Send(Frame(kPong, payload));
    } else {
      listener.heard += payload;
    }
  }
}

}  // namespace gatehouse::reload
