// Clients that nobody here wrote, on the real programs: npm's grpc-js with
// reflection, and undici on pipelined connections.
#include <gmock/gmock.h>

#include <cstdlib>
#include <fstream>

#include "tests/harness/stack.h"

namespace gatehouse {
namespace {

class ClientFlow : public ::testing::Test {
 protected:
  // Runs a script of tests/clients; what it printed, and "exit N" unless N is 0.
  std::string Run(const std::string& script, const std::string& argument) {
    const std::string output = stack_.directory() + "/node.log";
    const std::string command = "node " GATEHOUSE_SOURCE "/tests/clients/" + script + " " +
                                argument + " > " + output + " 2>&1";
    const int status = std::system(command.c_str());
    std::ifstream file(output);
    const std::string printed{std::istreambuf_iterator<char>(file), {}};
    return printed + (status == 0 ? "" : "exit " + std::to_string(status));
  }

  harness::Stack stack_;
};

TEST_F(ClientFlow, TheStandardNodeClientsUnderstandUs) {
  ASSERT_EQ(stack_.Start(), "");
  EXPECT_EQ(Run("services.mjs", stack_.directory() + "/invitations.sock"), "services: ok\n");
  EXPECT_EQ(Run("edge.mjs", stack_.http().address()), "edge: ok\n");
}

}  // namespace
}  // namespace gatehouse
