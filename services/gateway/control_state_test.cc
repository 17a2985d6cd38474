// What the control stream makes known: standings, epochs of signed tokens, keys.
#include "services/gateway/control_state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "services/gateway/sample_updates.h"

namespace gatehouse::gateway {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;

std::string Jwks(const std::string& kid) {
  token::KeySet keys;
  keys.Add(kid, token::SigningKey::Generate(kid).public_key());
  return keys.ToJson();
}

class ControlStateTest : public ::testing::Test {
 protected:
  ControlStateTest() { control_.Apply(Snapshot(10), now_); }

  // Of user u1 in tenant 5, read at `sequence`.
  static std::shared_ptr<Identity> IdentityAt(std::int64_t sequence) {
    auto identity = std::make_shared<Identity>();
    identity->token_id = "t1";
    identity->principal.set_user_id("u1");
    identity->principal.set_tenant_id(5);
    identity->principal.set_role("user");
    identity->sequence = sequence;
    return identity;
  }
  static token::Claims ClaimsAt(std::int64_t epoch) {
    token::Claims claims;
    claims.subject = "u1";
    claims.session_id = "t1";
    claims.tenant_id = 5;
    claims.epoch = epoch;
    return claims;
  }

  const SteadyTime now_ = std::chrono::steady_clock::now();
  ControlState control_;
};

TEST(ControlStateFreshnessTest, IsFreshOnlyAfterASnapshotAndWhileItHears) {
  const SteadyTime now = std::chrono::steady_clock::now();
  ControlState control;
  EXPECT_FALSE(control.IsFresh(now));
  control.Apply(Heartbeat(1), now);
  control.Apply(EpochOf(2, "global", 2), now);
  EXPECT_FALSE(control.IsFresh(now)) << "a delta before the snapshot says nothing";
  EXPECT_EQ(control.sequence(), 0);
  control.Apply(Snapshot(1), now);
  EXPECT_TRUE(control.IsFresh(now + seconds(5)));
  EXPECT_FALSE(control.IsFresh(now + seconds(5) + milliseconds(1)));
  control.Apply(Heartbeat(1), now + seconds(6));
  EXPECT_TRUE(control.IsFresh(now + seconds(8)));
}

TEST_F(ControlStateTest, WhatChangedAfterTheReadIsOutdated) {
  const auto identity = IdentityAt(10);
  for (const char* subject : {"user/u1", "tenant/5", "role/user", "global"}) {
    SCOPED_TRACE(subject);
    const auto before = IdentityAt(control_.sequence());
    EXPECT_EQ(control_.Judge(*before), Standing::kGood);
    control_.Apply(ChangeOf(control_.sequence() + 1, subject), now_);
    EXPECT_EQ(control_.Judge(*before), Standing::kOutdated);
    EXPECT_EQ(control_.Judge(*IdentityAt(control_.sequence())), Standing::kGood);
    control_.Apply(EpochOf(control_.sequence() + 1, subject, control_.sequence() + 1), now_);
    EXPECT_EQ(control_.Judge(*IdentityAt(control_.sequence() - 1)), Standing::kOutdated);
    EXPECT_EQ(control_.Judge(*IdentityAt(control_.sequence())), Standing::kGood);
  }
  EXPECT_EQ(control_.Judge(*identity), Standing::kOutdated);
}

TEST_F(ControlStateTest, WhatChangesForOthersHarmsNobody) {
  const auto identity = IdentityAt(10);
  for (const char* subject : {"user/u2", "tenant/6", "role/admin", "tenant/55"}) {
    control_.Apply(ChangeOf(control_.sequence() + 1, subject), now_);
    EXPECT_EQ(control_.Judge(*identity), Standing::kGood) << subject;
  }
}

TEST_F(ControlStateTest, ARevokedCredentialIsDeadWhateverItsAge) {
  control_.Apply(Revocation(11, "t1"), now_);
  EXPECT_EQ(control_.Judge(*IdentityAt(11)), Standing::kRevoked);
  EXPECT_EQ(control_.Judge(*IdentityAt(99)), Standing::kRevoked);
}

TEST_F(ControlStateTest, AReadFromBeforeTheSnapshotIsOutdated) {
  const auto identity = IdentityAt(10);
  EXPECT_EQ(control_.Judge(*identity), Standing::kGood);
  control_.Apply(Snapshot(12), now_);
  EXPECT_EQ(control_.Judge(*identity), Standing::kOutdated)
      << "a change of 11 is not in the snapshot";
  EXPECT_EQ(control_.Judge(*IdentityAt(12)), Standing::kGood);
}

TEST_F(ControlStateTest, ARestoredDatabaseMayCountFromLower) {
  control_.Apply(EpochOf(11, "user/u1", 11), now_);
  control_.Apply(Snapshot(4), now_);
  EXPECT_EQ(control_.sequence(), 4);
  EXPECT_EQ(control_.EpochOf("user/u1"), 0);
  EXPECT_EQ(control_.Judge(*IdentityAt(4)), Standing::kGood);
}

TEST_F(ControlStateTest, SignedTokensDieByTheEpochsOfAllThreeSubjects) {
  for (const char* subject : {"user/u1", "tenant/5", "global"}) {
    SCOPED_TRACE(subject);
    const std::int64_t before = control_.sequence();
    EXPECT_FALSE(control_.IsDead(ClaimsAt(before)));
    control_.Apply(EpochOf(before + 1, subject, before + 1), now_);
    EXPECT_TRUE(control_.IsDead(ClaimsAt(before)));
    EXPECT_FALSE(control_.IsDead(ClaimsAt(before + 1))) << "a login after it works at once";
  }
  control_.Apply(Revocation(20, "t1"), now_);
  EXPECT_TRUE(control_.IsDead(ClaimsAt(99))) << "its session is revoked";
}

TEST_F(ControlStateTest, AChangeOfRightsKillsNoSignedToken) {
  control_.Apply(EpochOf(11, "user/u1", 11), now_);
  control_.Apply(ChangeOf(12, "user/u1"), now_);
  EXPECT_EQ(control_.EpochOf("user/u1"), 11);
  EXPECT_FALSE(control_.IsDead(ClaimsAt(11)));
}

TEST_F(ControlStateTest, AnEpochNeverGoesBack) {
  control_.Apply(EpochOf(12, "user/u1", 12), now_);
  control_.Apply(EpochOf(13, "user/u1", 7), now_);
  EXPECT_EQ(control_.EpochOf("user/u1"), 12);
}

TEST_F(ControlStateTest, KeysComeBySnapshotAndByDelta) {
  ASSERT_NE(control_.keys(), nullptr);
  EXPECT_EQ(control_.keys()->jwks_json, R"({"keys":[]})");
  control_.Apply(Snapshot(11, Jwks("one")), now_);
  const std::shared_ptr<const PublicKeys> one = control_.keys();
  EXPECT_NE(one->set.Find("one"), nullptr);
  EXPECT_THAT(one->jwks_json, HasSubstr(R"("kid":"one")"));
  control_.Apply(Keys(12, Jwks("two")), now_);
  EXPECT_EQ(control_.keys()->set.Find("one"), nullptr);
  EXPECT_NE(control_.keys()->set.Find("two"), nullptr);
  EXPECT_NE(one->set.Find("one"), nullptr) << "who holds the old set may go on with it";
}

TEST_F(ControlStateTest, KeysThatCannotBeReadChangeNothing) {
  control_.Apply(Keys(11, Jwks("one")), now_);
  const std::uint64_t changes = control_.changes();
  for (const char* broken : {"", "{", R"({"keys":[{"kty":"OKP","crv":"Ed25519"}]})"}) {
    control_.Apply(Keys(12, broken), now_);
    EXPECT_NE(control_.keys()->set.Find("one"), nullptr) << broken;
  }
  EXPECT_EQ(control_.changes(), changes);
}

TEST_F(ControlStateTest, OtherKeysOutdateWhatTheOldOnesVerified) {
  control_.Apply(Keys(11, Jwks("one")), now_);
  const auto opaque = IdentityAt(11);
  const auto by_key = IdentityAt(11);
  by_key->keys_version = control_.keys()->version;
  const std::string same = control_.keys()->jwks_json;
  control_.Apply(Keys(12, same), now_);
  EXPECT_EQ(control_.Judge(*by_key), Standing::kGood) << "the same keys again";
  control_.Apply(Keys(13, Jwks("two")), now_);
  EXPECT_EQ(control_.Judge(*by_key), Standing::kOutdated);
  EXPECT_EQ(control_.Judge(*opaque), Standing::kGood);
}

TEST_F(ControlStateTest, ForgetsRevocationsAndMarksOnlyAfterADay) {
  const auto identity = IdentityAt(10);
  control_.Revoke("t1", now_);
  control_.Apply(EpochOf(11, "user/u9", 11), now_);
  const auto flood = [&](const std::string& prefix, SteadyTime when) {
    for (int i = 0; i < 9000; ++i) {
      const std::string name = prefix + std::to_string(i);
      control_.Revoke(name, when);
      control_.Apply(ChangeOf(12, "user/" + name), when);
    }
  };
  flood("a", now_);
  EXPECT_EQ(control_.Judge(*identity), Standing::kRevoked);
  EXPECT_EQ(control_.EpochOf("user/u9"), 11);
  flood("b", now_ + std::chrono::hours(26));
  EXPECT_EQ(control_.Judge(*identity), Standing::kGood) << "pruned";
  EXPECT_EQ(control_.EpochOf("user/u9"), 0) << "pruned";
}

// Readers never see a change half done: who finds the new number of changes finds
// the new entries, and no key set is torn.
TEST_F(ControlStateTest, ReadersBesideAWriterSeeWholeChanges) {
  const std::vector<std::string> sets = {Jwks("k0"), Jwks("k1")};
  std::atomic<std::int64_t> applied{10};
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0};
  const auto read = [&] {
    while (!stop) {
      const std::int64_t known = applied.load();
      if (control_.Judge(*IdentityAt(known - 1)) == Standing::kGood && known > 10) ++wrong;
      if (known > 10 && !control_.IsDead(ClaimsAt(known - 1))) ++wrong;
      const auto keys = control_.keys();
      if (keys->version > 0 && !keys->set.Find("k0") && !keys->set.Find("k1")) ++wrong;
      if (control_.sequence() < known || !control_.IsFresh(now_)) ++wrong;
    }
  };
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i) readers.emplace_back(read);
  for (std::int64_t i = 11; i < 3000; ++i) {
    control_.Apply(Keys(i, sets[static_cast<std::size_t>(i % 2)]), now_);
    control_.Apply(EpochOf(i, "user/u1", i), now_);
    applied = i;
  }
  stop = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(wrong.load(), 0);
}

}  // namespace
}  // namespace gatehouse::gateway
