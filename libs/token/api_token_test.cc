#include "libs/token/api_token.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "libs/base/secret.h"

namespace gatehouse::token {
namespace {

constexpr char kAlphabet[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

TEST(ApiTokenTest, HasPrefixAndFortyThreeCharacters) {
  for (const std::string prefix : {"ora", "gh", "ght"}) {
    const std::string token = NewApiToken(prefix);
    EXPECT_EQ(token.size(), prefix.size() + 1 + 43);
    EXPECT_EQ(token.rfind(prefix + "_", 0), 0u);
    EXPECT_EQ(token.substr(prefix.size() + 1).find_first_not_of(kAlphabet), std::string::npos);
    EXPECT_TRUE(LooksLikeApiToken(token));
  }
}

TEST(ApiTokenTest, ChecksumIsTheCrc32OfZlib) {
  // zlib.crc32(b"ora_" + b"0" * 37) is 0x3592ec28, in base 62 "0ypMRU".
  EXPECT_TRUE(LooksLikeApiToken("ora_" + std::string(37, '0') + "0ypMRU"));
}

TEST(ApiTokenTest, EveryChangedCharacterIsNoticed) {
  const std::string token = NewApiToken("ora");
  for (std::size_t at = 0; at < token.size(); ++at) {
    for (char c : std::string(kAlphabet) + "_-. \n") {
      if (c == token[at]) continue;
      std::string changed = token;
      changed[at] = c;
      EXPECT_FALSE(LooksLikeApiToken(changed)) << at << " " << c;
    }
  }
}

TEST(ApiTokenTest, OtherLengthsAreRefused) {
  const std::string token = NewApiToken("gh");
  EXPECT_FALSE(LooksLikeApiToken(""));
  EXPECT_FALSE(LooksLikeApiToken("gh_"));
  EXPECT_FALSE(LooksLikeApiToken(token + "0"));
  EXPECT_FALSE(LooksLikeApiToken(token.substr(0, token.size() - 1)));
  EXPECT_FALSE(LooksLikeApiToken(token.substr(2))) << "no prefix";
  EXPECT_FALSE(LooksLikeApiToken(std::string(1 << 20, 'a')));
}

TEST(ApiTokenTest, APrefixHasOneToSixteenCharacters) {
  EXPECT_TRUE(LooksLikeApiToken(NewApiToken("a")));
  EXPECT_TRUE(LooksLikeApiToken(NewApiToken("a_b_c")));
  EXPECT_TRUE(LooksLikeApiToken(NewApiToken(std::string(16, 'a'))));
  EXPECT_FALSE(LooksLikeApiToken(NewApiToken(std::string(17, 'a'))));
  EXPECT_FALSE(LooksLikeApiToken(NewApiToken("")));
}

// Every length of prefix leaves another rest to the checksum's steps of eight bytes.
TEST(ApiTokenTest, ChecksumIsThatOfZlibForEveryLength) {
  // zlib.crc32(b"a" * n + b"_" + b"7" * 37) in base 62, for n from 1 to 16.
  const std::vector<std::string> checksums = {
      "2bwnvB", "0ZRw6O", "28x4OV", "0xZFvQ", "0gFcvj", "3QcT41", "3hBVVt", "2ynpvv",
      "4JgEyk", "2ANahT", "3S0zaq", "2fRAf6", "0IL1w9", "1luUHQ", "2HiVr3", "0EMuye"};
  for (std::size_t n = 1; n <= checksums.size(); ++n) {
    const std::string token = std::string(n, 'a') + "_" + std::string(37, '7') + checksums[n - 1];
    EXPECT_TRUE(LooksLikeApiToken(token)) << token;
  }
}

TEST(ApiTokenTest, TokensDifferAndUseTheWholeAlphabet) {
  std::set<std::string> tokens;
  std::set<char> letters;
  for (int i = 0; i < 2000; ++i) {
    const std::string token = NewApiToken("ora");
    tokens.insert(token);
    letters.insert(token.begin() + 4, token.begin() + 4 + 37);
  }
  EXPECT_EQ(tokens.size(), 2000u);
  EXPECT_EQ(letters.size(), 62u);
}

TEST(ApiTokenTest, DigestIsSha256OfTheWholeToken) {
  EXPECT_EQ(TokenDigest("abc"), Sha256("abc"));
  EXPECT_EQ(HexEncode(TokenDigest("abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

}  // namespace
}  // namespace gatehouse::token
