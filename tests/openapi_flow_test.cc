// The OpenAPI document is true: linted, the same from the program and from the edge, and
// every operation of it called on the real programs by a client that holds both sides
// to the schemas.
#include <gmock/gmock.h>
#include <sys/wait.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "tests/harness/stack.h"

namespace gatehouse {
namespace {

constexpr char kFolder[] = GATEHOUSE_SOURCE "/tests/openapi/";

// What a shell command prints, its errors too.
std::string Printed(const std::string& command) {
  std::string printed;
  FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  char buffer[4096];
  for (std::size_t size; (size = fread(buffer, 1, sizeof buffer, pipe)) > 0;) {
    printed.append(buffer, size);
  }
  const int status = pclose(pipe);
  return printed + (status == 0 ? "" : "exit " + std::to_string(WEXITSTATUS(status)));
}

// tests/openapi/core_manager.mjs, killed at the end.
class CoreUpstream {
 public:
  CoreUpstream()
      : pipe_(popen(("exec node " + std::string(kFolder) + "core_manager.mjs").c_str(), "r")) {
    if (fscanf(pipe_, "%d %d", &pid_, &port_) != 2) ADD_FAILURE() << "no core-manager";
  }
  ~CoreUpstream() {
    if (pid_ > 0) kill(pid_, SIGKILL);
    pclose(pipe_);
  }

  std::string Url() const { return "http://127.0.0.1:" + std::to_string(port_); }

 private:
  FILE* const pipe_;
  int pid_ = 0;
  int port_ = 0;
};

class OpenApiFlow : public ::testing::Test {
 protected:
  harness::Stack::Options Options() const {
    harness::Stack::Options options;
    options.own["auth"]["OPEN_REGISTRATION"] = "true";
    options.own["gateway"]["CORE_MANAGER_URL"] = core_manager_.Url();
    options.own["gateway"]["AUTH_RATE_LIMIT"] = "1000";  // A limit to tell of, never reached.
    options.own["gateway"]["RATE_LIMIT_ENABLED"] = "true";
    for (const char* who : {"DEFAULT", "ADMIN"}) {
      options.own["auth"][std::string(who) + "_RATE_LIMIT_PER_SECOND"] = "1000";
      options.own["auth"][std::string(who) + "_RATE_LIMIT_BURST"] = "1000";
    }
    return options;
  }

  CoreUpstream core_manager_;
};

TEST_F(OpenApiFlow, EveryDocumentedOperationIsAsDocumented) {
  harness::Stack stack(Options());
  ASSERT_EQ(stack.Start(), "");
  EXPECT_EQ(Printed(std::string("node ") + kFolder + "call.mjs " + stack.http().address() + " '" +
                    harness::Stack::kAdminPassword + "' " + stack.directory() + "/auth.log"),
            "openapi: ok\n");
  EXPECT_EQ(Printed(GATEHOUSE_BIN "/gateway openapi"),
            stack.http().Call("GET", "/openapi.json").body + "\n");
}

}  // namespace
}  // namespace gatehouse
