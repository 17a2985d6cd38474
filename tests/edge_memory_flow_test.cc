// What many slow or silent clients cost the edge in memory. EDGE_SOCKETS (1,000) and
// EDGE_TUNNELS (500) set how many.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <thread>

#include "libs/base/unique_fd.h"
#include "tests/harness/edge.h"
#include "tests/harness/node_upstream.h"
#include "tests/harness/stack.h"

namespace gatehouse {
namespace {

using harness::Eventually;

constexpr char kConfig[] = R"(
upstreams:
  - {name: origin, urls: ["URL"]}
routes:
  - {method: GET, path: "/x/{n}", audience: public, limit: none, upstream: origin}
)";

int Setting(const char* name, int fallback) {
  const char* text = std::getenv(name);
  return text == nullptr ? fallback : std::atoi(text);
}

UniqueFd Connect(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  sockaddr_in peer{};
  peer.sin_family = AF_INET;
  peer.sin_port = htons(static_cast<std::uint16_t>(std::stoi(address.substr(colon + 1))));
  inet_pton(AF_INET, address.substr(0, colon).c_str(), &peer.sin_addr);
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int small = 8192;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
  if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&peer), sizeof peer) != 0) fd.Reset();
  return fd;
}

bool SendAll(int fd, const std::string& bytes) {
  return ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size());
}

// The head of an answer, up to its empty line, and what came with it.
std::string ReadHead(int fd) {
  timeval patience{20, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  std::string text;
  char byte;
  while (text.find("\r\n\r\n") == text.npos && ::recv(fd, &byte, 1, 0) == 1) text += byte;
  return text;
}

std::string Handshake(const std::string& path, const std::string& token) {
  return "GET " + path +
         " HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
         "Authorization: Bearer " +
         token + "\r\n\r\n";
}

void RaiseDescriptors() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

TEST(EdgeMemory, TwentyStalledDownloadsOf200MBCostAtMost16MiB) {
  harness::NodeUpstream upstream;
  ASSERT_TRUE(upstream.Start());
  std::string config = kConfig;
  config.replace(config.find("URL"), 3, upstream.Url());
  harness::Edge edge(config);
  ASSERT_EQ(edge.Start(), "");
  const long before = edge.PssKib();
  std::vector<UniqueFd> clients;
  for (int i = 0; i < 20; ++i) {
    clients.push_back(Connect(edge.address()));
    ASSERT_TRUE(clients.back().valid());
    ASSERT_TRUE(
        SendAll(clients.back().get(), "GET /x/1?bytes=200000000 HTTP/1.1\r\nHost: a\r\n\r\n"));
    ASSERT_NE(ReadHead(clients.back().get()).find(" 200 "), std::string::npos);
  }
  long after = 0;
  for (int i = 0; i < 20; ++i) {  // The most of two seconds.
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    after = std::max(after, edge.PssKib());
  }
  std::cout << "20 stalled downloads: " << after - before << " KiB more\n";
  EXPECT_LE(after - before, 16 * 1024);
}

// What the process alone has. Not its share of the program's pages, as of Pss: that grows
// whenever another process of the same program ends.
long AnonymousKib(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/smaps_rollup");
  for (std::string line; std::getline(file, line);) {
    if (line.rfind("Anonymous:", 0) == 0) return std::stol(line.substr(10));
  }
  ADD_FAILURE() << "no memory is told of process " << pid;
  return 0;
}

class SocketMemory : public ::testing::Test {
 protected:
  // Opens `count` WebSockets and returns what each costs in KiB.
  double CostOf(int count) {
    RaiseDescriptors();
    const std::string address = stack_->http().address();
    const std::string hello = Handshake("/api/v1/ws", stack_->SignUp("many"));
    sockets_.push_back(Connect(address));  // What the first one brings along is not counted.
    EXPECT_TRUE(SendAll(sockets_.back().get(), hello));
    EXPECT_NE(ReadHead(sockets_.back().get()).find(" 101 "), std::string::npos);
    const long before = AnonymousKib(stack_->at("gateway").pid());
    for (int i = 0; i < count; ++i) {
      sockets_.push_back(Connect(address));
      EXPECT_TRUE(sockets_.back().valid()) << i;
      EXPECT_TRUE(SendAll(sockets_.back().get(), hello));
      if (ReadHead(sockets_.back().get()).find(" 101 ") == std::string::npos) {
        ADD_FAILURE() << "socket " << i << " was refused";
        return 0;
      }
    }
    std::this_thread::sleep_for(std::chrono::seconds(1));
    const long after = AnonymousKib(stack_->at("gateway").pid());
    return static_cast<double>(after - before) / count;
  }

  void StartStack(const harness::Environment& more) {
    harness::Stack::Options options;
    options.own["gateway"] = {{"SOCKETS_PER_USER_MAX", "100000"}, {"RATE_LIMIT_ENABLED", "false"}};
    for (const auto& [name, value] : more) options.own["gateway"][name] = value;
    stack_ = std::make_unique<harness::Stack>(options);
    ASSERT_EQ(stack_->Start(), "");
  }

  std::unique_ptr<harness::Stack> stack_;
  std::vector<UniqueFd> sockets_;
};

TEST_F(SocketMemory, AnIdleWebSocketCostsAtMost8KiB) {
  StartStack({});
  const int count = Setting("EDGE_SOCKETS", 1000);
  const double cost = CostOf(count);
  std::cout << count << " idle WebSockets: " << cost << " KiB each\n";
  EXPECT_LE(cost, 8);
}

TEST_F(SocketMemory, AnIdleTunnelCostsAtMost8KiB) {
  harness::NodeUpstream upstream;
  ASSERT_TRUE(upstream.Start());
  StartStack({{"CORE_MANAGER_URL", upstream.Url()}});
  const int count = Setting("EDGE_TUNNELS", 500);
  const double cost = CostOf(count);
  std::cout << count << " idle tunnels: " << cost << " KiB each\n";
  EXPECT_LE(cost, 8);
}

}  // namespace
}  // namespace gatehouse
