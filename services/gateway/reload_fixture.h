// A gateway whose CONFIG_FILE a test rewrites and has read again, and an upstream by
// name. Not for use outside the gateway's tests.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "libs/http/server.h"
#include "libs/log/log.h"
#include "services/gateway/config_testing.h"
#include "services/gateway/gateway_fixture.h"
#include "services/gateway/reloader.h"

namespace gatehouse::gateway {

inline constexpr char kBase[] = "access_log: false\nrate_limit_enabled: false\n";

// An upstream that answers with its name; with a path of "/slow", when it is told to.
class NamedUpstream {
 public:
  explicit NamedUpstream(std::string name) : name_(std::move(name)) {
    http::ServerOptions options;
    options.address = "127.0.0.1:0";
    options.workers = 1;
    auto server = http::Server::Start(options, [this](std::shared_ptr<http::Exchange> exchange) {
      if (exchange->request().path.starts_with("/slow")) {
        const std::lock_guard lock(mutex_);
        if (!released_) return held_.push_back(std::move(exchange));
      }
      Answer(*exchange);
    });
    EXPECT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }
  ~NamedUpstream() { Release(); }

  std::string url() const { return "http://" + server_->address(); }
  bool holds() {
    const std::lock_guard lock(mutex_);
    return !held_.empty();
  }
  void Release() {
    const std::lock_guard lock(mutex_);
    released_ = true;
    for (const auto& exchange : held_) Answer(*exchange);
    held_.clear();
  }

 private:
  void Answer(http::Exchange& exchange) {
    http::Response response;
    response.headers.push_back({"Content-Type", "application/json"});
    response.body = '"' + name_ + '"';
    exchange.Reply(std::move(response));
  }

  const std::string name_;
  std::mutex mutex_;
  bool released_ = false;                              // guarded by mutex_
  std::vector<std::shared_ptr<http::Exchange>> held_;  // guarded by mutex_
  std::unique_ptr<http::Server> server_;
};

class ReloadTest : protected ConfigSetup, public GatewayTest {
 protected:
  ReloadTest()
      : ConfigSetup(kBase),
        GatewayTest(TestOptions(), *ReadHotConfig(settings(), file().sections()),
                    {.settings = &settings(), .file = &file()}) {}
  ~ReloadTest() override {
    log::SetLevel(log::Level::kInfo);
    log::SetFormat(log::Format::kJson);
    metrics::SetEnabled(true);
  }

  // The names that changed.
  std::vector<std::string> Reload(const std::string& yaml, const std::string& base = kBase) {
    WriteFile(base + yaml);
    const auto changed = gateway_.reloader().Reload();
    EXPECT_TRUE(changed.ok()) << changed.status();
    return changed.ok() ? *changed : std::vector<std::string>{"nothing"};
  }

  // A route to `upstream`.
  static std::string RouteTo(const std::string& upstream, const std::string& path = "/r") {
    return "routes: [{method: GET, path: '" + path + "', audience: user, upstream: " + upstream +
           "}]\n";
  }
  static std::string UpstreamAt(const std::string& name, const std::string& url,
                                const std::string& more = "") {
    return "upstreams: [{name: " + name + ", urls: '" + url + "'" + more + "}]\n";
  }

  const http::UpstreamOptions& Core() {
    return gateway_.snapshot()->groups.at(kCoreManager)->options();
  }
};

}  // namespace gatehouse::gateway
