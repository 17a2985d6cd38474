// Clients that are slow on purpose, by slowhttptest: slow heads, slow bodies, slow
// reads. Good users are served all the while; what they waited is printed.
// SLOW_SECONDS (4) and SLOW_CONNECTIONS (200) set how long and how many.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <thread>

#include "tests/harness/edge.h"
#include "tests/harness/http_client.h"
#include "tests/harness/node_upstream.h"

namespace gatehouse {
namespace {

using std::chrono::steady_clock;

constexpr char kConfig[] = R"(
upstreams:
  - {name: origin, urls: ["URL"]}
routes:
  - {method: GET, path: "/x/{n}", audience: public, limit: none, upstream: origin}
  - {method: POST, path: "/x/{n}", audience: public, limit: none, json: false, upstream: origin}
)";

std::string Setting(const char* name, const char* fallback) {
  const char* text = std::getenv(name);
  return text == nullptr ? fallback : text;
}

class SlowClients : public ::testing::TestWithParam<std::pair<const char*, const char*>> {};

TEST_P(SlowClients, DoNotHarmGoodOnes) {
  ASSERT_TRUE(std::filesystem::exists("/usr/bin/slowhttptest")) << "`make test` installs it";
  harness::NodeUpstream upstream;
  ASSERT_TRUE(upstream.Start());
  std::string config = kConfig;
  config.replace(config.find("URL"), 3, upstream.Url());
  harness::Edge edge(config);
  ASSERT_EQ(edge.Start(), "");

  const std::string command = "slowhttptest " + std::string(GetParam().second) + " -c " +
                              Setting("SLOW_CONNECTIONS", "200") + " -r 200 -l " +
                              Setting("SLOW_SECONDS", "4") + " -u 'http://" + edge.address() +
                              "/x/1?bytes=1000000' > " + edge.directory() + "/slow.out 2>&1";
  int code = -1;
  std::atomic<bool> is_over = false;
  std::thread attacker([&] {
    code = std::system(command.c_str());
    is_over = true;
  });
  const harness::HttpClient good(edge.address());
  std::vector<double> waits;
  while (!is_over) {
    const auto begin = steady_clock::now();
    const harness::Answer answer = good.Call("GET", "/x/2");
    EXPECT_EQ(answer.status, 200) << "request " << waits.size() << ": " << answer.body;
    waits.push_back(std::chrono::duration<double, std::milli>(steady_clock::now() - begin).count());
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  attacker.join();
  std::sort(waits.begin(), waits.end());
  std::cout << GetParam().first << ": " << waits.size() << " good requests, p99 "
            << waits[waits.size() * 99 / 100] << " ms\n";
  EXPECT_GT(waits.size(), 100u);
  EXPECT_TRUE(WIFEXITED(code) && WEXITSTATUS(code) != 127)
      << std::ifstream(edge.directory() + "/slow.out").rdbuf();
}

INSTANTIATE_TEST_SUITE_P(Kinds, SlowClients,
                         ::testing::Values(std::pair("Heads", "-H -i 1"),
                                           std::pair("Bodies", "-B -i 1 -s 8192 -t POST"),
                                           std::pair("Reads", "-X -w 512 -y 1024 -n 1 -z 32 -k 3")),
                         [](const auto& info) { return info.param.first; });

}  // namespace
}  // namespace gatehouse
