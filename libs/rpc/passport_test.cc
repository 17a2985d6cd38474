#include "libs/rpc/passport.h"

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

#include "libs/base/secret.h"

namespace gatehouse::rpc {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class PassportTest : public ::testing::Test {
 protected:
  PassportTest() {
    token::SigningKey key = token::SigningKey::Generate("gateway");
    secret_ = key.secret_key();
    keys_["gateway"] = key.public_key();
    keys_["jobs"] = token::SigningKey::Generate("jobs").public_key();
    issuer_ = std::make_unique<PassportIssuer>("gateway", std::move(key), clock_);
    verifier_ = std::make_unique<PassportVerifier>("billing", keys_, clock_);
    ada_.set_user_id("0190f0e0-0000-7000-8000-000000000001");
    ada_.set_tenant_id(7);
    ada_.add_scopes("jobs:work");
  }

  // The gateway's signature over any bytes.
  std::string Sign(const std::string& bytes) {
    const auto key = token::SigningKey::FromSeed("gateway", secret_.substr(0, 32));
    return key->Sign(bytes);
  }

  std::string Wire(const std::string& passport, const std::string& signature) {
    type::v1::SignedPassport wire;
    wire.set_passport(passport);
    wire.set_signature(signature);
    return wire.SerializeAsString();
  }

  type::v1::Passport NewPassport() {
    type::v1::Passport passport;
    passport.set_issuer("gateway");
    passport.set_audience("billing");
    passport.mutable_expire_time()->set_seconds(1'800'000'030);
    return passport;
  }

  std::string Signed(const type::v1::Passport& passport) {
    const std::string bytes = passport.SerializeAsString();
    return Wire(bytes, Sign(std::string("gatehouse-passport-v1\0", 22) + bytes));
  }

  // Why a passport is refused; "" when it is not.
  std::string Cause(const std::string& wire) {
    const absl::Status status = verifier_->Verify(wire).status();
    if (status.ok()) return "";
    EXPECT_EQ(status.code(), absl::StatusCode::kUnauthenticated);
    EXPECT_EQ(Reason(status), "PASSPORT_INVALID");
    return std::string(status.message());
  }

  FakeClock clock_{Time(seconds(1'800'000'000))};
  std::string secret_;
  std::map<std::string, std::string> keys_;
  std::unique_ptr<PassportIssuer> issuer_;
  std::unique_ptr<PassportVerifier> verifier_;
  type::v1::Principal ada_;
};

TEST_F(PassportTest, CarriesCallerAndPrincipal) {
  const auto passport = verifier_->Verify(issuer_->Issue("billing", ada_));
  ASSERT_TRUE(passport.ok()) << passport.status();
  EXPECT_EQ((*passport)->issuer(), "gateway");
  EXPECT_EQ((*passport)->audience(), "billing");
  EXPECT_EQ((*passport)->principal().SerializeAsString(), ada_.SerializeAsString());
  EXPECT_EQ((*passport)->expire_time().seconds(), 1'800'000'030);
}

TEST_F(PassportTest, TheHandMadeOneOfTheseTestsIsGood) {
  EXPECT_EQ(Cause(Signed(NewPassport())), "");
}

TEST_F(PassportTest, LivesThirtySecondsAlsoInTheCache) {
  const std::string wire = issuer_->Issue("billing", ada_);
  EXPECT_EQ(Cause(wire), "");
  clock_.Advance(seconds(30) - std::chrono::microseconds(1));
  EXPECT_EQ(Cause(wire), "") << "from the cache";
  PassportVerifier fresh("billing", keys_, clock_);
  EXPECT_TRUE(fresh.Verify(wire).ok()) << "and for the first time";
  clock_.Advance(std::chrono::microseconds(1));
  EXPECT_EQ(Cause(wire), "the passport has expired");
  EXPECT_EQ(Reason(fresh.Verify(wire).status()), "PASSPORT_INVALID");
}

TEST_F(PassportTest, IsIssuedAnewAfterTwentySeconds) {
  const std::string first = issuer_->Issue("billing", ada_);
  clock_.Advance(seconds(20) - milliseconds(1));
  EXPECT_EQ(issuer_->Issue("billing", ada_), first);
  clock_.Advance(milliseconds(1));
  const std::string second = issuer_->Issue("billing", ada_);
  EXPECT_NE(second, first);
  EXPECT_EQ(Cause(second), "");
}

TEST_F(PassportTest, NeverMixesPrincipalsOrAudiences) {
  type::v1::Principal bob = ada_;
  bob.set_tenant_id(8);
  for (int round = 0; round < 2; ++round) {
    const auto ada = verifier_->Verify(issuer_->Issue("billing", ada_));
    const auto other = verifier_->Verify(issuer_->Issue("billing", bob));
    const auto nobody = verifier_->Verify(issuer_->Issue("billing", {}));
    ASSERT_TRUE(ada.ok() && other.ok() && nobody.ok());
    EXPECT_EQ((*ada)->principal().tenant_id(), 7);
    EXPECT_EQ((*other)->principal().tenant_id(), 8);
    EXPECT_EQ((*nobody)->principal().tenant_id(), 0);
    EXPECT_EQ(Cause(issuer_->Issue("jobs", ada_)), "the passport is for another process");
  }
}

TEST_F(PassportTest, RefusesOtherAudiencesAndIssuers) {
  type::v1::Passport passport = NewPassport();
  passport.set_audience("billing2");
  EXPECT_EQ(Cause(Signed(passport)), "the passport is for another process");
  passport = NewPassport();
  passport.set_issuer("nobody");
  EXPECT_EQ(Cause(Signed(passport)), "the issuer is unknown");
  passport.set_issuer("");
  EXPECT_EQ(Cause(Signed(passport)), "the issuer is unknown");
  passport.set_issuer("jobs");
  EXPECT_EQ(Cause(Signed(passport)), "the signature does not fit") << "signed by the gateway";
}

TEST_F(PassportTest, RefusesStrangeExpireTimes) {
  type::v1::Passport passport = NewPassport();
  passport.clear_expire_time();
  EXPECT_EQ(Cause(Signed(passport)), "the passport has expired");
  passport.mutable_expire_time()->set_seconds(INT64_MAX);
  EXPECT_EQ(Cause(Signed(passport)), "the expire_time is out of range");
  passport.mutable_expire_time()->set_seconds(-1);
  EXPECT_EQ(Cause(Signed(passport)), "the expire_time is out of range");
}

TEST_F(PassportTest, RefusesSignaturesForOtherPurposes) {
  const std::string bytes = NewPassport().SerializeAsString();
  EXPECT_EQ(Cause(Wire(bytes, Sign(bytes))), "the signature does not fit")
      << "the purpose is part of what is signed";
  EXPECT_EQ(Cause(Wire(bytes, Sign("gatehouse-passport-v1" + bytes))), "the signature does not fit")
      << "the NUL too";
  EXPECT_EQ(Cause(Wire(bytes, "")), "the signature does not fit");
}

TEST_F(PassportTest, RefusesEveryTruncation) {
  const std::string wire = issuer_->Issue("billing", ada_);
  for (std::size_t length = 0; length < wire.size(); ++length) {
    EXPECT_FALSE(verifier_->Verify(wire.substr(0, length)).ok()) << length;
  }
  EXPECT_EQ(Cause(""), "no passport");
  EXPECT_EQ(Cause(std::string(20 << 10, 'x')), "the passport is too long");
}

TEST_F(PassportTest, RefusesEveryFlippedBitAlsoOnceTheOriginalIsKnown) {
  const std::string wire = issuer_->Issue("billing", ada_);
  ASSERT_EQ(Cause(wire), "");
  const type::v1::Passport original = **verifier_->Verify(wire);
  for (std::size_t bit = 0; bit < wire.size() * 8; ++bit) {
    std::string flipped = wire;
    flipped[bit / 8] ^= static_cast<char>(1 << (bit % 8));
    const auto passport = verifier_->Verify(flipped);
    EXPECT_FALSE(passport.ok()) << "bit " << bit;
  }
  EXPECT_EQ(Cause(wire), "");
}

TEST_F(PassportTest, AKnownSignatureDoesNotVouchForOtherBytes) {
  const std::string wire = issuer_->Issue("billing", ada_);
  ASSERT_EQ(Cause(wire), "");
  type::v1::SignedPassport parts;
  ASSERT_TRUE(parts.ParseFromString(wire));
  type::v1::Passport forged;
  ASSERT_TRUE(forged.ParseFromString(parts.passport()));
  forged.mutable_principal()->set_role("admin");
  EXPECT_EQ(Cause(Wire(forged.SerializeAsString(), parts.signature())),
            "the signature does not fit");
}

TEST_F(PassportTest, StaysCorrectBeyondTheBoundsOfItsCaches) {
  for (int i = 0; i < 9000; ++i) {
    ada_.set_user_number(i);
    const auto passport = verifier_->Verify(issuer_->Issue("billing", ada_));
    ASSERT_TRUE(passport.ok()) << i;
    ASSERT_EQ((*passport)->principal().user_number(), i);
  }
}

TEST_F(PassportTest, SurvivesManyThreads) {
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      type::v1::Principal principal;
      for (int i = 0; i < 400; ++i) {
        principal.set_user_number((i * 7 + t) % 50);
        const std::string wire = issuer_->Issue("billing", principal);
        const auto passport = verifier_->Verify(wire);
        if (!passport.ok() || (*passport)->principal().user_number() != principal.user_number()) {
          ++wrong;
        }
        std::string forged = wire;
        forged[forged.size() - 40] ^= 1;
        if (verifier_->Verify(forged).ok()) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

class KeyListTest : public ::testing::Test {
 protected:
  KeyListTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "keysXXXXXX").string();
    directory_ = ::mkdtemp(pattern.data());
  }
  ~KeyListTest() override { std::filesystem::remove_all(directory_); }

  absl::StatusOr<std::map<std::string, std::string>> Read(const std::string& text) {
    std::ofstream(directory_ + "/keys") << text;
    return ReadKeyList(directory_ + "/keys");
  }

  std::string directory_;
  const std::string key_ = std::string(32, 'k');
  const std::string text_ = Base64UrlEncode(key_);
};

TEST_F(KeyListTest, ReadsNamesKeysAndComments) {
  const auto keys =
      Read("# processes\n\ngateway " + text_ + "\n  auth\t" + text_ + "  # rotated\n   # end");
  ASSERT_TRUE(keys.ok()) << keys.status();
  EXPECT_EQ(*keys, (std::map<std::string, std::string>{{"gateway", key_}, {"auth", key_}}));
  EXPECT_TRUE(Read("")->empty());
}

TEST_F(KeyListTest, RefusesBrokenLinesByNumber) {
  for (const std::string& line :
       {std::string("gateway"), std::string("gateway short"), "gateway " + text_ + " more",
        "gateway " + text_ + "=", "gateway " + Base64UrlEncode(std::string(31, 'k'))}) {
    const absl::Status status = Read("auth " + text_ + "\n" + line).status();
    EXPECT_EQ(Reason(status), "KEY_LIST_INVALID") << line;
    EXPECT_NE(status.message().find("line 2"), std::string::npos) << status;
  }
  EXPECT_EQ(Reason(Read("auth " + text_ + "\nauth " + text_).status()), "KEY_LIST_INVALID");
  EXPECT_EQ(Reason(ReadKeyList(directory_ + "/absent").status()), "KEY_LIST_INVALID");
}

}  // namespace
}  // namespace gatehouse::rpc
