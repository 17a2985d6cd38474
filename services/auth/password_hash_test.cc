#include "services/auth/password_hash.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "services/auth/password.h"

namespace gatehouse::auth {
namespace {

struct Vector {
  std::string password;
  std::string hash;
};

// "U*U…" and the byte 0xA3 are crypt_blowfish's own, the others were made with libxcrypt.
const std::vector<Vector> kBcrypt = {
    {"U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"},
    {"U*U*", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK"},
    {"U*U*U", "$2a$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a"},
    {"\xa3", "$2y$05$/OK.fbVrR/bpIqNJ5ianF.Sa7shbm4.OzKpvFnX1pQLmQW96oUlCq"},
    {"kestrel-plum-91", "$2b$04$abcdefghijklmnopqrstuulttEbk3fDooASkLkPubqvuwr.htemE6"},
    {"grüße aus łódź 7", "$2b$04$abcdefghijklmnopqrstuuDYqDuD0lEVp8z2Des/7B.1kA/HJOMzO"},
};

// The first is of Django's own tests, the others were made with Python's hashlib.
const std::vector<Vector> kDjango = {
    {"lètmein", "pbkdf2_sha256$10000$seasalt$CWWFdHOWwPnki7HvkcqN9iA2T3KLW1cf2uZ5kvArtVY="},
    {"kestrel-plum-91",
     "pbkdf2_sha256$1000$Zs3hJ7qkQw2n$RBnb/0pdw/oRyX7h/eBXM1xpgEZwH0cgKHumstSDvpQ="},
    {"kestrel-plum-91",
     "pbkdf2_sha256$1$Zs3hJ7qkQw2n$NBBnVL7nHVKFYm+NWnq9VTO99kIYqVDxfdU17Xd+yT0="},
    {"grüße aus łódź 7", "pbkdf2_sha256$2000$salz$DIMgcbkaj2kjHfr3sfOlGXeJvUrFRjjNxXAoj9msSbA="},
};

// The first is of Argon2's own tests.
const std::vector<Vector> kForeignArgon2id = {
    {"password",
     "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"},
    {"kestrel-plum-91",
     "$argon2id$v=19$m=8192,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$"
     "cVG5+w+mnGzxf57IHMYl3gx3URz4Oau8BUPDwo0Jn4E"},
};
const Vector kPresentArgon2id = {"kestrel-plum-91",
                                 "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$"
                                 "RwsXY98csLHXkfjkk9azVE0EuClq89xZCUGLHyJr62E"};

const std::string kEightyDigits =
    "01234567890123456789012345678901234567890123456789012345678901234567890123456789";

class ForeignHashTest : public ::testing::Test {
 protected:
  Fit Verify(const std::string& password, const std::string& hash) {
    const absl::StatusOr<Fit> fit = hasher_.Verify(password, hash);
    EXPECT_TRUE(fit.ok()) << fit.status();
    return fit.value_or(Fit::kNo);
  }

  PasswordHasher hasher_{{.threads = 1}};
};

TEST_F(ForeignHashTest, FitsAreOutdated) {
  for (const auto* vectors : {&kBcrypt, &kDjango, &kForeignArgon2id}) {
    for (const Vector& vector : *vectors) {
      EXPECT_EQ(Verify(vector.password, vector.hash), Fit::kOutdated) << vector.hash;
      EXPECT_EQ(Verify(vector.password + "x", vector.hash), Fit::kNo) << vector.hash;
      EXPECT_EQ(Verify(vector.password + '\0', vector.hash), Fit::kNo) << vector.hash;
      EXPECT_EQ(Verify("", vector.hash), Fit::kNo) << vector.hash;
    }
  }
  EXPECT_EQ(Verify(kPresentArgon2id.password, kPresentArgon2id.hash), Fit::kYes);
}

TEST_F(ForeignHashTest, EveryKindOfBcryptHasItsForm) {
  std::string hash = kBcrypt[4].hash;
  for (const char kind : {'a', 'b', 'y'}) {
    hash[2] = kind;
    EXPECT_EQ(FormOf(hash), HashForm::kBcrypt);
    EXPECT_TRUE(FitsBcrypt(kBcrypt[4].password, hash)) << hash;
  }
  hash[2] = 'x';
  EXPECT_EQ(FormOf(hash), HashForm::kMalformed) << "of a faulty program";
}

TEST_F(ForeignHashTest, BcryptAloneSeesNoMoreThan72Bytes) {
  const std::string hash = "$2b$04$abcdefghijklmnopqrstuum2G75IXDN/xsgbNa/hCiPSKyIHQd70S";
  EXPECT_EQ(Verify(kEightyDigits, hash), Fit::kOutdated);
  EXPECT_EQ(Verify(kEightyDigits.substr(0, 72), hash), Fit::kOutdated);
  EXPECT_EQ(Verify(kEightyDigits.substr(0, 71), hash), Fit::kNo);
  EXPECT_EQ(Verify(std::string(kEightyDigits) + std::string(944, 'x'), hash), Fit::kOutdated);

  const std::string own = hasher_.Hash(kEightyDigits).value_or("");
  EXPECT_EQ(Verify(kEightyDigits, own), Fit::kYes);
  EXPECT_EQ(Verify(kEightyDigits.substr(0, 79) + 'x', own), Fit::kNo);
  EXPECT_EQ(Verify(kEightyDigits.substr(0, 72), own), Fit::kNo);
}

// Every cut and every changed character of good hashes, and some that are far off.
std::vector<std::string> Malformed() {
  std::vector<std::string> hashes = {
      "$",
      "$2b$",
      "$argon2id$",
      "pbkdf2_sha256$",
      "plain text",
      std::string(100'000, '$'),
      "$2b$31$abcdefghijklmnopqrstuulttEbk3fDooASkLkPubqvuwr.htemE6",
      "$2b$16$abcdefghijklmnopqrstuulttEbk3fDooASkLkPubqvuwr.htemE6",
      "$2b$03$abcdefghijklmnopqrstuulttEbk3fDooASkLkPubqvuwr.htemE6",
      "$2b$+4$abcdefghijklmnopqrstuulttEbk3fDooASkLkPubqvuwr.htemE6",
      "pbkdf2_sha256$0$salz$DIMgcbkaj2kjHfr3sfOlGXeJvUrFRjjNxXAoj9msSbA=",
      "pbkdf2_sha256$-1$salz$DIMgcbkaj2kjHfr3sfOlGXeJvUrFRjjNxXAoj9msSbA=",
      "pbkdf2_sha256$2000001$salz$DIMgcbkaj2kjHfr3sfOlGXeJvUrFRjjNxXAoj9msSbA=",
      "pbkdf2_sha256$99999999999999999999$salz$DIMgcbkaj2kjHfr3sfOlGXeJvUrFRjjNxXAoj9msSbA=",
      "pbkdf2_sha256$2000$$DIMgcbkaj2kjHfr3sfOlGXeJvUrFRjjNxXAoj9msSbA=",
      "pbkdf2_sha1$2000$salz$DIMgcbkaj2kjHfr3sfOlGXeJvUrFRjjNxXAoj9msSbA=",
      "$argon2id$v=19$m=4194304,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
      "$argon2id$v=19$m=65536,t=99,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
      "$argon2i$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
      kPresentArgon2id.hash + std::string(200, 'A'),
      kPresentArgon2id.hash + '\0',
  };
  for (const std::string& hash : {kBcrypt[4].hash, kDjango[2].hash}) {
    for (std::size_t at = 0; at < hash.size(); ++at) {
      hashes.push_back(hash.substr(0, at));
      hashes.push_back(hash);
      hashes.back()[at] = '\x80';
    }
  }
  return hashes;
}

TEST_F(ForeignHashTest, MalformedOnesFitNothing) {
  for (const std::string& hash : Malformed()) {
    const HashForm form = FormOf(hash);
    EXPECT_FALSE(form == HashForm::kBcrypt && FitsBcrypt(kBcrypt[4].password, hash)) << hash;
    EXPECT_FALSE(FitsDjango(kDjango[2].password, hash)) << hash;
  }
  for (const std::string hash : {"$2b$04$", "pbkdf2_sha256$1$", "$argon2id$v=19$m=8,t=1,p=1$$"}) {
    EXPECT_EQ(Verify("kestrel-plum-91", hash), Fit::kNo) << hash;
  }
}

TEST_F(ForeignHashTest, CostsThatHoldAThreadForSecondsAreMalformed) {
  const std::vector<std::string> hashes = Malformed();
  for (std::size_t i = 6; i < 21; ++i) {
    EXPECT_EQ(FormOf(hashes[i]), HashForm::kMalformed) << hashes[i];
  }
}

}  // namespace
}  // namespace gatehouse::auth
