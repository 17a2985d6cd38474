// Live clients that nobody here wrote on the real programs: sockets and streams that
// hear of jobs, go on where they were, and end when they must.
#include <gmock/gmock.h>

#include <cstdlib>
#include <fstream>
#include <thread>

#include "tests/harness/stack.h"

namespace gatehouse {
namespace {

using harness::Eventually;

class LiveFlow : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    stack_ = new harness::Stack();
    ASSERT_EQ(stack_->Start(), "");
  }
  static void TearDownTestSuite() {
    delete stack_;
    stack_ = nullptr;
  }

  static std::string Output(const std::string& name) {
    std::ifstream file(stack_->directory() + "/" + name);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  // Runs a script of tests/clients to its end; its output goes to the file `name`.
  static int Run(const std::string& script, const std::string& arguments, const std::string& name) {
    const std::string command = "node " GATEHOUSE_SOURCE "/tests/clients/" + script + " " +
                                stack_->http().address() + " " + arguments + " > " +
                                stack_->directory() + "/" + name + " 2>&1";
    return std::system(command.c_str());
  }

  // A socket of `token` that is open while `act` runs; what its end is called.
  template <typename Act>
  static std::string EndOfSocket(const std::string& token, const std::string& name, Act act) {
    std::thread client([&] { Run("live_wait.mjs", token, name); });
    EXPECT_TRUE(Eventually([&] { return Output(name).starts_with("open"); })) << Output(name);
    act();
    client.join();
    return Output(name);
  }

  static harness::Stack* stack_;
};

harness::Stack* LiveFlow::stack_ = nullptr;

TEST_F(LiveFlow, TheStandardNodeClientsHearOfJobsAndEndWithTheirUser) {
  const std::string token = stack_->SignUp("listener");
  const std::string arguments = token + " listener " + stack_->AdminToken();
  EXPECT_EQ(Run("live.mjs", arguments, "live.log"), 0) << Output("live.log");
  EXPECT_EQ(Output("live.log"), "live: ok\n");
  const std::string log = stack_->Log("gateway");
  EXPECT_THAT(log, testing::HasSubstr("socket closed"));
  EXPECT_THAT(log, testing::HasSubstr("\"code\":4401"));
  EXPECT_THAT(log, testing::Not(testing::HasSubstr(token)));
}

TEST_F(LiveFlow, SocketsEndWhenRevocationsCannotBeKnown) {
  const std::string token = stack_->SignUp("waiter");
  EXPECT_EQ(EndOfSocket(token, "wait.log", [] { stack_->at("auth").Freeze(); }),
            "open\nclosed 1013\n");
  stack_->at("auth").Thaw();
  EXPECT_TRUE(stack_->AwaitHealthy());
}

TEST_F(LiveFlow, ADrainSendsEverybodyAwayAndEndsWithZero) {
  const std::string token = stack_->SignUp("drained");
  int exit_code = -1;
  EXPECT_EQ(EndOfSocket(token, "drain.log", [&] { exit_code = stack_->at("gateway").Stop(); }),
            "open\nclosed 1001\n");
  EXPECT_EQ(exit_code, 0);
}

}  // namespace
}  // namespace gatehouse
