// A gateway in this process in front of a fake core-manager. Not for use outside the
// gateway's tests.
#pragma once

#include <string>
#include <vector>

#include "services/gateway/fake_upstream.h"
#include "services/gateway/gateway_fixture.h"

namespace gatehouse::gateway {

// The upstream comes before the gateway that needs its address.
class WithUpstream {
 protected:
  static constexpr std::size_t kBodyMax = 100000;

  // core-manager with short times, and /files/{name} open to everybody.
  static HotConfig Behind(HotConfig hot, const FakeUpstream& upstream) {
    UpstreamConfig config;
    config.options.name = kCoreManager;
    config.options.connect_timeout = std::chrono::milliseconds(1000);
    config.options.head_timeout = std::chrono::milliseconds(500);
    config.urls = {upstream.url()};
    config.health_interval = std::chrono::milliseconds(100);
    hot.upstreams = {config};
    hot.proxied_body_bytes_max = kBodyMax;
    for (const char* method : {"GET", "POST"}) {
      RouteConfig route;
      route.method = method;
      route.path = "/files/{name}";
      route.audience = Audience::kPublic;
      route.upstream = kCoreManager;
      route.checks_json = false;
      hot.routes.push_back(route);
    }
    return hot;
  }

  FakeUpstream upstream_;
};

class ProxyTest : public WithUpstream, public GatewayTest {
 protected:
  ProxyTest() : ProxyTest(TestHotConfig()) {}
  explicit ProxyTest(HotConfig hot)
      : GatewayTest(TestOptions(), Behind(std::move(hot), upstream_)) {}

  // The one request that the upstream has seen.
  SeenRequest TakeOne() {
    std::vector<SeenRequest> seen = upstream_.Take();
    EXPECT_EQ(seen.size(), 1u);
    return seen.empty() ? SeenRequest() : seen.front();
  }

  // A POST whose body comes in these chunks.
  Answer Chunked(const std::string& chunks, const std::string& type = "application/json",
                 const std::string& more_lines = "") {
    return FetchRaw(gateway_.address(),
                    "POST /api/v1/personas/instances HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                    "Authorization: Bearer " +
                        user_ + "\r\nContent-Type: " + type + "\r\nTransfer-Encoding: chunked\r\n" +
                        more_lines + "\r\n" + chunks);
  }
};

}  // namespace gatehouse::gateway
