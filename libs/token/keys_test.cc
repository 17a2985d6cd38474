#include <gtest/gtest.h>

#include <type_traits>

#include "libs/base/secret.h"
#include "libs/token/jwt.h"

namespace gatehouse::token {
namespace {

// The public key of RFC 8037 appendix A.
constexpr char kX[] = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

std::string Hex(const std::string& text) { return HexDecode(text).value(); }

// A key of RFC 8037 with these members before its x.
std::string KeyJson(const std::string& members, const std::string& x = kX) {
  return "{" + members + R"(,"x":")" + x + "\"}";
}

std::string SetJson(const std::string& keys) { return R"({"keys":[)" + keys + "]}"; }

TEST(SigningKeyTest, FollowsTheTestVectorsOfRfc8032) {
  // RFC 8032 section 7.1, TEST 2.
  const auto key = SigningKey::FromSeed(
      "k", Hex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"));
  ASSERT_TRUE(key.ok());
  EXPECT_EQ(HexEncode(key->public_key()),
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
  EXPECT_EQ(HexEncode(key->Sign("\x72")),
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
            "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00");
}

TEST(SigningKeyTest, RefusesWrongSeedsAndIds) {
  EXPECT_EQ(Reason(SigningKey::FromSeed("k", std::string(31, 'x')).status()), "KEY_SEED_INVALID");
  EXPECT_EQ(Reason(SigningKey::FromSeed("k", std::string(33, 'x')).status()), "KEY_SEED_INVALID");
  const std::string seed(32, 'x');
  EXPECT_EQ(Reason(SigningKey::FromSeed("", seed).status()), "KEY_ID_INVALID");
  EXPECT_EQ(Reason(SigningKey::FromSeed(std::string(65, 'k'), seed).status()), "KEY_ID_INVALID");
  EXPECT_EQ(Reason(SigningKey::FromSeed("a\nb", seed).status()), "KEY_ID_INVALID");
  EXPECT_TRUE(SigningKey::FromSeed(std::string(64, 'k'), seed).ok());
}

TEST(SigningKeyTest, GeneratesDifferentKeysAndSurvivesMoves) {
  SigningKey a = SigningKey::Generate("a");
  SigningKey b = SigningKey::Generate("b");
  EXPECT_NE(a.public_key(), b.public_key());
  const std::string public_key = b.public_key();
  a = std::move(b);
  EXPECT_EQ(a.kid(), "b");
  EXPECT_TRUE(VerifySignature(public_key, "message", a.Sign("message")));
  static_assert(!std::is_copy_constructible_v<SigningKey>);
}

TEST(VerifySignatureTest, RefusesEverythingElse) {
  const SigningKey key = SigningKey::Generate("k");
  const std::string signature = key.Sign("message");
  EXPECT_TRUE(VerifySignature(key.public_key(), "message", signature));
  EXPECT_FALSE(VerifySignature(key.public_key(), "massage", signature));
  EXPECT_FALSE(VerifySignature(SigningKey::Generate("k").public_key(), "message", signature));
  EXPECT_FALSE(VerifySignature(key.public_key(), "message", signature.substr(1)));
  EXPECT_FALSE(VerifySignature(key.public_key(), "message", signature + "x"));
  EXPECT_FALSE(VerifySignature(key.public_key(), "message", ""));
  EXPECT_FALSE(VerifySignature("short", "message", signature));
  EXPECT_FALSE(VerifySignature(std::string(32, '\0'), "message", std::string(64, '\0')))
      << "a key of small order verifies anything";
  for (std::size_t bit = 0; bit < signature.size() * 8; ++bit) {
    std::string flipped = signature;
    flipped[bit / 8] ^= static_cast<char>(1 << (bit % 8));
    EXPECT_FALSE(VerifySignature(key.public_key(), "message", flipped)) << bit;
  }
}

TEST(KeySetTest, TravelsAsJson) {
  const SigningKey a = SigningKey::Generate("a");
  const SigningKey b = SigningKey::Generate("b");
  KeySet keys;
  keys.Add(a.kid(), a.public_key());
  keys.Add(b.kid(), b.public_key());
  const auto read = KeySet::FromJson(keys.ToJson());
  ASSERT_TRUE(read.ok()) << read.status();
  ASSERT_NE(read->Find("a"), nullptr);
  EXPECT_EQ(*read->Find("a"), a.public_key());
  EXPECT_EQ(*read->Find("b"), b.public_key());
  EXPECT_EQ(read->Find("c"), nullptr);
  EXPECT_EQ(read->ToJson(), keys.ToJson());
}

TEST(KeySetTest, HasTheShapeOfRfc8037) {
  // RFC 8037 appendix A.2.
  KeySet keys;
  keys.Add("k1", Hex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"));
  EXPECT_EQ(keys.ToJson(),
            R"({"keys":[{"kty":"OKP","crv":"Ed25519","alg":"EdDSA","use":"sig","kid":"k1",)"
            R"("x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]})");
  EXPECT_EQ(KeySet().ToJson(), R"({"keys":[]})");
}

TEST(KeySetTest, SkipsKeysOfOtherKinds) {
  const auto keys = KeySet::FromJson(
      SetJson(R"({"kty":"RSA","kid":"r","n":"AQ","e":"AQAB"},)" +
              KeyJson(R"("kty":"OKP","crv":"X25519","kid":"x")") + "," +
              KeyJson(R"("kty":"OKP","crv":"Ed25519","use":"enc","kid":"e")") + "," +
              KeyJson(R"("kty":"OKP","crv":"Ed25519","alg":"ES256","kid":"a")") + "," +
              KeyJson(R"("kty":"OKP","crv":"Ed25519","kid":"k")")));
  ASSERT_TRUE(keys.ok()) << keys.status();
  for (const char* kid : {"r", "x", "e", "a"}) EXPECT_EQ(keys->Find(kid), nullptr) << kid;
  EXPECT_NE(keys->Find("k"), nullptr);
}

TEST(KeySetTest, RefusesBrokenSets) {
  const std::string members = R"("kty":"OKP","crv":"Ed25519","kid":"k")";
  const std::string good = KeyJson(members);
  ASSERT_TRUE(KeySet::FromJson(SetJson(good)).ok());
  std::string not_canonical = kX;
  not_canonical.back() = 'p';
  const std::vector<std::string> broken = {
      "",
      "[]",
      "{}",
      R"({"keys":{}})",
      R"({"keys":["k"]})",
      R"({"keys":[]}x)",
      R"({"keys":[],"keys":[]})",
      SetJson(good + "," + good),
      SetJson(KeyJson(members, "11qY")),
      SetJson(KeyJson(members, not_canonical)),
      SetJson("{" + members + "}"),
      SetJson(KeyJson(R"("kty":"OKP","crv":"Ed25519")")),
      SetJson(KeyJson(R"("kty":"OKP","crv":"Ed25519","kid":7)")),
      SetJson(KeyJson(R"("kty":"OKP","crv":"Ed25519","kid":"a b")")),
      SetJson(KeyJson(members + R"(,"d":"AA")")),
  };
  for (const std::string& json : broken) {
    EXPECT_EQ(Reason(KeySet::FromJson(json).status()), "KEY_SET_INVALID") << json;
  }
}

}  // namespace
}  // namespace gatehouse::token
