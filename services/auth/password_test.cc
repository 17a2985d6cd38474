#include "services/auth/password.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace gatehouse::auth {
namespace {

std::string Refusal(const std::string& password) {
  return Reason(CheckPassword(password, "lovelace", "ada.king@example.com"));
}

TEST(PasswordPolicyTest, AcceptsGoodOnes) {
  for (const std::string& password :
       {std::string("kestrel-plum-91"), std::string("correct horse battery staple"),
        std::string("Xk9#mQ2p"), std::string("TemporaryPassword123!"),
        std::string("grüße aus łódź 7"), std::string("lovelace and three more words")}) {
    EXPECT_EQ(Refusal(password), "") << password;
  }
}

TEST(PasswordPolicyTest, CountsCharactersAndLimitsBytes) {
  EXPECT_EQ(Refusal("Xk9#mQ2"), "PASSWORD_TOO_WEAK") << "seven";
  EXPECT_EQ(Refusal("Xk9#mQ2p"), "") << "eight";
  EXPECT_EQ(Refusal("äöüßäöü"), "PASSWORD_TOO_WEAK") << "seven of fourteen bytes";
  EXPECT_EQ(Refusal("żółwiąeć"), "") << "eight of fourteen bytes";
  std::string long_one;
  while (long_one.size() <= 1024) long_one += "Xk9#mQ2p kestrel ";
  EXPECT_EQ(Refusal(long_one.substr(0, 1025)), "PASSWORD_TOO_WEAK");
  EXPECT_EQ(Refusal(long_one.substr(0, 1024)), "");
}

TEST(PasswordPolicyTest, RefusesNumericSimilarAndGuessable) {
  for (const std::string& password :
       {std::string(), std::string("83649172650394"), std::string("password1"),
        std::string("P@ssw0rd"), std::string("qwertyuiop"), std::string("iloveyou12"),
        std::string("aaaaaaaaaaaa"), std::string("lovelace"), std::string("LoveLace99"),
        std::string("99lovelace"), std::string("lovelac"), std::string("ada.king@example.com"),
        std::string("ADA.KING@EXAMPLE.COM"), std::string("ada.king1"), std::string("king@example"),
        std::string("lovelace\0Xk9#mQ2pZZ", 19)}) {
    EXPECT_EQ(Refusal(password), "PASSWORD_TOO_WEAK") << password;
  }
  EXPECT_EQ(Reason(CheckPassword("abcXk9#mQ2p", "abc", "a@example.com")), "")
      << "a short name is in many passwords by chance";
  EXPECT_EQ(FieldViolations(CheckPassword("", "", "")).count("password"), 1u);
}

TEST(PasswordHasherTest, VerifiesOnlyItsPassword) {
  PasswordHasher hasher({.threads = 1});
  const auto hash = hasher.Hash("kestrel-plum-91");
  ASSERT_TRUE(hash.ok()) << hash.status();
  EXPECT_EQ(hash->rfind("$argon2id$v=19$m=19456,t=2,p=1$", 0), 0u) << "other parameters";
  EXPECT_EQ(*hasher.Verify("kestrel-plum-91", *hash), Fit::kYes);
  EXPECT_EQ(*hasher.Verify("kestrel-plum-92", *hash), Fit::kNo);
  EXPECT_EQ(*hasher.Verify(std::string("kestrel-plum-91\0x", 17), *hash), Fit::kNo);
  EXPECT_NE(*hasher.Hash("kestrel-plum-91"), *hash) << "no salt";
}

TEST(PasswordHasherTest, DoesTheSameWorkWithoutAUser) {
  PasswordHasher hasher({.threads = 1});
  EXPECT_EQ(*hasher.Verify("kestrel-plum-91", ""), Fit::kNo);
  EXPECT_EQ(hasher.hash_count(), 1);
}

TEST(PasswordHasherTest, SeesTheWholeOfALongPassword) {
  PasswordHasher hasher({.threads = 1});
  std::string password(1024, 'x');
  const auto hash = hasher.Hash(password);
  ASSERT_TRUE(hash.ok()) << hash.status();
  EXPECT_EQ(*hasher.Verify(password, *hash), Fit::kYes);
  password.back() = 'y';
  EXPECT_EQ(*hasher.Verify(password, *hash), Fit::kNo);
}

TEST(PasswordHasherTest, RefusesBeyondItsQueue) {
  PasswordHasher hasher({.threads = 1, .queue_max = 1});
  std::atomic<int> done = 0;
  std::atomic<int> refused = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 16; ++i) {
    threads.emplace_back([&] {
      const auto hash = hasher.Hash("kestrel-plum-91");
      if (hash.ok()) ++done;
      if (Reason(hash.status()) == "OVERLOADED") ++refused;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(done + refused, 16);
  EXPECT_GT(done, 0);
  EXPECT_GT(refused, 0);
  EXPECT_EQ(hasher.hash_count(), done);
}

}  // namespace
}  // namespace gatehouse::auth
