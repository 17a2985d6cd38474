#include "services/auth/login_throttle.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "libs/base/secret.h"
#include "services/auth/auth_testing.h"

namespace gatehouse::auth {
namespace {

using testing::kSecretKey;

constexpr char kHome[] = "192.0.2.7";
constexpr char kElsewhere[] = "198.51.100.7";

class LoginThrottleTest : public ::testing::Test {
 protected:
  absl::Status Begin(const std::string& address, const std::string& name = "ada") {
    return throttle_.Begin(throttle_.AccountOf(name), address);
  }

  void Succeed(const std::string& address, const std::string& name = "ada") {
    const absl::Status status = database_.db().InTransaction([&](pg::Tx& tx) -> absl::Status {
      throttle_.Succeed(tx, throttle_.AccountOf(name), address);
      return absl::OkStatus();
    });
    ASSERT_TRUE(status.ok()) << status;
  }

  // How many attempts in a row are let in, at most `limit`.
  int Allowed(const std::string& address, int limit, const std::string& name = "ada") {
    int allowed = 0;
    while (allowed < limit && Begin(address, name).ok()) ++allowed;
    return allowed;
  }

  // As if this long had passed.
  void Age(const std::string& interval) {
    database_.Execute("UPDATE auth.login_attempts SET attempt_time = attempt_time - interval '" +
                      interval + "', blocked_until = blocked_until - interval '" + interval +
                      "', success_time = success_time - interval '" + interval + "'");
  }

  // Seconds that the row of the address's network blocks after its last attempt.
  std::string Delay(const std::string& network) {
    return database_.Select(
        "SELECT extract(epoch FROM blocked_until - attempt_time)::int FROM auth.login_attempts"
        " WHERE network = '" +
        network + "'");
  }

  testing::AuthDatabase database_;
  LoginThrottle throttle_{database_.db(), kSecretKey};
};

TEST_F(LoginThrottleTest, TheDelayDoublesAfterTheFreeFailures) {
  EXPECT_EQ(Allowed(kHome, LoginThrottle::kFreeFailures - 1), LoginThrottle::kFreeFailures - 1);
  for (const char* delay :
       {"1", "2", "4", "8", "16", "32", "64", "128", "256", "512", "900", "900"}) {
    ASSERT_TRUE(Begin(kHome).ok()) << delay;
    EXPECT_EQ(Delay("192.0.2.0/24"), delay);
    Age("900 seconds");
  }
}

TEST_F(LoginThrottleTest, SaysHowLongToWaitAndDoesNotCountWhoIsRefused) {
  EXPECT_EQ(Allowed(kHome, 1), 1);
  database_.Execute(
      "UPDATE auth.login_attempts SET failures = 12, blocked_until = now() + interval '300 seconds'"
      " WHERE network <> ''");
  const absl::Status refused = Begin(kHome);
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(Reason(refused), "LOGIN_DELAYED");
  EXPECT_GT(RetryDelayMillis(refused), 0);
  EXPECT_LE(RetryDelayMillis(refused), 300000);
  EXPECT_EQ(database_.Count("auth.login_attempts WHERE failures = 12"), 1);
  EXPECT_EQ(database_.Count("auth.login_attempts WHERE network = '' AND failures = 1"), 1);
}

TEST_F(LoginThrottleTest, AnotherNetworkIsNotConcerned) {
  ASSERT_TRUE(Begin(kElsewhere).ok());
  database_.Execute(
      "UPDATE auth.login_attempts SET blocked_until = now() + interval '1 hour'"
      " WHERE network <> ''");
  EXPECT_EQ(Reason(Begin("198.51.100.200")), "LOGIN_DELAYED") << "the same network";
  EXPECT_TRUE(Begin(kHome).ok());
  EXPECT_TRUE(Begin(kElsewhere, "bob").ok()) << "another account";
}

TEST_F(LoginThrottleTest, AttackersFromManyNetworksCannotLockOutAKnownOne) {
  ASSERT_TRUE(Begin(kHome).ok());
  Succeed(kHome);
  int allowed = 0;
  for (int i = 0; i < 150; ++i) {
    allowed += Begin("2001:db8:" + std::to_string(i) + "::1").ok() ? 1 : 0;
    // What an attacker in no hurry does; the owner's delays are not shortened by it.
    if (i == 120) {
      database_.Execute(
          "UPDATE auth.login_attempts SET blocked_until = now() + interval '1 hour'"
          " WHERE network = ''");
    }
  }
  EXPECT_GE(allowed, LoginThrottle::kFreeFailuresElsewhere);
  EXPECT_EQ(Reason(Begin("203.0.113.1")), "LOGIN_DELAYED") << "an unknown network waits";
  EXPECT_TRUE(Begin(kHome).ok());
  EXPECT_EQ(Allowed("192.0.2.99", 5), 5) << "anywhere in the known network";
}

TEST_F(LoginThrottleTest, TheDelayForUnknownNetworksEndsAtAMinute) {
  ASSERT_TRUE(Begin(kHome).ok());
  database_.Execute("UPDATE auth.login_attempts SET failures = 99 WHERE network = ''");
  for (const char* delay : {"1", "2", "4", "8", "16", "32", "60", "60"}) {
    ASSERT_TRUE(Begin("203.0.113.1").ok()) << delay;
    EXPECT_EQ(Delay(""), delay);
    Age("900 seconds");
  }
}

TEST_F(LoginThrottleTest, AKnownNetworkIsForgottenAfterNinetyDays) {
  ASSERT_TRUE(Begin(kHome).ok());
  Succeed(kHome);
  Age("91 days");
  ASSERT_TRUE(Begin(kElsewhere).ok());
  database_.Execute(
      "UPDATE auth.login_attempts SET failures = 200, attempt_time = now(),"
      " blocked_until = now() + interval '1 hour' WHERE network = ''");
  EXPECT_EQ(Reason(Begin(kHome)), "LOGIN_DELAYED");
}

TEST_F(LoginThrottleTest, ASuccessTakesItsAttemptBackAndForgivesTheNetwork) {
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(Begin(kHome).ok());
  Succeed(kHome);
  EXPECT_EQ(database_.Select("SELECT failures FROM auth.login_attempts WHERE network <> ''"), "0");
  EXPECT_EQ(database_.Select("SELECT failures FROM auth.login_attempts WHERE network = ''"), "4");
  ASSERT_TRUE(Begin(kHome).ok());
  Succeed(kHome);
  EXPECT_EQ(database_.Select("SELECT failures FROM auth.login_attempts WHERE network = ''"), "4")
      << "a login from a known network was never counted there";
}

TEST_F(LoginThrottleTest, FailuresAreForgottenAfterADay) {
  for (int i = 0; i < 9; ++i) ASSERT_TRUE(Begin(kHome).ok());
  Age("25 hours");
  ASSERT_TRUE(Begin(kHome).ok());
  EXPECT_EQ(database_.Count("auth.login_attempts WHERE failures = 1"), 2);
}

TEST_F(LoginThrottleTest, ParallelGuessesCannotExceedTheFreeOnes) {
  constexpr int kGuesses = 6;
  for (int i = 0; i < LoginThrottle::kFreeFailures - 2; ++i) ASSERT_TRUE(Begin(kHome).ok());
  std::atomic<int> allowed = 0;
  std::vector<std::thread> guesses;
  // All have begun, and wait, before the first of them is counted.
  const absl::Status status = database_.db().InTransaction([&](pg::Tx& tx) -> absl::Status {
    tx.exec("UPDATE auth.login_attempts SET account = account");
    for (int i = 0; i < kGuesses; ++i) {
      guesses.emplace_back([&] { allowed += Begin(kHome).ok() ? 1 : 0; });
    }
    EXPECT_TRUE(database_.EventuallySomebodyWaits(kGuesses));
    return absl::OkStatus();
  });
  for (std::thread& guess : guesses) guess.join();
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(allowed, 2);
}

TEST_F(LoginThrottleTest, ParallelFirstAttemptsAreAllCounted) {
  std::vector<std::thread> guesses;
  for (int i = 0; i < 6; ++i) guesses.emplace_back([&] { EXPECT_TRUE(Begin(kHome).ok()); });
  for (std::thread& guess : guesses) guess.join();
  EXPECT_EQ(database_.Count("auth.login_attempts WHERE failures = 6"), 2);
}

TEST_F(LoginThrottleTest, NamesAreKeptAsHmacsAndCaseDoesNotMatter) {
  EXPECT_EQ(throttle_.AccountOf("Ada"), throttle_.AccountOf("aDA"));
  EXPECT_NE(throttle_.AccountOf("ada"), throttle_.AccountOf("adb"));
  EXPECT_NE(throttle_.AccountOf("ada"), LoginThrottle(database_.db(), "other").AccountOf("ada"));
  EXPECT_NE(throttle_.AccountOf("ada"), Sha256("ada"));
  EXPECT_EQ(throttle_.AccountOf(std::string(100000, 'a')).size(), 32u);
}

TEST(NetworkOfTest, IsTheSlash24OrSlash48) {
  EXPECT_EQ(NetworkOf("192.0.2.1"), "192.0.2.0/24");
  EXPECT_EQ(NetworkOf("::ffff:192.0.2.1"), "192.0.2.0/24");
  EXPECT_EQ(NetworkOf("2001:db8:1:2::3"), "2001:db8:1::/48");
  EXPECT_EQ(NetworkOf("2001:DB8:1:ffff::"), "2001:db8:1::/48");
  EXPECT_EQ(NetworkOf("unix:peer"), "unix:peer");
  EXPECT_NE(NetworkOf(""), "") << "that row is for all unknown networks";
  EXPECT_LE(NetworkOf(std::string(1000, 'x')).size(), 64u);
}

}  // namespace
}  // namespace gatehouse::auth
