#include "services/auth/user.h"

#include <gtest/gtest.h>

namespace gatehouse::auth {
namespace {

TEST(UsernameTest, AcceptsItsAlphabetAndLengths) {
  for (const std::string& username :
       {std::string("ada"), std::string("Ada_L.-9"), std::string(50, 'a')}) {
    EXPECT_TRUE(CheckUsername(username).ok()) << username;
  }
  for (const std::string& username :
       {std::string(), std::string("ab"), std::string(51, 'a'), std::string("ada lovelace"),
        std::string("ada@home"), std::string("äda"), std::string("ada\0x", 5),
        std::string("ada\n")}) {
    EXPECT_EQ(Reason(CheckUsername(username)), "USERNAME_INVALID") << username;
  }
  EXPECT_EQ(FieldViolations(CheckUsername("")).count("username"), 1u);
}

TEST(EmailTest, AcceptsDotAtomAddresses) {
  for (const char* email : {"a@b.co", "ada.lovelace+work@mail.example.com", "o'brien@example.org",
                            "x_y-z@sub-domain.example.museum"}) {
    EXPECT_TRUE(CheckEmail(email).ok()) << email;
  }
}

TEST(EmailTest, RefusesWhatIsNoAddress) {
  for (const std::string& email :
       {std::string(), std::string("ada"), std::string("@example.com"), std::string("ada@"),
        std::string("ada@localhost"), std::string("ada@example..com"), std::string("ada@.com"),
        std::string("ada@-x.com"), std::string(".ada@example.com"), std::string("a..b@example.com"),
        std::string("a b@example.com"), std::string("a@b@example.com"),
        std::string("ada@exam_ple.com"), std::string("ada@example.com\0", 16),
        std::string(65, 'a') + "@example.com", "a@" + std::string(64, 'b') + ".com",
        "ada@" + std::string(250, 'b') + ".com"}) {
    EXPECT_EQ(Reason(CheckEmail(email)), "EMAIL_INVALID") << email;
  }
}

TEST(ClientIdTest, FollowsTheNameAndEndsInTheIdItself) {
  const std::string id = "0198c0de-0000-7000-8000-00000000ada0";
  const std::vector<std::string> ids = ClientIdsFor("Ada", id);
  EXPECT_EQ(ids, (std::vector<std::string>{"ada", "ada-00000000ada0", id}));
}

}  // namespace
}  // namespace gatehouse::auth
