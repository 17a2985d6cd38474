// What the settings of upstreams and of browsers' rules do at once after a reload.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "libs/base/unique_fd.h"
#include "services/gateway/reload_fixture.h"

namespace gatehouse::gateway {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kProxied[] = "/api/v1/personas/instances";
constexpr char kRefusing[] = "http://127.0.0.1:1";

TEST_F(ReloadTest, CoreManagerUrl) {
  const std::string path = "/api/v1/personas/instances";
  EXPECT_EQ(Get(path, user_).status, 502) << "none is known";
  NamedUpstream first("first");
  NamedUpstream second("second");
  Reload("core_manager_url: " + first.url() + "\n");
  EXPECT_EQ(Get(path, user_).body, "\"first\"");
  Reload("core_manager_url: " + second.url() + "\n");
  EXPECT_EQ(Get(path, user_).body, "\"second\"");
  Reload("");
  EXPECT_EQ(Get(path, user_).status, 502);
}

TEST_F(ReloadTest, UpstreamTimeout) {
  NamedUpstream upstream("slow");
  Reload(UpstreamAt("u", upstream.url()) + RouteTo("u", "/slow") + "upstream_timeout: 0.2\n");
  EXPECT_EQ(Get("/slow", user_).status, 504) << "30 seconds otherwise, which no test waits for";
}

TEST_F(ReloadTest, ConnectionTimeoutRetriesAndBreakerReachTheUpstream) {
  const std::string core = "core_manager_url: http://127.0.0.1:9\n";
  Reload(core);
  EXPECT_EQ(Core().connect_timeout, milliseconds(10000));
  Reload(core + "connection_timeout: 0.25\n");
  EXPECT_EQ(Core().connect_timeout, milliseconds(250));
  Reload(core + "retry: {enabled: false}\n");
  EXPECT_FALSE(Core().retries);
  EXPECT_EQ(Core().attempts_max, 1);
  Reload(core + "retry: {max_attempts: 2, backoff: 0.125}\n");
  EXPECT_TRUE(Core().retries);
  EXPECT_EQ(Core().attempts_max, 2);
  EXPECT_EQ(Core().retry_backoff, milliseconds(125));
  Reload(core + "circuit_breaker: {timeout: 1.5}\n");
  EXPECT_EQ(Core().breaker_timeout, milliseconds(1500));
}

TEST_F(ReloadTest, CircuitBreaker) {
  const std::string dead = "core_manager_url: http://127.0.0.1:1\n";
  const auto state = [&] {
    return gateway_.snapshot()->groups.at(kCoreManager)->breaker(std::chrono::steady_clock::now());
  };
  const auto fail_twice = [&] {
    for (int i = 0; i < 2; ++i) {
      EXPECT_EQ(Get("/api/v1/personas/instances", user_).status, 502);
    }
  };
  Reload(dead + "retry_enabled: false\ncircuit_breaker: {threshold: 2}\n");
  fail_twice();
  EXPECT_EQ(state(), http::UpstreamGroup::Breaker::kOpen);
  Reload(dead + "retry_enabled: false\ncircuit_breaker: {threshold: 2, enabled: false}\n");
  fail_twice();
  EXPECT_EQ(state(), http::UpstreamGroup::Breaker::kClosed);
  Reload(dead + "retry_enabled: false\ncircuit_breaker: {threshold: 3}\n");
  fail_twice();
  EXPECT_EQ(state(), http::UpstreamGroup::Breaker::kClosed);
}

// A server that answers no connect: its queue is full, and nobody accepts.
class DeafServer {
 public:
  DeafServer() : listener_(Socket(0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* const any = reinterpret_cast<sockaddr*>(&address);
    EXPECT_EQ(::bind(listener_.get(), any, size), 0);
    EXPECT_EQ(::listen(listener_.get(), 0), 0);
    EXPECT_EQ(::getsockname(listener_.get(), any, &size), 0);
    port_ = ntohs(address.sin_port);
    for (UniqueFd& waiting : waiting_) {
      waiting = Socket(SOCK_NONBLOCK);
      ::connect(waiting.get(), any, size);
    }
  }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }

 private:
  static UniqueFd Socket(int flags) {
    return UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0));
  }

  UniqueFd listener_;
  UniqueFd waiting_[4];
  int port_ = 0;
};

TEST_F(ReloadTest, ConnectionTimeout) {
  const DeafServer deaf;
  const std::string core = "retry_enabled: false\ncore_manager_url: " + deaf.url() + "\n";
  Reload(core + "connection_timeout: 0.1\n");
  const auto begin = steady_clock::now();
  EXPECT_EQ(Get(kProxied, user_).status, 502);
  EXPECT_LT(steady_clock::now() - begin, std::chrono::seconds(5)) << "10 seconds otherwise";
}

TEST_F(ReloadTest, RetryMaxAttempts) {
  NamedUpstream well("well");
  // One address refuses and is in turn every other time; nobody probes it.
  const std::string core =
      "circuit_breaker_enabled: false\nupstreams: [{name: core-manager, urls: ['" +
      std::string(kRefusing) + "', '" + well.url() + "'], health_interval: 0}]\n";
  const auto passed = [&] {
    int count = 0;
    for (int i = 0; i < 2; ++i) count += Get(kProxied, user_).status == 200 ? 1 : 0;
    return count;
  };
  Reload(core + "retry: {max_attempts: 2}\n");
  EXPECT_EQ(passed(), 2);
  Reload(core + "retry: {max_attempts: 1}\n");
  EXPECT_EQ(passed(), 1);
}

TEST_F(ReloadTest, CircuitBreakerTimeout) {
  const std::string core = "retry_enabled: false\ncore_manager_url: " + std::string(kRefusing) +
                           "\ncircuit_breaker_threshold: 1\n";
  Reload(core + "circuit_breaker: {timeout: 600}\n");
  EXPECT_EQ(Get(kProxied, user_).status, 502);
  const Answer open = Get(kProxied, user_);
  EXPECT_EQ(open.status, 503);
  EXPECT_GT(std::stoi("0" + open.Get("Retry-After")), 500);
  Reload(core + "circuit_breaker: {timeout: 0.05}\n");
  EXPECT_EQ(Get(kProxied, user_).status, 502);
  EXPECT_TRUE(Eventually([&] { return Get(kProxied, user_).status == 502; })) << "it may try again";
}

TEST_F(ReloadTest, CorsAllowedOrigins) {
  const auto allowed = [&] {
    return Get("/health", "", {{"Origin", "https://a.example"}}).Get("Access-Control-Allow-Origin");
  };
  EXPECT_EQ(allowed(), "");
  Reload("cors: {allowed_origins: [https://a.example]}\n");
  EXPECT_EQ(allowed(), "https://a.example");
  EXPECT_EQ(Send("OPTIONS", "/api/jobs/", "", "",
                 {{"Origin", "https://a.example"}, {"Access-Control-Request-Method", "POST"}})
                .Get("Access-Control-Allow-Origin"),
            "https://a.example");
  Reload("");
  EXPECT_EQ(allowed(), "");
}

class CorsReloadTest : public ReloadTest {
 protected:
  // What a preflight is told after a reload with `more` beside an origin.
  std::string Told(const std::string& header, const std::string& more = "") {
    Reload("cors: {allowed_origins: [https://a.example]" + more + "}\n");
    return Send("OPTIONS", "/api/jobs/", "", "",
                {{"Origin", "https://a.example"}, {"Access-Control-Request-Method", "POST"}})
        .Get("Access-Control-" + header);
  }
};

TEST_F(CorsReloadTest, AllowedMethods) {
  EXPECT_THAT(Told("Allow-Methods"), HasSubstr("POST"));
  EXPECT_EQ(Told("Allow-Methods", ", allowed_methods: [GET]"), "GET");
}

TEST_F(CorsReloadTest, AllowedHeaders) {
  EXPECT_THAT(Told("Allow-Headers"), Not(HasSubstr("X-Mine")));
  EXPECT_EQ(Told("Allow-Headers", ", allowed_headers: [X-Mine]"), "X-Mine");
}

TEST_F(CorsReloadTest, MaxAge) {
  EXPECT_EQ(Told("Max-Age"), "600");
  EXPECT_EQ(Told("Max-Age", ", max_age: 7"), "7");
}

TEST_F(CorsReloadTest, AllowCredentials) {
  EXPECT_EQ(Told("Allow-Credentials"), "");
  EXPECT_EQ(Told("Allow-Credentials", ", allow_credentials: true"), "true");
}

}  // namespace
}  // namespace gatehouse::gateway
