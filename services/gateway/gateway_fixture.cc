#include "services/gateway/gateway_fixture.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include <boost/json/parse.hpp>

#include "libs/base/unique_fd.h"
#include "services/gateway/reloader.h"
#include "services/gateway/text.h"

namespace gatehouse::gateway {
namespace {

UniqueFd Connect(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  sockaddr_in peer{};
  peer.sin_family = AF_INET;
  peer.sin_port = htons(static_cast<std::uint16_t>(std::stoi(address.substr(colon + 1))));
  inet_pton(AF_INET, address.substr(0, colon).c_str(), &peer.sin_addr);
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  timeval patience{20, 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&peer), sizeof peer) != 0) fd.Reset();
  return fd;
}

Answer ParseAnswer(const std::string& text) {
  Answer answer;
  const std::size_t head_end = text.find("\r\n\r\n");
  if (head_end == std::string::npos || text.size() < 12) return answer;
  answer.status = std::stoi(text.substr(9, 3));
  std::size_t at = text.find("\r\n") + 2;
  while (at < head_end) {
    const std::size_t end = text.find("\r\n", at);
    const std::size_t colon = text.find(':', at);
    answer.headers.push_back(
        {text.substr(at, colon - at), std::string(Trim(text.substr(colon + 1, end - colon - 1)))});
    at = end + 2;
  }
  answer.body = text.substr(head_end + 4);
  return answer;
}

}  // namespace

std::string Answer::Get(const std::string& name) const {
  const std::vector<std::string> values = All(name);
  return values.empty() ? "" : values.front();
}

std::vector<std::string> Answer::All(const std::string& name) const {
  std::vector<std::string> values;
  for (const http::Header& header : headers) {
    if (http::SameName(header.name, name)) values.push_back(header.value);
  }
  return values;
}

Answer FetchRaw(const std::string& address, const std::string& bytes) {
  const UniqueFd fd = Connect(address);
  if (!fd.valid()) return {};
  std::size_t sent = 0;
  while (sent < bytes.size()) {
    const ssize_t count = ::send(fd.get(), bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (count <= 0) break;
    sent += static_cast<std::size_t>(count);
  }
  std::string text;
  char buffer[16384];
  for (ssize_t count; (count = ::recv(fd.get(), buffer, sizeof buffer, 0)) > 0;) {
    text.append(buffer, static_cast<std::size_t>(count));
  }
  return ParseAnswer(text);
}

Answer Fetch(const std::string& address, const std::string& method, const std::string& path,
             const Headers& headers, const std::string& body) {
  std::string bytes = method + " " + path + " HTTP/1.1\r\nConnection: close\r\n";
  bool has_host = false;
  for (const http::Header& header : headers) {
    has_host |= header.name == "Host";
    bytes += header.name + ": " + header.value + "\r\n";
  }
  if (!has_host) bytes += "Host: " + address + "\r\n";
  if (!body.empty()) bytes += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  return FetchRaw(address, bytes + "\r\n" + body);
}

void LeaveEarly(const std::string& address, const std::string& path, const std::string& token,
                const std::atomic<bool>& entered) {
  const UniqueFd fd = Connect(address);
  const std::string bytes = "GET " + path + " HTTP/1.1\r\nHost: " + address +
                            "\r\nAuthorization: Bearer " + token + "\r\n\r\n";
  EXPECT_EQ(::send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
            static_cast<ssize_t>(bytes.size()));
  EXPECT_TRUE(Eventually([&] { return entered.load(); }));
}

bool Eventually(const std::function<bool()>& done) {
  const SteadyTime end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!done()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

bool IsJson(const std::string& text) {
  boost::json::error_code error;
  boost::json::parse(text, error);
  return !error;
}

Options GatewayTest::TestOptions() {
  Options options;
  options.http_address = "127.0.0.1:0";
  return options;
}

HotConfig GatewayTest::TestHotConfig() {
  HotConfig hot;
  hot.rate_limit_enabled = false;
  hot.access_log = false;
  return hot;
}

void GatewayTest::SetHot(const std::function<void(HotConfig&)>& change) {
  HotConfig next = hot();
  change(next);
  gateway_.reloader().Swap(std::move(next));
}

GatewayTest::GatewayTest(Options options, HotConfig hot, GatewayExtras extras)
    : gateway_(std::move(options), std::move(hot), services_.Clients(), clock_, std::move(extras)) {
  const absl::Status started = gateway_.Start();
  EXPECT_TRUE(started.ok()) << started;
  EXPECT_TRUE(Eventually([&] { return gateway_.Ready().ok(); })) << gateway_.Ready();
}

Answer GatewayTest::Send(const std::string& method, const std::string& path,
                         const std::string& token, const std::string& body, Headers more) {
  if (!token.empty()) more.push_back({"Authorization", "Bearer " + token});
  bool has_type = body.empty();
  for (const http::Header& header : more) has_type |= header.name == "Content-Type";
  if (!has_type) more.push_back({"Content-Type", "application/json"});
  Answer answer = Fetch(gateway_.address(), method, path, more, body);
  EXPECT_NE(answer.Get("X-Request-ID"), "") << method << " " << path;
  EXPECT_EQ(answer.Get("X-Content-Type-Options"), "nosniff");
  EXPECT_EQ(answer.Get("X-Frame-Options"), "DENY");
  EXPECT_EQ(answer.Get("Content-Security-Policy"), "default-src 'none'; frame-ancestors 'none'");
  EXPECT_TRUE(answer.body.empty() || IsJson(answer.body)) << answer.body;
  return answer;
}

std::string GatewayTest::Code(const Answer& answer) {
  const std::string begin = "{\"error\":\"";
  if (answer.body.compare(0, begin.size(), begin) != 0) return "no error object: " + answer.body;
  EXPECT_THAT(answer.body,
              testing::HasSubstr("\"status_code\":" + std::to_string(answer.status) + ","));
  EXPECT_THAT(answer.body,
              testing::HasSubstr("\"request_id\":\"" + answer.Get("X-Request-ID") + "\""));
  return answer.body.substr(begin.size(), answer.body.find('"', begin.size()) - begin.size());
}

}  // namespace gatehouse::gateway
