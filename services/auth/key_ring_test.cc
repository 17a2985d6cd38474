#include "services/auth/key_ring.h"

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <thread>

#include "libs/base/secret.h"
#include "libs/base/uuid.h"
#include "services/auth/auth_testing.h"
#include "services/auth/control_store.h"
#include "services/auth/credential.h"

namespace gatehouse::auth {
namespace {

using std::chrono::seconds;
using testing::Eventually;
using testing::kSecretKey;

token::Claims NewClaims() {
  token::Claims claims;
  claims.subject = UuidV7();
  claims.id = UuidV7();
  claims.session_id = UuidV7();
  claims.tenant_id = 7;
  claims.epoch = 3;
  claims.role = "user";
  claims.issue_time = SystemClock().Now();
  claims.expire_time = claims.issue_time + kAccessLifeMax;
  return claims;
}

std::string KidOf(const std::string& jwt) {
  const std::string header = Base64UrlDecode(jwt.substr(0, jwt.find('.'))).value();
  const std::size_t begin = header.find("k_");
  return header.substr(begin, header.find('"', begin) - begin);
}

bool Verifies(const token::KeySet& keys, const std::string& jwt) {
  return token::VerifyJwt(keys, jwt, kIssuer, kAudience, SystemClock().Now()).ok();
}

class KeyRingTest : public ::testing::Test {
 protected:
  absl::StatusOr<std::string> Sign(KeyRing& keys) {
    return database_.db().InTransaction(
        [&](pg::Tx& tx) -> absl::StatusOr<std::string> { return keys.Sign(tx, NewClaims()); });
  }
  std::string Sign() {
    const auto jwt = Sign(keys_);
    EXPECT_TRUE(jwt.ok()) << jwt.status();
    return jwt.value_or("");
  }
  std::string Signer() { return KidOf(Sign()); }

  absl::StatusOr<std::string> Rotate(KeyRing& keys, seconds wait) {
    return database_.db().InTransaction(
        [&](pg::Tx& tx) -> absl::StatusOr<std::string> { return keys.Rotate(tx, wait); });
  }
  std::string Rotate(seconds wait) {
    const auto kid = Rotate(keys_, wait);
    EXPECT_TRUE(kid.ok()) << kid.status();
    return kid.value_or("");
  }

  token::KeySet Published() {
    const auto keys = database_.db().Read(
        [](pg::Tx& tx) -> absl::StatusOr<token::KeySet> { return PublishedKeys(tx); });
    EXPECT_TRUE(keys.ok()) << keys.status();
    return keys.value_or(token::KeySet());
  }
  bool IsPublished(const std::string& kid) { return Published().Find(kid) != nullptr; }

  // Sets columns of a key: time passes.
  void Set(const std::string& kid, const std::string& columns) {
    database_.Execute("UPDATE auth.signing_keys SET " + columns + " WHERE kid = '" + kid + "'");
  }
  // From one time of a key to one of another, in whole seconds.
  int SecondsBetween(const std::string& from, const std::string& from_column, const std::string& to,
                     const std::string& to_column) {
    return std::stoi(
        database_.Select("SELECT extract(epoch from t." + to_column + " - f." + from_column +
                         ")::int FROM auth.signing_keys f, auth.signing_keys t WHERE f.kid = '" +
                         from + "' AND t.kid = '" + to + "'"));
  }
  int Count() { return database_.Count("auth.signing_keys"); }

  testing::AuthDatabase database_;
  KeyRing keys_{kSecretKey};
};

TEST_F(KeyRingTest, TheFirstKeyIsMadeOnceAndSignsAtOnce) {
  ASSERT_EQ(keys_.Ensure(database_.db()), absl::OkStatus());
  ASSERT_EQ(keys_.Ensure(database_.db()), absl::OkStatus());
  EXPECT_EQ(Count(), 1);
  EXPECT_EQ(database_.Count("auth.control_log WHERE kind = 'keys'"), 1);
  EXPECT_TRUE(Verifies(Published(), Sign()));
}

TEST_F(KeyRingTest, ProcessesThatStartTogetherMakeOneKey) {
  std::vector<std::thread> threads;
  std::atomic<int> failures = 0;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] { failures += !KeyRing(kSecretKey).Ensure(database_.db()).ok(); });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failures, 0);
  EXPECT_EQ(Count(), 1);
}

TEST_F(KeyRingTest, ASignedTokenCarriesTheClaimsAndOurNames) {
  ASSERT_EQ(keys_.Ensure(database_.db()), absl::OkStatus());
  token::Claims claims = NewClaims();
  claims.issuer = "somebody";
  const auto jwt = database_.db().InTransaction(
      [&](pg::Tx& tx) -> absl::StatusOr<std::string> { return keys_.Sign(tx, claims); });
  ASSERT_TRUE(jwt.ok()) << jwt.status();
  const auto read =
      token::VerifyJwt(Published(), *jwt, "gatehouse", "gatehouse", SystemClock().Now());
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->subject, claims.subject);
  EXPECT_EQ(read->session_id, claims.session_id);
  EXPECT_EQ(read->epoch, 3);
}

TEST_F(KeyRingTest, WithoutAKeyNothingIsSigned) {
  const auto jwt = Sign(keys_);
  EXPECT_EQ(jwt.status().code(), absl::StatusCode::kInternal);
  EXPECT_EQ(Reason(jwt.status()), "SIGNING_KEY_MISSING");
}

TEST_F(KeyRingTest, AWrongSecretKeyIsNoticedAndChangesNothing) {
  ASSERT_EQ(keys_.Ensure(database_.db()), absl::OkStatus());
  const std::string other_secret = "another secret key, at least 32 bytes";
  KeyRing other(other_secret);
  const absl::Status ensured = other.Ensure(database_.db());
  EXPECT_EQ(ensured.code(), absl::StatusCode::kFailedPrecondition);
  for (const absl::Status& status :
       {ensured, Sign(other).status(), Rotate(other, seconds(0)).status()}) {
    EXPECT_EQ(Reason(status), "SECRET_KEY_WRONG");
    EXPECT_EQ(status.ToString().find(other_secret), std::string::npos);
  }
  EXPECT_EQ(Count(), 1);
  EXPECT_TRUE(Verifies(Published(), Sign())) << "the right one still signs";
}

TEST_F(KeyRingTest, AnEmptySecretKeySealsNothing) {
  EXPECT_EQ(Reason(KeyRing("").Ensure(database_.db())), "SECRET_KEY_MISSING");
  EXPECT_EQ(Count(), 0);
}

TEST_F(KeyRingTest, SeedsLieSealedInTheDatabase) {
  ASSERT_EQ(keys_.Ensure(database_.db()), absl::OkStatus());
  const std::string sealed = HexDecode(database_.Select("SELECT encode(sealed_seed, 'hex') FROM "
                                                        "auth.signing_keys"))
                                 .value();
  const std::string public_key =
      database_.Select("SELECT encode(public_key, 'hex') FROM auth.signing_keys");
  // A seed that stood there in clear would make the public key.
  for (std::size_t at = 0; at + 32 <= sealed.size(); ++at) {
    const auto key = token::SigningKey::FromSeed("k", sealed.substr(at, 32));
    ASSERT_TRUE(key.ok());
    EXPECT_NE(HexEncode(key->public_key()), public_key) << at;
  }
}

TEST_F(KeyRingTest, AChangedOrMovedSeedIsNotUsed) {
  ASSERT_EQ(keys_.Ensure(database_.db()), absl::OkStatus());
  const std::string sealed =
      database_.Select("SELECT encode(sealed_seed, 'hex') FROM auth.signing_keys");
  ASSERT_EQ(sealed.size(), 2u * (24 + 16 + 32)) << "nonce, tag, seed";
  for (const int byte : {0, 23, 24, 39, 40, 71}) {
    const std::string at = std::to_string(byte);
    database_.Execute("UPDATE auth.signing_keys SET sealed_seed = set_byte(sealed_seed, " + at +
                      ", get_byte(sealed_seed, " + at + ") # 1)");
    EXPECT_EQ(Reason(KeyRing(kSecretKey).Ensure(database_.db())), "SECRET_KEY_WRONG") << byte;
    database_.Execute("UPDATE auth.signing_keys SET sealed_seed = decode('" + sealed + "', 'hex')");
  }
  ASSERT_EQ(KeyRing(kSecretKey).Ensure(database_.db()), absl::OkStatus());
  Rotate(seconds(0));
  database_.Execute("UPDATE auth.signing_keys SET sealed_seed = decode('" + sealed + "', 'hex')");
  EXPECT_EQ(Reason(KeyRing(kSecretKey).Ensure(database_.db())), "SECRET_KEY_WRONG");
  EXPECT_EQ(Reason(Sign(keys_).status()), "SECRET_KEY_WRONG");
}

TEST_F(KeyRingTest, ANewKeyIsPublishedAtOnceAndSignsAfterTheWait) {
  ASSERT_EQ(keys_.Ensure(database_.db()), absl::OkStatus());
  const std::string old = Signer();
  const std::string before = Sign();
  const std::string kid = Rotate(seconds(600));
  EXPECT_TRUE(IsPublished(kid));
  EXPECT_TRUE(IsPublished(old));
  EXPECT_EQ(Signer(), old);
  EXPECT_EQ(database_.Count("auth.control_log WHERE kind = 'keys'"), 2);
  Set(kid, "activate_time = now()");
  EXPECT_EQ(Signer(), kid);
  EXPECT_TRUE(Verifies(Published(), before)) << "what the old key signed lives on";
}

TEST_F(KeyRingTest, AnOldKeyRetiresWhenItsLastTokenHasEnded) {
  ASSERT_EQ(keys_.Ensure(database_.db()), absl::OkStatus());
  const std::string old = Signer();
  const std::string kid = Rotate(seconds(600));
  EXPECT_EQ(SecondsBetween(kid, "activate_time", old, "retire_time"), 1860);
  EXPECT_EQ(database_.Count("auth.signing_keys WHERE retire_time IS NULL"), 1);
  Set(kid, "activate_time = now() - interval '1 hour'");
  Set(old, "activate_time = now() - interval '2 hours', retire_time = now()");
  EXPECT_FALSE(IsPublished(old));
  EXPECT_TRUE(IsPublished(kid));
  EXPECT_EQ(Count(), 2);
  Rotate(seconds(600));
  EXPECT_EQ(database_.Count("auth.signing_keys WHERE kid = '" + old + "'"), 0);
  EXPECT_EQ(Count(), 2) << "the retired one is forgotten";
}

TEST_F(KeyRingTest, AShortRotationOvertakesALongOne) {
  ASSERT_EQ(keys_.Ensure(database_.db()), absl::OkStatus());
  const std::string slow = Rotate(seconds(86400));
  const std::string quick = Rotate(seconds(0));
  EXPECT_EQ(Signer(), quick);
  EXPECT_EQ(SecondsBetween(slow, "activate_time", slow, "retire_time"), 1860);
  Set(slow, "activate_time = now()");
  EXPECT_EQ(Signer(), quick) << "the one that retires must not sign again";
}

TEST_F(KeyRingTest, ParallelRotationsLeaveOneKeyWithoutAnEnd) {
  ASSERT_EQ(keys_.Ensure(database_.db()), absl::OkStatus());
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] { Rotate(seconds(0)); });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(Count(), 9);
  EXPECT_EQ(database_.Count("auth.signing_keys WHERE retire_time IS NULL"), 1);
  EXPECT_EQ(Signer(),
            database_.Select("SELECT kid FROM auth.signing_keys WHERE retire_time IS NULL"));
}

// Signs without a pause and verifies each token at once and again at the end, with
// the keys as a gateway knows them.
class Drill {
 public:
  Drill(std::function<std::string()> sign, std::function<token::KeySet()> published)
      : sign_(std::move(sign)), published_(std::move(published)), known_(published_()) {
    threads_.emplace_back([this] {
      while (!stop_) {
        token::KeySet keys = published_();
        {
          std::lock_guard lock(mutex_);
          known_ = std::move(keys);
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(3));
      }
    });
    for (int i = 0; i < 3; ++i) {
      threads_.emplace_back([this] {
        while (!stop_) Check(sign_());
      });
    }
  }

  ~Drill() { Stop(); }

  // How many tokens a key has signed so far.
  int SignedBy(const std::string& kid) {
    std::lock_guard lock(mutex_);
    return static_cast<int>(tokens_[kid].size());
  }

  // Ends it; how many tokens did not verify.
  int Failures() {
    Stop();
    const token::KeySet keys = published_();
    for (const auto& [kid, tokens] : tokens_) {
      for (const std::string& token : tokens) failures_ += !Verifies(keys, token);
    }
    return failures_;
  }

 private:
  void Stop() {
    stop_ = true;
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

  void Check(const std::string& token) {
    std::lock_guard lock(mutex_);
    failures_ += !Verifies(known_, token);
    tokens_[KidOf(token)].push_back(token);
  }

  const std::function<std::string()> sign_;
  const std::function<token::KeySet()> published_;
  std::atomic<bool> stop_ = false;
  std::mutex mutex_;
  token::KeySet known_;                                     // guarded by mutex_
  std::map<std::string, std::vector<std::string>> tokens_;  // guarded by mutex_; by kid
  int failures_ = 0;                                        // guarded by mutex_
  std::vector<std::thread> threads_;
};

TEST_F(KeyRingTest, NoTokenFailsWhileKeysRotate) {
  ASSERT_EQ(keys_.Ensure(database_.db()), absl::OkStatus());
  const std::string first = Signer();
  Drill drill([this] { return Sign(); }, [this] { return Published(); });
  ASSERT_TRUE(Eventually([&] { return drill.SignedBy(first) > 0; }));
  for (int i = 0; i < 2; ++i) {
    // By another process, as the command does it.
    KeyRing operators(kSecretKey);
    const auto kid = Rotate(operators, seconds(1));
    ASSERT_TRUE(kid.ok()) << kid.status();
    EXPECT_TRUE(Eventually([&] { return drill.SignedBy(*kid) > 0; })) << *kid;
  }
  EXPECT_EQ(drill.Failures(), 0);
  EXPECT_EQ(Count(), 3);
}

TEST(DeriveKeyTest, OneSecretMakesAKeyPerPurpose) {
  EXPECT_EQ(DeriveKey("secret", "a"), HmacSha256("secret", "a"));
  EXPECT_NE(DeriveKey("secret", "a"), DeriveKey("secret", "b"));
  EXPECT_NE(DeriveKey("secret", "a"), DeriveKey("secret2", "a"));
}

}  // namespace
}  // namespace gatehouse::auth
