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

TEST(TenantNameTest, ClientIdsHaveTheirAlphabetAndLengths) {
  for (const std::string& id :
       {std::string("abc"), std::string("Acme_Co-9"), std::string(50, 'a')}) {
    EXPECT_TRUE(CheckClientId(id).ok()) << id;
  }
  for (const std::string& id : {std::string("ab"), std::string(51, 'a'), std::string("a.b"),
                                std::string("a b"), std::string("a\0b", 3)}) {
    EXPECT_EQ(Reason(CheckClientId(id)), "CLIENT_ID_INVALID") << id;
  }
}

TEST(TenantNameTest, NamesAreTextOfTwoHundredBytesAtMost) {
  EXPECT_TRUE(CheckTenantName("Ada's Organization").ok());
  EXPECT_TRUE(CheckTenantName(std::string(200, 'n')).ok());
  for (const std::string& name :
       {std::string(), std::string("  "), std::string(201, 'n'), std::string("a\0b", 3)}) {
    EXPECT_EQ(Reason(CheckTenantName(name)), "NAME_INVALID") << name;
  }
}

TEST(TenantNameTest, TiersAreLowerCaseWords) {
  for (const std::string& tier :
       {std::string("free"), std::string("pro-2_x"), std::string(50, 't')}) {
    EXPECT_TRUE(CheckTier(tier).ok()) << tier;
  }
  for (const std::string& tier :
       {std::string(), std::string("Free"), std::string("a b"), std::string(51, 't')}) {
    EXPECT_EQ(Reason(CheckTier(tier)), "TIER_INVALID") << tier;
  }
}

TEST(ClientIdTest, FollowsTheNameAndEndsInTheIdItself) {
  const std::string id = "0198c0de-0000-7000-8000-00000000ada0";
  const std::vector<std::string> ids = ClientIdsFor("Ada", id);
  EXPECT_EQ(ids, (std::vector<std::string>{"ada", "ada-00000000ada0", id}));
}

}  // namespace
}  // namespace gatehouse::auth
