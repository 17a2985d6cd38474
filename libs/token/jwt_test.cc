#include "libs/token/jwt.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "libs/base/secret.h"

namespace gatehouse::token {
namespace {

const Time kNow = Time(std::chrono::seconds(1'800'000'000));
constexpr char kIssuer[] = "gatehouse";
constexpr char kAudience[] = "api";

constexpr char kHeader[] = R"({"alg":"EdDSA","kid":"k1","typ":"JWT"})";
constexpr char kPayload[] =
    R"({"iss":"gatehouse","aud":"api","sub":"0190","jti":"0191","sid":"0192","iat":1800000000,)"
    R"("exp":1800000900,"tenant_id":7,"epoch":3,"role":"admin","scopes":["a","b"]})";

class JwtTest : public ::testing::Test {
 protected:
  JwtTest() { keys_.Add(key_.kid(), key_.public_key()); }

  Claims NewClaims() const {
    Claims claims;
    claims.issuer = kIssuer;
    claims.audience = kAudience;
    claims.subject = "0190f0e0-0000-7000-8000-000000000001";
    claims.id = "0190f0e0-0000-7000-8000-000000000002";
    claims.session_id = "0190f0e0-0000-7000-8000-000000000003";
    claims.tenant_id = 42;
    claims.epoch = 9;
    claims.role = "moderator";
    claims.scopes = {"jobs:work", "with space \"quoted\""};
    claims.issue_time = kNow;
    claims.expire_time = kNow + std::chrono::minutes(15);
    return claims;
  }

  // A token with exactly these texts, correctly signed.
  std::string Raw(const std::string& header, const std::string& payload) const {
    const std::string bytes = Base64UrlEncode(header) + "." + Base64UrlEncode(payload);
    return bytes + "." + Base64UrlEncode(key_.Sign(bytes));
  }

  // kPayload with `from` replaced, or the test fails.
  static std::string Replaced(const std::string& from, const std::string& to) {
    std::string payload = kPayload;
    const std::size_t at = payload.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return payload.replace(at, from.size(), to);
  }

  absl::StatusOr<Claims> Verify(const std::string& jwt, Time now = kNow) const {
    return VerifyJwt(keys_, jwt, kIssuer, kAudience, now);
  }

  // Why a token is refused; "" when it is not.
  std::string Cause(const std::string& jwt, Time now = kNow) const {
    const absl::Status status = Verify(jwt, now).status();
    if (status.ok()) return "";
    EXPECT_EQ(status.code(), absl::StatusCode::kUnauthenticated);
    EXPECT_EQ(Reason(status), "CREDENTIALS_INVALID");
    return std::string(status.message());
  }
  std::string PayloadCause(const std::string& from, const std::string& to) const {
    return Cause(Raw(kHeader, Replaced(from, to)));
  }
  std::string HeaderCause(const std::string& header) const { return Cause(Raw(header, kPayload)); }

  const SigningKey key_ = SigningKey::Generate("k1");
  KeySet keys_;
};

TEST_F(JwtTest, CarriesEveryClaim) {
  const Claims claims = NewClaims();
  const auto read = Verify(SignJwt(key_, claims));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->issuer, claims.issuer);
  EXPECT_EQ(read->audience, claims.audience);
  EXPECT_EQ(read->subject, claims.subject);
  EXPECT_EQ(read->id, claims.id);
  EXPECT_EQ(read->session_id, claims.session_id);
  EXPECT_EQ(read->tenant_id, 42);
  EXPECT_EQ(read->epoch, 9);
  EXPECT_EQ(read->role, "moderator");
  EXPECT_EQ(read->scopes, claims.scopes);
  EXPECT_EQ(read->issue_time, kNow);
  EXPECT_EQ(read->expire_time, kNow + std::chrono::minutes(15));
}

TEST_F(JwtTest, AcceptsTheTokenThatTheAttacksChange) {
  EXPECT_EQ(Cause(Raw(kHeader, kPayload)), "");
  EXPECT_EQ(HeaderCause(R"({"alg":"EdDSA","kid":"k1"})"), "");
  EXPECT_EQ(HeaderCause(R"({"typ":"at+jwt","alg":"EdDSA","kid":"k1"})"), "");
  EXPECT_EQ(PayloadCause(R"("role")", R"("extra":{"deep":[1.5,null]},"role")"), "");
}

TEST_F(JwtTest, TheKeyFixesTheAlgorithm) {
  const std::string unsigned_token =
      Base64UrlEncode(R"({"alg":"none","kid":"k1"})") + "." + Base64UrlEncode(kPayload) + ".";
  EXPECT_EQ(Cause(unsigned_token), "alg is not EdDSA");
  const std::string hmac_bytes = Base64UrlEncode(R"({"alg":"HS256","kid":"k1","typ":"JWT"})") +
                                 "." + Base64UrlEncode(kPayload);
  const std::string mac = HmacSha256(key_.public_key(), hmac_bytes);
  EXPECT_EQ(Cause(hmac_bytes + "." + Base64UrlEncode(mac)), "alg is not EdDSA")
      << "the public key as the secret of an HMAC";
  for (const char* alg : {R"("eddsa")", R"("ES256")", R"("RS256")", R"("None")", R"("")", "7",
                          "null", R"(["EdDSA"])"}) {
    EXPECT_EQ(HeaderCause(std::string(R"({"alg":)") + alg + R"(,"kid":"k1"})"), "alg is not EdDSA")
        << alg;
  }
  EXPECT_EQ(HeaderCause(R"({"kid":"k1"})"), "alg is not EdDSA");
}

TEST_F(JwtTest, RefusesForeignKeys) {
  const SigningKey other = SigningKey::Generate("k2");
  EXPECT_EQ(Cause(SignJwt(other, NewClaims())), "unknown kid");
  const SigningKey impostor = SigningKey::Generate("k1");
  EXPECT_EQ(Cause(SignJwt(impostor, NewClaims())), "the signature does not fit");
  EXPECT_EQ(HeaderCause(R"({"alg":"EdDSA"})"), "no kid");
  EXPECT_EQ(HeaderCause(R"({"alg":"EdDSA","kid":1})"), "no kid");
  EXPECT_EQ(HeaderCause(R"({"alg":"EdDSA","kid":""})"), "unknown kid");
  EXPECT_EQ(HeaderCause(R"({"alg":"EdDSA","kid":"K1"})"), "unknown kid");
}

TEST_F(JwtTest, RefusesHeadersThatAskForMore) {
  for (const char* member : {R"("crit":["exp"])", R"("crit":[])", R"("b64":false)",
                             R"("zip":"DEF")", R"("jku":"https://example.org")",
                             R"("jwk":{"kty":"OKP"})", R"("x5c":[])", R"("cty":"JWT")"}) {
    EXPECT_EQ(HeaderCause(std::string(R"({"alg":"EdDSA","kid":"k1",)") + member + "}"),
              "a header member that is not understood")
        << member;
  }
  for (const char* typ : {R"("JWE")", R"("jwt")", R"("")", "null", "1"}) {
    EXPECT_EQ(HeaderCause(std::string(R"({"alg":"EdDSA","kid":"k1","typ":)") + typ + "}"),
              "typ is not JWT or at+jwt")
        << typ;
  }
}

TEST_F(JwtTest, RefusesDuplicateNames) {
  EXPECT_EQ(HeaderCause(R"({"alg":"EdDSA","kid":"k1","kid":"k1"})"),
            "the header is not a JSON object");
  EXPECT_EQ(HeaderCause(R"({"alg":"none","alg":"EdDSA","kid":"k1"})"),
            "the header is not a JSON object");
  const std::string repeated = "the claims are not a JSON object with unique names";
  EXPECT_EQ(PayloadCause(R"("epoch":3)", R"("epoch":3,"epoch":4)"), repeated);
  EXPECT_EQ(PayloadCause(R"("epoch":3)", R"("epoch":3,"epo\u0063h":4)"), repeated)
      << "escaped differently";
  EXPECT_EQ(PayloadCause(R"("epoch":3)", R"("epoch":3,"x":{"y":1,"y":2})"), repeated);
  EXPECT_EQ(PayloadCause(R"("epoch":3)", R"("epoch":3,"x":{"epoch":1})"), "")
      << "the same name at another depth is no duplicate";
}

TEST_F(JwtTest, RefusesMalformedJson) {
  const std::string not_object = "the claims are not a JSON object with unique names";
  for (const std::string& payload :
       {std::string(""), std::string("[]"), std::string("null"), std::string("\"text\""),
        std::string(kPayload) + "x", std::string(kPayload) + kPayload,
        "/**/" + std::string(kPayload), Replaced("\"admin\"", "\"\xC3\x28\""), Replaced("}", ",}"),
        Replaced("\"role\"", "role"), Replaced("3", "03"),
        Replaced("[\"a\",\"b\"]", "[[[[[[[[[[]]]]]]]]]]")}) {
    EXPECT_EQ(Cause(Raw(kHeader, payload)), not_object) << payload;
  }
  EXPECT_EQ(HeaderCause("[]"), "the header is not a JSON object");
  EXPECT_EQ(HeaderCause(""), "the header is not a JSON object");
}

TEST_F(JwtTest, RefusesWronglyTypedClaims) {
  EXPECT_EQ(PayloadCause("1800000900", "1800000900.0"), "exp is missing or not a time");
  EXPECT_EQ(PayloadCause("1800000900", "1.8000009e9"), "exp is missing or not a time");
  EXPECT_EQ(PayloadCause("1800000900", "\"1800000900\""), "exp is missing or not a time");
  EXPECT_EQ(PayloadCause("1800000900", "-1"), "exp is missing or not a time");
  EXPECT_EQ(PayloadCause("1800000900", "null"), "exp is missing or not a time");
  EXPECT_EQ(PayloadCause("1800000900", "9223372036854775807"), "exp is missing or not a time");
  EXPECT_EQ(PayloadCause("1800000900", "18446744073709551615"), "exp is missing or not a time");
  EXPECT_EQ(PayloadCause("1800000000", "true"), "iat is missing or not a time");
  EXPECT_EQ(PayloadCause("\"gatehouse\"", "1"), "iss is missing or not a text");
  EXPECT_EQ(PayloadCause("\"api\"", "[\"api\"]"), "aud is missing or not a text");
  EXPECT_EQ(PayloadCause("\"0190\"", "190"), "sub is missing or not a text");
  EXPECT_EQ(PayloadCause("\"0191\"", "null"), "jti is missing or not a text");
  EXPECT_EQ(PayloadCause("\"0192\"", "192"), "sid is missing or not a text");
  EXPECT_EQ(PayloadCause(":7", ":\"7\""), "tenant_id is missing or not an integer");
  EXPECT_EQ(PayloadCause(":3", ":3.0"), "epoch is missing or not an integer");
  EXPECT_EQ(PayloadCause("\"admin\"", "[]"), "role is missing or not a text");
  EXPECT_EQ(PayloadCause("[\"a\",\"b\"]", "\"a b\""), "scopes is missing or not a list of texts");
  EXPECT_EQ(PayloadCause("[\"a\",\"b\"]", "[\"a\",1]"), "scopes is missing or not a list of texts");
}

TEST_F(JwtTest, RefusesMissingClaims) {
  EXPECT_EQ(PayloadCause(R"("iss":"gatehouse",)", ""), "iss is missing or not a text");
  EXPECT_EQ(PayloadCause(R"("aud":"api",)", ""), "aud is missing or not a text");
  EXPECT_EQ(PayloadCause(R"("jti":"0191",)", ""), "jti is missing or not a text");
  EXPECT_EQ(PayloadCause(R"("sid":"0192",)", ""), "sid is missing or not a text");
  EXPECT_EQ(PayloadCause(R"("iat":1800000000,)", ""), "iat is missing or not a time");
  EXPECT_EQ(PayloadCause(R"("exp":1800000900,)", ""), "exp is missing or not a time");
  EXPECT_EQ(PayloadCause(R"("epoch":3,)", ""), "epoch is missing or not an integer");
}

TEST_F(JwtTest, RefusesOtherIssuersAndAudiences) {
  EXPECT_EQ(PayloadCause("\"gatehouse\"", "\"gatehouse2\""), "another issuer");
  EXPECT_EQ(PayloadCause("\"gatehouse\"", "\"\""), "another issuer");
  EXPECT_EQ(PayloadCause("\"api\"", "\"console\""), "another audience");
}

TEST_F(JwtTest, EndsAtItsExpireTime) {
  const std::string jwt = SignJwt(key_, NewClaims());
  const Time end = kNow + std::chrono::minutes(15);
  EXPECT_EQ(Cause(jwt, end - std::chrono::nanoseconds(1)), "");
  EXPECT_EQ(Cause(jwt, end), "expired");
  EXPECT_EQ(Cause(jwt, end + std::chrono::hours(24)), "expired");
}

TEST_F(JwtTest, AllowsThirtySecondsOfSkew) {
  const std::string jwt = SignJwt(key_, NewClaims());
  EXPECT_EQ(Cause(jwt, kNow - std::chrono::seconds(30)), "");
  EXPECT_EQ(Cause(jwt, kNow - std::chrono::seconds(31)), "issued in the future");
  const auto not_before = [&](const std::string& value) {
    return PayloadCause(R"("epoch")", R"("nbf":)" + value + R"(,"epoch")");
  };
  EXPECT_EQ(not_before("1800000030"), "");
  EXPECT_EQ(not_before("1800000031"), "not valid yet");
  EXPECT_EQ(not_before("\"1800000000\""), "nbf is missing or not a time");
}

TEST_F(JwtTest, RefusesOtherShapes) {
  const std::string jwt = SignJwt(key_, NewClaims());
  const std::size_t dot = jwt.find('.');
  for (const std::string& text :
       {std::string(), std::string("."), std::string("a.b"), jwt + ".", jwt + ".e30", "." + jwt,
        jwt.substr(0, dot) + jwt.substr(dot + 1), jwt.substr(0, jwt.rfind('.'))}) {
    EXPECT_EQ(Cause(text), "not three parts") << text;
  }
  EXPECT_NE(Cause(".."), "");
  EXPECT_EQ(Cause(jwt + "="), "not canonical base64url");
  EXPECT_EQ(Cause(jwt + "\n"), "not canonical base64url");
  EXPECT_EQ(Cause(" " + jwt), "not canonical base64url");
}

TEST_F(JwtTest, RefusesEveryTruncatedSignature) {
  const std::string jwt = SignJwt(key_, NewClaims());
  const std::size_t signature = jwt.rfind('.') + 1;
  for (std::size_t length = signature; length < jwt.size(); ++length) {
    EXPECT_FALSE(Verify(jwt.substr(0, length)).ok()) << length;
  }
  const std::string bytes = jwt.substr(0, signature - 1);
  EXPECT_EQ(Cause(bytes + "." + Base64UrlEncode(key_.Sign(bytes) + "x")),
            "the signature does not fit");
}

TEST_F(JwtTest, RefusesEveryOtherSpellingOfBase64) {
  // 64 bytes leave four unused bits in the last character: sixteen spellings decode
  // alike in a lax decoder, and a cache or a revocation list would see sixteen tokens.
  const std::string alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  const std::string jwt = SignJwt(key_, NewClaims());
  int accepted = 0;
  for (char c : alphabet) {
    std::string other = jwt;
    other.back() = c;
    accepted += Verify(other).ok();
  }
  EXPECT_EQ(accepted, 1);
  std::string standard = jwt;
  std::replace(standard.begin(), standard.end(), '_', '/');
  std::replace(standard.begin(), standard.end(), '-', '+');
  if (standard != jwt) {
    EXPECT_EQ(Cause(standard), "not canonical base64url");
  }
}

TEST_F(JwtTest, RefusesEveryFlippedBit) {
  const std::string jwt = SignJwt(key_, NewClaims());
  for (std::size_t bit = 0; bit < jwt.size() * 8; ++bit) {
    std::string flipped = jwt;
    flipped[bit / 8] ^= static_cast<char>(1 << (bit % 8));
    EXPECT_FALSE(Verify(flipped).ok()) << "bit " << bit;
  }
}

TEST_F(JwtTest, RefusesMoreThanEightKibibytes) {
  const std::string empty = Raw(kHeader, Replaced("\"admin\"", "\"\""));
  std::string role(5700, 'r');
  std::string jwt;
  // Base64 grows by steps of up to two characters: walk to the limit.
  do {
    jwt = Raw(kHeader, Replaced("\"admin\"", "\"" + role + "\""));
    if (jwt.size() <= 8192) {
      EXPECT_EQ(Cause(jwt), "") << jwt.size();
    }
    role.push_back('r');
  } while (jwt.size() <= 8192);
  EXPECT_EQ(Cause(jwt), "longer than 8 KiB");
  EXPECT_LE(jwt.size(), 8192u + 2);
  EXPECT_EQ(Cause(std::string(10 << 20, '.')), "longer than 8 KiB");
  EXPECT_EQ(Cause(empty), "");
}

TEST_F(JwtTest, AMessageOfTheCauseNeverHoldsTheToken) {
  const std::string jwt = SignJwt(key_, NewClaims());
  EXPECT_EQ(Cause(jwt, kNow + std::chrono::hours(1)).find(jwt.substr(0, 20)), std::string::npos);
}

}  // namespace
}  // namespace gatehouse::token
