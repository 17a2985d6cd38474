#include "services/gateway/fake_upstream.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utility>

#include "libs/http/message.h"
#include "services/gateway/text.h"

namespace gatehouse::gateway {
namespace {

// Reads what a connection sends, piece by piece.
class Reader {
 public:
  explicit Reader(int fd) : fd_(fd) {}

  // Up to and with `end`; false when the connection ends first.
  bool Until(const std::string& end, std::string* text) {
    std::size_t at;
    while ((at = buffer_.find(end)) == std::string::npos) {
      if (!Fill()) return false;
    }
    *text = buffer_.substr(0, at + end.size());
    buffer_.erase(0, at + end.size());
    return true;
  }

  bool Exactly(std::size_t size, std::string* text) {
    while (buffer_.size() < size) {
      if (!Fill()) return false;
    }
    *text = buffer_.substr(0, size);
    buffer_.erase(0, size);
    return true;
  }

 private:
  bool Fill() {
    char bytes[16384];
    const ssize_t count = ::recv(fd_, bytes, sizeof bytes, 0);
    if (count <= 0) return false;
    buffer_.append(bytes, static_cast<std::size_t>(count));
    return true;
  }

  const int fd_;
  std::string buffer_;
};

void SendAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count <= 0) return;
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
}

bool ReadChunks(Reader& reader, std::string* body) {
  std::string part;
  while (reader.Until("\r\n", &part)) {
    *body += part;
    const std::size_t size = std::stoul(part, nullptr, 16);
    if (size == 0) break;
    if (!reader.Exactly(size + 2, &part)) return false;
    *body += part;
  }
  // Trailers, and the empty line behind them.
  while (reader.Until("\r\n", &part)) {
    *body += part;
    if (part == "\r\n") return true;
  }
  return false;
}

bool ReadRequest(Reader& reader, SeenRequest* request) {
  if (!reader.Until("\r\n\r\n", &request->head)) return false;
  request->head.resize(request->head.size() - 2);
  if (!request->All("Transfer-Encoding").empty()) return ReadChunks(reader, &request->body);
  const std::vector<std::string> length = request->All("Content-Length");
  return length.empty() || reader.Exactly(std::stoul(length.front()), &request->body);
}

// Sends short frames back as a server sends them, until one closes.
void Echo(int fd, Reader& reader) {
  std::string head;
  std::string payload;
  while (reader.Exactly(6, &head)) {
    const std::size_t size = static_cast<unsigned char>(head[1]) & 0x7f;
    if (size > 125 || !reader.Exactly(size, &payload)) return;
    for (std::size_t i = 0; i < size; ++i) {
      payload[i] = static_cast<char>(payload[i] ^ head[2 + i % 4]);
    }
    SendAll(fd, head.substr(0, 1) + static_cast<char>(size) + payload);
    if ((head[0] & 0x0f) == 8) return;
  }
}

// Calls `on(name, value)` for each field of a head.
template <typename On>
void EachField(const std::string& head, const On& on) {
  for (std::size_t at = head.find("\r\n") + 2; at < head.size();) {
    const std::size_t end = head.find("\r\n", at);
    const std::size_t colon = head.find(':', at);
    on(head.substr(at, colon - at), std::string(Trim(head.substr(colon + 1, end - colon - 1))));
    at = end + 2;
  }
}

}  // namespace

std::string RawAnswer(const std::string& status, const std::string& lines,
                      const std::string& body) {
  return "HTTP/1.1 " + status + "\r\n" + lines + "Content-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + body;
}

std::string SeenRequest::RequestLine() const { return head.substr(0, head.find("\r\n")); }

std::vector<std::string> SeenRequest::All(const std::string& name) const {
  std::vector<std::string> values;
  EachField(head, [&](const std::string& key, const std::string& value) {
    if (http::SameName(key, name)) values.push_back(value);
  });
  return values;
}

std::vector<std::string> SeenRequest::Names() const {
  std::vector<std::string> names;
  EachField(head, [&](const std::string& key, const std::string&) { names.push_back(key); });
  return names;
}

FakeUpstream::FakeUpstream()
    : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), handler_([](const SeenRequest&) {
        return RawAnswer("200 OK", "Content-Type: application/json\r\n", R"({"ok":true})");
      }) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  if (::bind(listener_.get(), generic, size) != 0 || ::listen(listener_.get(), 128) != 0 ||
      ::getsockname(listener_.get(), generic, &size) != 0) {
    std::abort();
  }
  address_ = "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  acceptor_ = std::thread([this] { Accept(); });
}

FakeUpstream::~FakeUpstream() { Stop(); }

void FakeUpstream::Stop() {
  if (stopping_.exchange(true)) return;
  ::shutdown(listener_.get(), SHUT_RDWR);
  acceptor_.join();
  listener_.Reset();
  {
    const std::lock_guard lock(mutex_);
    for (const int fd : open_) ::shutdown(fd, SHUT_RDWR);
  }
  for (std::thread& thread : threads_) thread.join();
}

void FakeUpstream::Do(Handler handler) {
  const std::lock_guard lock(mutex_);
  handler_ = std::move(handler);
}

std::vector<SeenRequest> FakeUpstream::Take() {
  const std::lock_guard lock(mutex_);
  return std::exchange(seen_, {});
}

void FakeUpstream::Accept() {
  while (!stopping_) {
    const int fd = ::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) return;
    ++connections_;
    const std::lock_guard lock(mutex_);
    open_.insert(fd);
    threads_.emplace_back([this, fd] {
      Serve(fd);
      const std::lock_guard closing(mutex_);
      open_.erase(fd);
      ::close(fd);
    });
  }
}

void FakeUpstream::Serve(int fd) {
  Reader reader(fd);
  for (SeenRequest request; ReadRequest(reader, &request); request = {}) {
    Handler handler;
    {
      const std::lock_guard lock(mutex_);
      seen_.push_back(request);
      handler = handler_;
    }
    const std::string answer = handler(request);
    SendAll(fd, answer);
    if (answer.starts_with("HTTP/1.1 101")) return Echo(fd, reader);
    if (answer.empty() || answer.find("Connection: close") != std::string::npos) return;
  }
}

}  // namespace gatehouse::gateway
