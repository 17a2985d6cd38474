// The known attacks on JOSE, as tables of forged tokens: each must be refused alike.
// What an attacker would have to sign is signed with the right key here, so that
// only the rule under test can refuse it.
#include <gtest/gtest.h>
#include <sodium.h>

#include <string>
#include <vector>

#include "libs/base/secret.h"
#include "libs/token/jwt.h"

namespace gatehouse::token {
namespace {

const Time kNow = Time(std::chrono::seconds(1'800'000'000));
constexpr std::size_t kJwtMax = 8192;
constexpr char kHeader[] = R"({"alg":"EdDSA","kid":"k1","typ":"JWT"})";
constexpr char kPayload[] =
    R"({"iss":"gatehouse","aud":"gatehouse","sub":"0190","jti":"0191","sid":"0192",)"
    R"("iat":1800000000,"exp":1800000900,"tenant_id":7,"epoch":3,"role":"user","scopes":[]})";

struct Attack {
  std::string name;
  std::string token;
};
using Attacks = std::vector<Attack>;

std::string Encoded(const std::string& header, const std::string& payload) {
  return Base64UrlEncode(header) + "." + Base64UrlEncode(payload);
}

std::string Replaced(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

std::string HmacSha512(const std::string& key, const std::string& bytes) {
  const auto data = [](const std::string& s) {
    return reinterpret_cast<const unsigned char*>(s.data());
  };
  crypto_auth_hmacsha512_state state;
  crypto_auth_hmacsha512_init(&state, data(key), key.size());
  crypto_auth_hmacsha512_update(&state, data(bytes), bytes.size());
  std::string mac(crypto_auth_hmacsha512_BYTES, '\0');
  crypto_auth_hmacsha512_final(&state, reinterpret_cast<unsigned char*>(mac.data()));
  return mac;
}

// A signature whose S is greater by the order of the group: the same point.
std::string PlusOrder(std::string signature) {
  const std::string order =
      HexDecode("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010").value();
  int carry = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    const int sum = static_cast<unsigned char>(signature[32 + i]) +
                    static_cast<unsigned char>(order[i]) + carry;
    signature[32 + i] = static_cast<char>(sum & 0xff);
    carry = sum >> 8;
  }
  return signature;
}

class JwtAttackTest : public ::testing::Test {
 protected:
  JwtAttackTest() {
    keys_.Add(key_.kid(), key_.public_key());
    keys_.Add(other_key_.kid(), other_key_.public_key());
  }

  // Exactly these bytes, correctly signed.
  std::string SignText(const std::string& bytes) const {
    return bytes + "." + Base64UrlEncode(key_.Sign(bytes));
  }
  std::string Signed(const std::string& header, const std::string& payload) const {
    return SignText(Encoded(header, payload));
  }
  std::string WithHeader(const std::string& header) const { return Signed(header, kPayload); }
  std::string WithPayload(const std::string& from, const std::string& to) const {
    return Signed(kHeader, Replaced(kPayload, from, to));
  }
  std::string WithSignature(const std::string& signature) const {
    return Encoded(kHeader, kPayload) + "." + Base64UrlEncode(signature);
  }

  absl::Status Verify(const std::string& token) const {
    return VerifyJwt(keys_, token, "gatehouse", "gatehouse", kNow).status();
  }
  bool Passes(const std::string& token) const { return Verify(token).ok(); }

  void ExpectRefused(const Attacks& attacks) const {
    for (const Attack& attack : attacks) {
      const absl::Status status = Verify(attack.token);
      EXPECT_EQ(status.code(), absl::StatusCode::kUnauthenticated) << attack.name;
      EXPECT_EQ(Reason(status), "CREDENTIALS_INVALID") << attack.name;
    }
    EXPECT_EQ(Verify(good_), absl::OkStatus()) << "the token that all of these change";
  }

  const SigningKey key_ = SigningKey::Generate("k1");
  const SigningKey other_key_ = SigningKey::Generate("k2");
  KeySet keys_;
  const std::string good_ = SignText(Encoded(kHeader, kPayload));
};

TEST_F(JwtAttackTest, NoAlgorithmIsNoSignature) {
  Attacks attacks;
  for (const char* alg : {"none", "None", "NONE", "nOnE", "noNE", "none ", ""}) {
    const std::string header = std::string(R"({"alg":")") + alg + R"(","kid":"k1","typ":"JWT"})";
    const std::string bytes = Encoded(header, kPayload);
    attacks.push_back({std::string(alg) + " without a signature", bytes + "."});
    attacks.push_back({std::string(alg) + " without its dot", bytes});
    attacks.push_back({std::string(alg) + " beside a right signature", SignText(bytes)});
  }
  attacks.push_back({"no alg", WithHeader(R"({"kid":"k1","typ":"JWT"})")});
  attacks.push_back({"null", WithHeader(R"({"alg":null,"kid":"k1"})")});
  attacks.push_back({"a list", WithHeader(R"({"alg":["EdDSA","none"],"kid":"k1"})")});
  ExpectRefused(attacks);
}

TEST_F(JwtAttackTest, ThePublicKeyIsNoSecretOfAnHmac) {
  Attacks attacks;
  for (const std::string& secret : {key_.public_key(), Base64UrlEncode(key_.public_key()),
                                    HexEncode(key_.public_key()), keys_.ToJson(), std::string()}) {
    const std::string hs256 = Encoded(R"({"alg":"HS256","kid":"k1","typ":"JWT"})", kPayload);
    const std::string hs512 = Encoded(R"({"alg":"HS512","kid":"k1","typ":"JWT"})", kPayload);
    const std::string eddsa = Encoded(kHeader, kPayload);
    attacks.push_back({"HS256", hs256 + "." + Base64UrlEncode(HmacSha256(secret, hs256))});
    attacks.push_back({"HS512", hs512 + "." + Base64UrlEncode(HmacSha512(secret, hs512))});
    attacks.push_back({"HS512 as EdDSA", eddsa + "." + Base64UrlEncode(HmacSha512(secret, eddsa))});
  }
  ExpectRefused(attacks);
}

TEST_F(JwtAttackTest, AHeaderDoesNotChooseTheAlgorithm) {
  Attacks attacks;
  for (const char* alg : {"HS256", "HS384", "HS512", "RS256", "PS256", "ES256", "ES512", "ES256K",
                          "Ed448", "Ed25519", "eddsa", "EDDSA", "dir", "A256KW", "RSA-OAEP"}) {
    const std::string header = std::string(R"({"alg":")") + alg + R"(","kid":"k1","typ":"JWT"})";
    attacks.push_back({std::string(alg) + " signed with EdDSA", WithHeader(header)});
    for (std::size_t size : {64, 96, 256}) {
      attacks.push_back({std::string(alg) + " of random bytes",
                         Encoded(header, kPayload) + "." + Base64UrlEncode(RandomBytes(size))});
    }
  }
  ExpectRefused(attacks);
}

TEST_F(JwtAttackTest, AKidNamesOneOfOurKeysAndNothingElse) {
  const SigningKey foreign = SigningKey::Generate("k9");
  const std::string bytes = Encoded(R"({"alg":"EdDSA","kid":"k9","typ":"JWT"})", kPayload);
  Attacks attacks = {
      {"foreign key", bytes + "." + Base64UrlEncode(foreign.Sign(bytes))},
      {"foreign key as k1", WithSignature(foreign.Sign(Encoded(kHeader, kPayload)))},
      {"our other key as k1", WithSignature(other_key_.Sign(Encoded(kHeader, kPayload)))},
      {"no kid", WithHeader(R"({"alg":"EdDSA","typ":"JWT"})")},
      {"a number", WithHeader(R"({"alg":"EdDSA","kid":1,"typ":"JWT"})")},
      {"a list", WithHeader(R"({"alg":"EdDSA","kid":["k1"],"typ":"JWT"})")},
      {"null", WithHeader(R"({"alg":"EdDSA","kid":null,"typ":"JWT"})")},
  };
  for (const std::string& kid :
       {std::string("../../../../dev/null"), std::string("/dev/null"), std::string("file:///k1"),
        std::string("https://example.org/k1"), std::string("k1' OR '1'='1"),
        std::string("x' UNION SELECT 'AAAA' --"), std::string("k1;id"), std::string("$(id)"),
        std::string("k1\\u0000"), std::string("\\u0000"), std::string("k1 "), std::string(" k1"),
        std::string("K1"), std::string("\xEF\xBC\x8B"), std::string(), std::string("k"),
        std::string(5000, 'k')}) {
    attacks.push_back({kid, WithHeader(R"({"alg":"EdDSA","kid":")" + kid + R"(","typ":"JWT"})")});
  }
  ExpectRefused(attacks);
}

TEST_F(JwtAttackTest, AHeaderCannotBringItsKeyOrItsRules) {
  const SigningKey attacker = SigningKey::Generate("k1");
  const std::string x = Base64UrlEncode(attacker.public_key());
  const std::string jwk = R"({"kty":"OKP","crv":"Ed25519","kid":"k1","x":")" + x + "\"}";
  Attacks attacks;
  for (const std::string& member :
       {R"("jwk":)" + jwk, std::string(R"("jku":"https://example.org/keys")"),
        std::string(R"("x5u":"https://example.org/chain")"), R"("x5c":[")" + x + "\"]",
        R"("x5t":")" + x + "\"", R"("x5t#S256":")" + x + "\"", std::string(R"("crit":["exp"])"),
        std::string(R"("crit":["b64"],"b64":false)"), std::string(R"("crit":[])"),
        std::string(R"("crit":null)"), std::string(R"("b64":false)"), std::string(R"("b64":true)"),
        std::string(R"("cty":"JWT")"), std::string(R"("zip":"DEF")"),
        std::string(R"("enc":"A256GCM")"), std::string(R"("p2c":2000000000)"),
        std::string(R"("epk":{})"), std::string(R"("exp":9999999999)"), std::string(R"("":"")")}) {
    const std::string header = R"({"alg":"EdDSA","kid":"k1","typ":"JWT",)" + member + "}";
    const std::string bytes = Encoded(header, kPayload);
    attacks.push_back({member, SignText(bytes)});
    attacks.push_back(
        {member + " by the attacker's key", bytes + "." + Base64UrlEncode(attacker.Sign(bytes))});
  }
  ExpectRefused(attacks);
}

TEST_F(JwtAttackTest, OtherTypesAreNotTokens) {
  Attacks attacks;
  for (const char* typ :
       {R"("JWE")", R"("JOSE")", R"("JWS")", R"("jwt")", R"("JWT ")", R"("")", R"("dpop+jwt")",
        R"("id+jwt")", R"("logout+jwt")", "null", "1", "{}", R"(["JWT"])"}) {
    attacks.push_back(
        {typ, WithHeader(std::string(R"({"alg":"EdDSA","kid":"k1","typ":)") + typ + "}")});
  }
  ExpectRefused(attacks);
  EXPECT_TRUE(Passes(WithHeader(R"({"alg":"EdDSA","kid":"k1","typ":"at+jwt"})")));
}

TEST_F(JwtAttackTest, NoNameStandsTwice) {
  Attacks attacks;
  for (const char* header : {R"({"alg":"none","alg":"EdDSA","kid":"k1","typ":"JWT"})",
                             R"({"alg":"EdDSA","alg":"none","kid":"k1","typ":"JWT"})",
                             R"({"alg":"EdDSA","kid":"k2","kid":"k1","typ":"JWT"})",
                             R"({"alg":"EdDSA","kid":"k1","typ":"JWT","typ":"JWT"})",
                             R"({"alg":"EdDSA","kid":"k1","\u0061lg":"none"})"}) {
    attacks.push_back({header, WithHeader(header)});
  }
  for (const char* claim :
       {R"("iss":"gatehouse")", R"("aud":"gatehouse")", R"("sub":"0000")", R"("jti":"0")",
        R"("sid":"0")", R"("iat":1)", R"("exp":9000000000)", R"("tenant_id":1)", R"("epoch":99)",
        R"("role":"admin")", R"("scopes":["admin"])", R"("r\u006fle":"admin")"}) {
    attacks.push_back({std::string(claim) + " first",
                       Signed(kHeader, Replaced(kPayload, "{", std::string("{") + claim + ","))});
    attacks.push_back({std::string(claim) + " last",
                       Signed(kHeader, Replaced(kPayload, "}", std::string(",") + claim + "}"))});
  }
  attacks.push_back({"deep", WithPayload("}", R"(,"x":[{"y":1,"y":2}]})")});
  ExpectRefused(attacks);
}

TEST_F(JwtAttackTest, OneSpellingOfBase64Url) {
  // 38 and 40 bytes: lengths whose last character has two and four unused bits.
  const std::string header = Base64UrlEncode(kHeader);
  const std::string payload = Base64UrlEncode(std::string(kPayload) + " ");
  const std::string signature = good_.substr(good_.rfind('.') + 1);
  const std::string signed_bytes = Encoded(kHeader, kPayload);
  const auto next = [](std::string text) {
    ++text.back();
    return text;
  };
  ASSERT_EQ(Base64UrlDecode(next(header)), std::nullopt);
  Attacks attacks = {
      {"trailing bits of the header", SignText(next(header) + "." + payload)},
      {"trailing bits of the signature", signed_bytes + "." + next(signature)},
      {"padded header", SignText(header + "=." + payload)},
      {"padded payload", SignText(header + "." + payload + "=")},
      {"padded signature", good_ + "=="},
  };
  for (const std::string& junk :
       {std::string("+"), std::string("/"), std::string(" "), std::string("\n"),
        std::string("\r\n"), std::string("\t"), std::string(1, '\0'), std::string("="),
        std::string("%2E"), std::string("~"), std::string("\xC3\xA9"), std::string("A")}) {
    for (std::size_t at : {std::size_t{0}, header.size() / 2, header.size()}) {
      attacks.push_back({junk + " in the header at " + std::to_string(at),
                         SignText(std::string(header).insert(at, junk) + "." + payload)});
    }
    attacks.push_back({junk + " before", junk + good_});
    attacks.push_back({junk + " after", good_ + junk});
    attacks.push_back({junk + " before the signature", signed_bytes + "." + junk + signature});
    attacks.push_back(
        {junk + " after the payload", SignText(header + "." + Base64UrlEncode(kPayload) + junk)});
  }
  ExpectRefused(attacks);
  EXPECT_TRUE(Passes(SignText(header + "." + payload)));
}

TEST_F(JwtAttackTest, StandardBase64IsNotBase64Url) {
  // Bytes whose text needs the two letters that the alphabets do not share.
  const std::string payload =
      Replaced(kPayload, "\"user\"", "\"\xC3\xBB\xC3\xBF\xC3\xBE\xC3\xBF?>?>\"");
  const std::string bytes = Encoded(kHeader, payload);
  std::string standard = bytes;
  for (char& c : standard) c = c == '-' ? '+' : c == '_' ? '/' : c;
  ASSERT_NE(standard, bytes);
  EXPECT_TRUE(Passes(SignText(bytes)));
  ExpectRefused({{"signed so", SignText(standard)},
                 {"changed", standard + "." + Base64UrlEncode(key_.Sign(bytes))}});
}

TEST_F(JwtAttackTest, ATokenHasThreePartsAndNothingAround) {
  const std::string header = Base64UrlEncode(kHeader);
  const std::string payload = Base64UrlEncode(kPayload);
  const std::string signature = good_.substr(good_.rfind('.') + 1);
  const auto sign = [&](const std::string& bytes) { return Base64UrlEncode(key_.Sign(bytes)); };
  ExpectRefused({
      {"nothing", ""},
      {"one dot", "."},
      {"two dots", ".."},
      {"three dots", "..."},
      {"one part", header},
      {"two parts", header + "." + payload},
      {"two parts, signed", payload + "." + sign(payload)},
      {"no header", SignText("." + payload)},
      {"no payload", SignText(header + ".")},
      {"no header, no payload", SignText(".")},
      {"no signature", header + "." + payload + "."},
      {"four parts", good_ + "." + signature},
      {"four parts, the last empty", good_ + "."},
      {"four parts, the first empty", "." + good_},
      {"five parts, as a JWE",
       header + "." + payload + "." + payload + "." + payload + "." + signature},
      {"five parts, as a signed JWE",
       SignText(header + "." + payload + "." + payload + "." + payload)},
      {"JSON serialization", R"({"protected":")" + header + R"(","payload":")" + payload +
                                 R"(","signature":")" + signature + "\"}"},
      {"a byte order mark", "\xEF\xBB\xBF" + good_},
      {"a byte order mark in the header", WithHeader("\xEF\xBB\xBF" + std::string(kHeader))},
      {"a byte order mark in the claims", Signed(kHeader, "\xEF\xBB\xBF" + std::string(kPayload))},
      {"bytes after the header", WithHeader(std::string(kHeader) + "{}")},
      {"bytes after the claims", Signed(kHeader, std::string(kPayload) + "x")},
      {"NUL after the claims", Signed(kHeader, std::string(kPayload) + '\0')},
      {"invalid UTF-8", WithPayload("\"user\"", "\"\xFF\"")},
      {"a lone surrogate", WithPayload("\"user\"", R"("\ud800")")},
      {"the scheme", "Bearer " + good_},
      {"twice", good_ + good_},
      {"a list", good_ + "," + good_},
  });
}

TEST_F(JwtAttackTest, EightKibibytesAreTheLimit) {
  // Spaces between the members: lengths of base64 go by steps, so both texts vary.
  const auto of_size = [&](std::size_t size) {
    for (std::size_t in_header = 0; in_header < 3; ++in_header) {
      for (std::size_t spaces = 5600; spaces < 6000; ++spaces) {
        const std::string header = Replaced(kHeader, ",", "," + std::string(in_header, ' '));
        const std::string payload = Replaced(kPayload, ",", "," + std::string(spaces, ' '));
        const std::string bytes = Encoded(header, payload);
        if (bytes.size() + 1 + 86 == size) return SignText(bytes);
      }
    }
    return std::string();
  };
  ASSERT_EQ(of_size(kJwtMax).size(), kJwtMax);
  ASSERT_EQ(of_size(kJwtMax + 1).size(), kJwtMax + 1);
  EXPECT_TRUE(Passes(of_size(kJwtMax)));
  ExpectRefused({{"8 KiB + 1", of_size(kJwtMax + 1)},
                 {"a mebibyte of dots", std::string(1 << 20, '.')},
                 {"a mebibyte", std::string(1 << 20, 'A')}});
}

TEST_F(JwtAttackTest, DeepTextIsRefusedBeforeItHurts) {
  const auto deep = [&](std::size_t levels) {
    return WithPayload("[]",
                       "[]" + (R"(,"x":)" + std::string(levels, '[')) + std::string(levels, ']'));
  };
  EXPECT_TRUE(Passes(deep(6)));
  ExpectRefused(
      {{"9 levels", deep(9)},
       {"2900 levels", deep(2900)},
       {"open lists", Signed(kHeader, std::string(5000, '['))},
       {"open objects", Signed(kHeader, std::string(5000, '{'))},
       {"a deep header", WithHeader(Replaced(kHeader, "\"JWT\"", std::string(3000, '[')))}});
}

TEST_F(JwtAttackTest, TimesAreWholeSecondsWithinTheirLimits) {
  Attacks attacks = {
      {"expired by a second", WithPayload("1800000900", "1799999999")},
      {"expires now", WithPayload("1800000900", "1800000000")},
      {"issued in the future", WithPayload("\"iat\":1800000000", "\"iat\":1800000031")},
      {"not valid yet", WithPayload("\"iat\"", "\"nbf\":1800000031,\"iat\"")},
      {"no exp", WithPayload("\"exp\":1800000900,", "")},
      {"no iat", WithPayload("\"iat\":1800000000,", "")},
  };
  for (const char* value : {"1800000900.0",
                            "1.8000009e9",
                            "18000009e2",
                            "-1",
                            "-1800000900",
                            "-0.5",
                            "99999999999",
                            "9223372036854775807",
                            "9223372036854775808",
                            "18446744073709551616",
                            "1e400",
                            "1e308",
                            "\"1800000900\"",
                            "\"\"",
                            "null",
                            "true",
                            "[1800000900]",
                            "{}",
                            "NaN",
                            "Infinity",
                            "0x6b49d584",
                            "01800000900"}) {
    attacks.push_back({std::string("exp ") + value, WithPayload("1800000900", value)});
    attacks.push_back({std::string("iat ") + value, WithPayload("1800000000", value)});
    attacks.push_back({std::string("nbf ") + value,
                       WithPayload("\"iat\"", std::string("\"nbf\":") + value + ",\"iat\"")});
  }
  ExpectRefused(attacks);
}

TEST_F(JwtAttackTest, TokensOfOthersAndForOthersAreRefused) {
  Attacks attacks = {{"no iss", WithPayload(R"("iss":"gatehouse",)", "")},
                     {"no aud", WithPayload(R"("aud":"gatehouse",)", "")}};
  for (const char* value : {R"("other")", R"("")", R"("Gatehouse")", R"("gatehouse ")",
                            R"("gatehouse\u0000")", R"("gatehouse/")", R"(["gatehouse"])",
                            R"(["gatehouse","other"])", R"({"gatehouse":1})", "1", "null"}) {
    attacks.push_back({std::string("iss ") + value,
                       WithPayload(R"("iss":"gatehouse")", std::string("\"iss\":") + value)});
    attacks.push_back({std::string("aud ") + value,
                       WithPayload(R"("aud":"gatehouse")", std::string("\"aud\":") + value)});
  }
  ExpectRefused(attacks);
}

TEST_F(JwtAttackTest, OnlyTheSignatureOfThisTextFits) {
  const std::string signature = key_.Sign(Encoded(kHeader, kPayload));
  const std::string other = Encoded(kHeader, Replaced(kPayload, "\"user\"", "\"admin\""));
  Attacks attacks = {
      {"of another token", WithSignature(key_.Sign(other))},
      {"for another token", other + "." + Base64UrlEncode(signature)},
      {"zero", WithSignature(std::string(64, '\0'))},
      {"ones", WithSignature(std::string(64, '\xff'))},
      {"the identity", WithSignature("\x01" + std::string(63, '\0'))},
      {"a zero S", WithSignature(signature.substr(0, 32) + std::string(32, '\0'))},
      {"a zero R", WithSignature(std::string(32, '\0') + signature.substr(32))},
      {"halves swapped", WithSignature(signature.substr(32) + signature.substr(0, 32))},
      {"a byte more", WithSignature(signature + '\0')},
      {"twice", WithSignature(signature + signature)},
      {"of the decoded text", WithSignature(key_.Sign(std::string(kHeader) + "." + kPayload))},
      {"of the payload", WithSignature(key_.Sign(Base64UrlEncode(kPayload)))},
      {"in hex", Encoded(kHeader, kPayload) + "." + HexEncode(signature)},
  };
  for (std::size_t size = 0; size < signature.size(); ++size) {
    attacks.push_back({"cut to " + std::to_string(size), WithSignature(signature.substr(0, size))});
  }
  std::string malleable = signature;
  for (int times = 1; times <= 14; ++times) {
    malleable = PlusOrder(malleable);
    attacks.push_back({"S + " + std::to_string(times) + " L", WithSignature(malleable)});
  }
  ExpectRefused(attacks);
}

TEST_F(JwtAttackTest, AKeyOfSmallOrderVerifiesNothing) {
  // The points of order 1, 2, 4 and 8, and their other spellings: with S = 0 and such
  // a point as R, a lax verifier accepts any text.
  const std::vector<std::string> points = {
      "0100000000000000000000000000000000000000000000000000000000000000",
      "0100000000000000000000000000000000000000000000000000000000000080",
      "0000000000000000000000000000000000000000000000000000000000000000",
      "0000000000000000000000000000000000000000000000000000000000000080",
      "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
      "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
      "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
      "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
      "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
      "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
      "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
      "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
      "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
      "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa"};
  int accepted = 0;
  for (const std::string& key : points) {
    KeySet keys;
    keys.Add("k1", HexDecode(key).value());
    for (const std::string& r : points) {
      const std::string signature = HexDecode(r).value() + std::string(32, '\0');
      accepted +=
          VerifyJwt(keys, WithSignature(signature), "gatehouse", "gatehouse", kNow).status().ok();
    }
  }
  EXPECT_EQ(accepted, 0);
}

TEST_F(JwtAttackTest, EveryFlippedBitIsNoticed) {
  Attacks attacks;
  for (std::size_t bit = 0; bit < good_.size() * 8; ++bit) {
    std::string flipped = good_;
    flipped[bit / 8] ^= static_cast<char>(1 << (bit % 8));
    attacks.push_back({"bit " + std::to_string(bit) + " of the text", flipped});
  }
  // And of what the text means, so that base64 cannot be what refuses.
  const std::vector<std::string> parts = {kHeader, kPayload, key_.Sign(Encoded(kHeader, kPayload))};
  for (std::size_t part = 0; part < parts.size(); ++part) {
    for (std::size_t bit = 0; bit < parts[part].size() * 8; ++bit) {
      std::vector<std::string> flipped = parts;
      flipped[part][bit / 8] ^= static_cast<char>(1 << (bit % 8));
      attacks.push_back({"bit " + std::to_string(bit) + " of part " + std::to_string(part),
                         Encoded(flipped[0], flipped[1]) + "." + Base64UrlEncode(flipped[2])});
    }
  }
  ExpectRefused(attacks);
}

TEST_F(JwtAttackTest, ARemovedKeyVerifiesNothingMore) {
  EXPECT_TRUE(Passes(good_));
  KeySet later;
  later.Add(other_key_.kid(), other_key_.public_key());
  EXPECT_EQ(Reason(VerifyJwt(later, good_, "gatehouse", "gatehouse", kNow).status()),
            "CREDENTIALS_INVALID");
  EXPECT_EQ(Reason(VerifyJwt(KeySet(), good_, "gatehouse", "gatehouse", kNow).status()),
            "CREDENTIALS_INVALID");
}

}  // namespace
}  // namespace gatehouse::token
