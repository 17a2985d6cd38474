// The scripts of tests/proxy, each a client and an upstream byte by byte, run by
// varnishtest with the edge between them.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/harness/edge.h"

namespace gatehouse::harness {
namespace {

const char kScripts[] = GATEHOUSE_SOURCE "/tests/proxy";

std::vector<std::string> Names() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(kScripts)) {
    if (entry.path().extension() == ".vtc") names.push_back(entry.path().stem());
  }
  std::sort(names.begin(), names.end());
  return names;
}

class ProxyScriptsTest : public ::testing::TestWithParam<std::string> {
 protected:
  static void SetUpTestSuite() {
    ASSERT_TRUE(std::filesystem::exists("/usr/bin/varnishtest")) << "`make test` installs it";
    edge_ = new Edge("");
    const std::string problem = edge_->Start();
    ASSERT_EQ(problem, "");
  }
  static void TearDownTestSuite() {
    delete edge_;
    edge_ = nullptr;
  }

  static Edge* edge_;
};

Edge* ProxyScriptsTest::edge_ = nullptr;

TEST_P(ProxyScriptsTest, Holds) {
  ASSERT_NE(edge_, nullptr);
  const std::string directory = edge_->directory();
  const std::string output = directory + "/" + GetParam() + ".out";
  const std::string command = "EDGE_CONFIG=" + directory + "/gateway.yaml EDGE_LOG=" + directory +
                              "/gateway.log EDGE_PID=" + std::to_string(edge_->process().pid()) +
                              " varnishtest -Dedge=" + edge_->address() + " -Dpoint=" + kScripts +
                              "/point.sh " + kScripts + "/" + GetParam() + ".vtc > " + output +
                              " 2>&1";
  const int code = std::system(command.c_str());
  std::ostringstream text;
  text << std::ifstream(output).rdbuf();
  EXPECT_EQ(code, 0) << text.str();
}

INSTANTIATE_TEST_SUITE_P(Scripts, ProxyScriptsTest, ::testing::ValuesIn(Names()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace gatehouse::harness
