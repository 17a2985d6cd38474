#include "libs/base/failpoint.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <string>

namespace gatehouse {
namespace {

// The environment is read once per process, so every case runs in a child. The
// status is that of waitpid.
template <typename Body>
int InChild(const std::string& points, const std::string& env, Body body) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::setenv("GATEHOUSE_FAILPOINTS", points.c_str(), 1);
    ::setenv("ENV", env.c_str(), 1);
    ::_exit(body());
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return status;
}

bool ExitedWith(int status, int code) { return WIFEXITED(status) && WEXITSTATUS(status) == code; }
bool KilledBy(int status, int signal) { return WIFSIGNALED(status) && WTERMSIG(status) == signal; }

TEST(FailpointTest, DoesNothingWhenNothingIsArmed) {
  EXPECT_TRUE(ExitedWith(InChild("", "", [] { return Failpoint("a.b") ? 1 : 0; }), 0));
  EXPECT_TRUE(ExitedWith(InChild("other=crash", "", [] { return Failpoint("a.b") ? 1 : 0; }), 0));
}

TEST(FailpointTest, ErrorReturnsTrueForItsNameOnly) {
  const int status = InChild("a.b=error,c.d=error", "development", [] {
    return Failpoint("a.b") && Failpoint("c.d") && !Failpoint("a") ? 7 : 1;
  });
  EXPECT_TRUE(ExitedWith(status, 7));
}

TEST(FailpointTest, CrashKillsTheProcess) {
  const int status = InChild("a.b=crash", "", [] {
    Failpoint("a.b");
    return 0;
  });
  EXPECT_TRUE(KilledBy(status, SIGKILL));
}

TEST(FailpointTest, CrashOnceLetsTheNextProcessPass) {
  const std::string file = ::testing::TempDir() + "crashed-" + std::to_string(::getpid());
  const auto pass = [] {
    Failpoint("a.b");
    return 3;
  };
  EXPECT_TRUE(KilledBy(InChild("a.b=crash-once:" + file, "", pass), SIGKILL));
  EXPECT_TRUE(ExitedWith(InChild("a.b=crash-once:" + file, "", pass), 3));
  ::unlink(file.c_str());
}

TEST(FailpointTest, DelayHoldsTheCallerBack) {
  const int status = InChild("a.b=delay:30", "", [] {
    const auto begin = std::chrono::steady_clock::now();
    if (Failpoint("a.b")) return 1;
    return std::chrono::steady_clock::now() - begin >= std::chrono::milliseconds(30) ? 0 : 2;
  });
  EXPECT_TRUE(ExitedWith(status, 0));
}

TEST(FailpointTest, IsNeverArmedInProduction) {
  const int status = InChild("a.b=crash,c.d=error", "production",
                             [] { return Failpoint("a.b") || Failpoint("c.d") ? 1 : 0; });
  EXPECT_TRUE(ExitedWith(status, 0));
}

TEST(FailpointTest, RefusesASpecificationItCannotRead) {
  for (const char* points : {"a.b", "a.b=explode", "a.b=delay:soon", "=crash", "a.b=crash-once:"}) {
    const int status = InChild(points, "", [] {
      Failpoint("x");
      return 0;
    });
    EXPECT_TRUE(KilledBy(status, SIGABRT)) << points;
  }
}

}  // namespace
}  // namespace gatehouse
