// Reloads of a gateway that is in use, by SIGHUP and by HTTP in turn: no request, no
// connection, no WebSocket and no event stream is lost. Short in `make test`; RELOADS,
// RELOAD_SOCKETS and RELOAD_STREAMS make it long.
#include <gmock/gmock.h>

#include <fstream>

#include "libs/http/server.h"
#include "tests/harness/stack.h"
#include "tests/reload/crowd.h"
#include "tests/reload/load.h"

namespace gatehouse {
namespace {

using harness::Answer;
using harness::Stack;
using ::testing::HasSubstr;

int Asked(const char* name, int otherwise) {
  const char* const value = std::getenv(name);
  return value == nullptr ? otherwise : std::atoi(value);
}

std::unique_ptr<http::Server> StartUpstream() {
  http::ServerOptions options;
  options.address = "127.0.0.1:0";
  auto server = http::Server::Start(options, [](std::shared_ptr<http::Exchange> exchange) {
    http::Response response;
    response.headers.push_back({"Content-Type", "application/json"});
    response.body = "{}";
    exchange->Reply(std::move(response));
  });
  EXPECT_TRUE(server.ok()) << server.status();
  return *std::move(server);
}

// A CONFIG_FILE of which something is another in every turn.
class CheckFlow : public ::testing::Test {
 protected:
  CheckFlow() : config_(::testing::TempDir() + "reload-" + std::to_string(::getpid()) + ".yaml") {
    Write(0);
  }
  ~CheckFlow() override { std::remove(config_.c_str()); }

  // Of every kind of thing something is another; /load stays.
  void Write(int turn) {
    const std::string number = std::to_string(turn);
    std::ofstream(config_) << "metrics_interval: 60\n"
                              "access_log: false\n"
                              "rate_limit_enabled: false\n"
                              "sockets_per_user_max: 100000\n"
                           << "cache_ttl: " << 30 + turn % 30 << "\n"
                           << "circuit_breaker_threshold: " << 5 + turn % 5 << "\n"
                           << "limits: {in_flight: {api: " << 1000 + turn % 9 << "}}\n"
                           << "upstreams:\n"
                              "  - {name: load, urls: '"
                           << UpstreamUrl() << "', pool_max: " << 8 + turn % 3 << "}\n"
                           << "routes:\n"
                              "  - {method: GET, path: /load, audience: user, upstream: load}\n"
                              "  - {method: GET, path: /turn/"
                           << number << ", audience: user, upstream: load}\n";
  }

  std::string UpstreamUrl() const { return "http://" + upstream_->address(); }

  const std::unique_ptr<http::Server> upstream_ = StartUpstream();
  const std::string config_;
};

class ReloadFlow : public CheckFlow {
 protected:
  void SetUp() override {
    Stack::Options options;
    options.own["gateway"] = {{"CONFIG_FILE", config_}};
    stack_ = std::make_unique<Stack>(options);
    ASSERT_EQ(stack_->Start(), "");
    token_ = stack_->AdminToken();
  }

  int Completed() {
    const std::string log = stack_->Log("gateway");
    int count = 0;
    for (std::size_t at = 0; (at = log.find("Configuration reload complete", at)) != log.npos;
         ++at) {
      ++count;
    }
    return count;
  }

  // By SIGHUP and by HTTP in turn; whether it took effect.
  bool Reload(int turn) {
    Write(turn);
    ++reloads_;
    if (turn % 2 == 0) {
      return Http("POST", "/platform/config/reload").status == 200;
    }
    stack_->at("gateway").Signal(SIGHUP);
    return harness::Eventually([&] { return Completed() == reloads_; });
  }

  Answer Http(const std::string& method, const std::string& path, const std::string& json = "") {
    return stack_->http().Call(method, path, json, token_);
  }

  std::unique_ptr<Stack> stack_;
  std::string token_;
  int reloads_ = 0;
};

TEST_F(ReloadFlow, NothingIsDropped) {
  const int reloads = Asked("RELOADS", 50);
  const int sockets = Asked("RELOAD_SOCKETS", 20);
  const int streams = Asked("RELOAD_STREAMS", 5);
  const std::string address = stack_->http().address();
  reload::Crowd crowd(address, token_);
  for (int i = 0; i < sockets; ++i) ASSERT_TRUE(crowd.AddSocket()) << i;
  for (int i = 0; i < streams; ++i) ASSERT_TRUE(crowd.AddStream()) << i;
  crowd.Listen();
  reload::Load load(address, token_, {"/load", "/api/me/", "/health"}, 8, 200);
  for (int turn = 1; turn <= reloads; ++turn) {
    const int asked = load.requests();
    ASSERT_TRUE(Reload(turn)) << turn << stack_->Log("gateway");
    ASSERT_EQ(Http("GET", "/turn/" + std::to_string(turn)).status, 200) << turn;
    ASSERT_EQ(Http("GET", "/turn/" + std::to_string(turn - 1)).status, 404) << turn;
    // So that the next one finds requests in hand again.
    ASSERT_TRUE(harness::Eventually([&] { return load.requests() >= asked + 4; }));
  }
  load.Stop();
  EXPECT_EQ(load.failures(), 0) << load.first_failure();
  EXPECT_GE(load.requests(), 4 * reloads);
  EXPECT_EQ(Http("POST", "/api/admin/announcements/",
                 R"({"type":"notification","message":"after all the reloads"})")
                .status,
            201);
  EXPECT_TRUE(harness::Eventually([&] {
    return crowd.Heard("after all the reloads") == sockets + streams;
  })) << crowd.Heard("after all the reloads")
      << " of " << crowd.open() << " heard it";
  EXPECT_EQ(crowd.open(), sockets + streams);
}

TEST_F(ReloadFlow, ABadFileIsRefusedByBothWaysAndLeavesTheOld) {
  ASSERT_TRUE(Reload(1));
  std::ofstream(config_) << "cache:\n  ttl: soon\nnonsense: 1\n";
  const Answer refused = Http("POST", "/platform/config/reload");
  EXPECT_EQ(refused.status, 422);
  EXPECT_EQ(refused.At("/error"), "CONFIG_INVALID");
  EXPECT_THAT(refused.At("/message"), HasSubstr(config_ + ":2: CACHE_TTL must be"));
  EXPECT_THAT(refused.At("/message"), HasSubstr(config_ + ":3: unknown key NONSENSE"));
  stack_->at("gateway").Signal(SIGHUP);
  EXPECT_TRUE(harness::Eventually([&] {
    return stack_->Log("gateway").find("Configuration reload failed") != std::string::npos;
  }));
  EXPECT_EQ(Http("GET", "/turn/1").status, 200);
}

TEST_F(CheckFlow, TellsWhatWouldChangeOrWhatIsWrong) {
  harness::Process check("gateway", {}, config_ + ".log");
  EXPECT_EQ(check.Run({"check", config_}), 0) << check.Log();
  EXPECT_THAT(check.Log(), HasSubstr("is valid. Routes: 2, upstreams: 1."));
  EXPECT_THAT(check.Log(), HasSubstr(config_ + ":1: METRICS_INTERVAL has no effect here\n"));
  EXPECT_THAT(check.Log(), HasSubstr("+ routes GET /turn/0: to load, user"));
  EXPECT_THAT(check.Log(), HasSubstr("~ CACHE_TTL: 60 -> 30"));
  const std::string old = config_ + ".old";
  std::ofstream(old) << std::ifstream(config_).rdbuf();
  Write(7);
  EXPECT_EQ(check.Run({"check", config_, "--against", old}), 0);
  EXPECT_THAT(check.Log(), HasSubstr("- routes GET /turn/0"));
  EXPECT_THAT(check.Log(), HasSubstr("+ routes GET /turn/7"));
  std::remove(old.c_str());
  std::ofstream(config_) << "routes:\n  - {method: GET, path: x, audience: user, upstream: u}\n";
  EXPECT_EQ(check.Run({"check", config_}), 2);
  EXPECT_THAT(check.Log(), HasSubstr(config_ + ":2: the path x must begin with"));
  EXPECT_THAT(check.Log(), HasSubstr(config_ + ":2: there is no upstream u"));
  std::remove((config_ + ".log").c_str());
}

}  // namespace
}  // namespace gatehouse
