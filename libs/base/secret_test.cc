#include "libs/base/secret.h"

#include <gtest/gtest.h>

#include <set>

namespace gatehouse {
namespace {

TEST(RandomBytesTest, ReturnsAsManyBytesAsAskedAndNeverTheSame) {
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) {
    const std::string bytes = RandomBytes(16);
    EXPECT_EQ(bytes.size(), 16u);
    EXPECT_TRUE(seen.insert(bytes).second);
  }
  EXPECT_EQ(RandomBytes(0), "");
  EXPECT_EQ(RandomBytes(100000).size(), 100000u) << "longer than one call may return";
}

// Vectors of FIPS 180-2.
TEST(Sha256Test, MatchesThePublishedVectors) {
  EXPECT_EQ(Sha256Hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(Sha256Hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Sha256("abc").size(), 32u);
}

// Test cases 2 and 6 of RFC 4231.
TEST(HmacSha256Test, MatchesThePublishedVectors) {
  EXPECT_EQ(HexEncode(HmacSha256("Jefe", "what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(HexEncode(HmacSha256(std::string(131, '\xaa'),
                                 "Test Using Larger Than Block-Size Key - Hash Key First")),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST(HexTest, RoundTripsEveryByte) {
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes += static_cast<char>(i);
  EXPECT_EQ(HexDecode(HexEncode(bytes)), bytes);
  EXPECT_EQ(HexEncode("\x01\xfe"), "01fe");
}

TEST(HexTest, DecodesBothCasesAndRefusesTheRest) {
  EXPECT_EQ(HexDecode("aBcD"), "\xab\xcd");
  EXPECT_EQ(HexDecode(""), "");
  EXPECT_EQ(HexDecode("abc"), std::nullopt);
  EXPECT_EQ(HexDecode("0g"), std::nullopt);
  EXPECT_EQ(HexDecode("0x"), std::nullopt);
}

TEST(Base64UrlTest, EncodesTheVectorsOfRfc4648) {
  EXPECT_EQ(Base64UrlEncode(""), "");
  EXPECT_EQ(Base64UrlEncode("f"), "Zg");
  EXPECT_EQ(Base64UrlEncode("fo"), "Zm8");
  EXPECT_EQ(Base64UrlEncode("foo"), "Zm9v");
  EXPECT_EQ(Base64UrlEncode("foob"), "Zm9vYg");
  EXPECT_EQ(Base64UrlEncode("foobar"), "Zm9vYmFy");
  EXPECT_EQ(Base64UrlEncode("\xfb\xff"), "-_8") << "the URL alphabet";
}

TEST(Base64UrlTest, RoundTripsEveryLength) {
  for (std::size_t size = 0; size < 70; ++size) {
    const std::string bytes = RandomBytes(size);
    EXPECT_EQ(Base64UrlDecode(Base64UrlEncode(bytes)), bytes) << size;
  }
}

TEST(Base64UrlTest, RefusesWhatIsNotCanonical) {
  EXPECT_EQ(Base64UrlDecode("Zg=="), std::nullopt) << "padding";
  EXPECT_EQ(Base64UrlDecode("Zh"), std::nullopt) << "trailing bits";
  EXPECT_EQ(Base64UrlDecode("Zm9"), std::nullopt) << "trailing bits";
  EXPECT_EQ(Base64UrlDecode("Z"), std::nullopt) << "half a byte";
  EXPECT_EQ(Base64UrlDecode("Zm9+"), std::nullopt) << "the other alphabet";
  EXPECT_EQ(Base64UrlDecode("Zm 9v"), std::nullopt) << "white space";
  EXPECT_EQ(Base64UrlDecode(std::string("Zm\0v", 4)), std::nullopt) << "a zero byte";
}

TEST(ConstantTimeEqualsTest, ComparesBytesAndLengths) {
  EXPECT_TRUE(ConstantTimeEquals("", ""));
  EXPECT_TRUE(ConstantTimeEquals("abc", "abc"));
  EXPECT_FALSE(ConstantTimeEquals("abc", "abd"));
  EXPECT_FALSE(ConstantTimeEquals("abc", "ab"));
  EXPECT_FALSE(ConstantTimeEquals(std::string("a\0b", 3), std::string("a\0c", 3)));
}

}  // namespace
}  // namespace gatehouse
