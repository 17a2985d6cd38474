// The cache of verified credentials against revocations that race with it.
#include "services/gateway/authenticator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "libs/token/api_token.h"

namespace gatehouse::gateway {
namespace {

using auth::v1::ControlUpdate;
using auth::v1::LookupTokenResponse;
using std::chrono::milliseconds;
using std::chrono::seconds;

ControlUpdate Snapshot(std::int64_t sequence) {
  ControlUpdate update;
  update.set_sequence(sequence);
  update.mutable_snapshot();
  return update;
}

ControlUpdate Revocation(std::int64_t sequence, const std::string& token_id) {
  ControlUpdate update;
  update.set_sequence(sequence);
  update.mutable_revocation()->set_token_id(token_id);
  return update;
}

ControlUpdate EpochOf(std::int64_t sequence, const std::string& subject, std::int64_t epoch) {
  ControlUpdate update;
  update.set_sequence(sequence);
  update.mutable_epoch()->set_subject(subject);
  update.mutable_epoch()->set_epoch(epoch);
  return update;
}

ControlUpdate Heartbeat(std::int64_t sequence) {
  ControlUpdate update;
  update.set_sequence(sequence);
  return update;
}

class AuthenticatorTest : public ::testing::Test {
 protected:
  AuthenticatorTest() : clock_(Time(seconds(1'800'000'000))), authenticator_(control_, clock_) {
    control_.Apply(Snapshot(10), now_);
  }

  LookupTokenResponse Answer(std::int64_t sequence) {
    LookupTokenResponse answer;
    answer.set_token_id("t1");
    answer.mutable_principal()->set_user_id("u1");
    answer.mutable_principal()->set_tenant_id(5);
    answer.set_epoch(3);
    answer.set_control_sequence(sequence);
    return answer;
  }

  // "identity", "look up", or the reason of the refusal.
  std::string Text(const absl::StatusOr<IdentityPtr>& result) {
    if (!result.ok()) return Reason(result.status());
    return *result == nullptr ? "look up" : "identity";
  }
  std::string Recall() {
    std::string digest;
    return Text(authenticator_.Recall(token_, &digest));
  }
  std::string Accept(const LookupTokenResponse& answer) {
    return Text(authenticator_.Accept(token::TokenDigest(token_), answer));
  }

  const SteadyTime now_ = std::chrono::steady_clock::now();
  const std::string token_ = token::NewApiToken("ght");
  FakeClock clock_;
  ControlState control_;
  Authenticator authenticator_;
};

TEST_F(AuthenticatorTest, GarbageDiesWithoutALookUp) {
  std::string digest;
  std::string typo = token_;
  typo.back() = typo.back() == 'a' ? 'b' : 'a';
  for (const std::string& garbage : {std::string("x"), std::string(4000, 'a'), typo}) {
    EXPECT_EQ(Text(authenticator_.Recall(garbage, &digest)), "CREDENTIALS_INVALID");
  }
  EXPECT_EQ(Recall(), "look up");
}

TEST_F(AuthenticatorTest, AnAnswerIsCachedForAMinute) {
  EXPECT_EQ(Accept(Answer(10)), "identity");
  EXPECT_EQ(Recall(), "identity");
  clock_.Advance(seconds(59));
  EXPECT_EQ(Recall(), "identity");
  clock_.Advance(seconds(1));
  EXPECT_EQ(Recall(), "look up");
}

TEST_F(AuthenticatorTest, AnEntryEndsWithItsToken) {
  LookupTokenResponse answer = Answer(10);
  answer.mutable_expire_time()->set_seconds(1'800'000'005);
  EXPECT_EQ(Accept(answer), "identity");
  clock_.Advance(seconds(5));
  EXPECT_EQ(Recall(), "look up");
  EXPECT_EQ(Accept(answer), "CREDENTIALS_INVALID");
}

TEST_F(AuthenticatorTest, AnUnknownTokenIsRememberedBriefly) {
  EXPECT_EQ(Reason(authenticator_.Refuse(token::TokenDigest(token_))), "CREDENTIALS_INVALID");
  EXPECT_EQ(Recall(), "CREDENTIALS_INVALID");
  clock_.Advance(Authenticator::kUnknownLife);
  EXPECT_EQ(Recall(), "look up");
}

TEST_F(AuthenticatorTest, ARevocationKillsACachedToken) {
  Accept(Answer(10));
  control_.Apply(Revocation(11, "t1"), now_);
  EXPECT_EQ(Recall(), "CREDENTIALS_INVALID");
}

TEST_F(AuthenticatorTest, ALookUpInFlightLosesToARevocation) {
  const LookupTokenResponse read_before = Answer(10);
  control_.Apply(Revocation(11, "t1"), now_);
  EXPECT_EQ(Accept(read_before), "CREDENTIALS_INVALID");
  EXPECT_EQ(Recall(), "look up") << "nothing may have been cached";
}

TEST_F(AuthenticatorTest, ANewerEpochOfTheUserAsksAgain) {
  Accept(Answer(10));
  control_.Apply(EpochOf(11, "user/u1", 4), now_);
  EXPECT_EQ(Recall(), "look up");
  EXPECT_EQ(Accept(Answer(10)), "look up") << "this answer was read before the change";
  LookupTokenResponse fresh = Answer(11);
  fresh.set_epoch(4);
  EXPECT_EQ(Accept(fresh), "identity");
  EXPECT_EQ(Recall(), "identity");
  control_.Apply(EpochOf(12, "user/u2", 9), now_);
  EXPECT_EQ(Recall(), "identity") << "another user's epoch";
}

TEST_F(AuthenticatorTest, AnEpochOfTheTenantOrOfAllAsksAgain) {
  for (const char* subject : {"tenant/5", "global"}) {
    Accept(Answer(control_.sequence()));
    EXPECT_EQ(Recall(), "identity");
    control_.Apply(EpochOf(control_.sequence() + 1, subject, 1), now_);
    EXPECT_EQ(Recall(), "look up") << subject;
    EXPECT_EQ(Accept(Answer(control_.sequence())), "identity") << subject;
  }
}

TEST_F(AuthenticatorTest, AnAnswerFromAheadIsUsedButNotKept) {
  EXPECT_EQ(Accept(Answer(11)), "identity");
  EXPECT_EQ(Recall(), "look up");
  control_.Apply(Heartbeat(11), now_);
  EXPECT_EQ(Accept(Answer(11)), "identity");
  EXPECT_EQ(Recall(), "identity");
}

TEST_F(AuthenticatorTest, ANewSnapshotCounts) {
  Accept(Answer(10));
  ControlUpdate snapshot = Snapshot(20);
  snapshot.mutable_snapshot()->add_revocations()->set_token_id("t1");
  control_.Apply(snapshot, now_);
  EXPECT_EQ(Recall(), "CREDENTIALS_INVALID");
}

TEST_F(AuthenticatorTest, ARestoredDatabaseMayCountFromLower) {
  control_.Apply(Snapshot(4), now_);
  EXPECT_EQ(control_.sequence(), 4);
}

// However the threads interleave, once Apply has returned no use of the token is
// accepted any more, and nothing that is accepted later stays in the cache.
TEST_F(AuthenticatorTest, NoInsertSurvivesARevocationThatRacesWithIt) {
  for (int round = 0; round < 500; ++round) {
    const std::string id = "t" + std::to_string(round);
    const std::string digest = token::TokenDigest(id);
    LookupTokenResponse answer = Answer(control_.sequence());
    answer.set_token_id(id);
    std::atomic<int> ready{0};
    std::atomic<bool> revoked{false};
    std::atomic<bool> accepted_after{false};
    std::thread user([&] {
      for (ready.fetch_add(1); ready.load() < 2;) std::this_thread::yield();
      for (int i = 0; i < 3; ++i) {
        const bool before = revoked.load();
        const auto identity = authenticator_.Accept(digest, answer);
        if (before && identity.ok()) accepted_after = true;
      }
    });
    for (ready.fetch_add(1); ready.load() < 2;) std::this_thread::yield();
    control_.Apply(Revocation(control_.sequence() + 1, id), now_);
    revoked = true;
    user.join();
    ASSERT_FALSE(accepted_after.load());
    ASSERT_FALSE(authenticator_.Accept(digest, answer).ok());
  }
}

TEST_F(AuthenticatorTest, NoHitSurvivesARevocationThatRacesWithIt) {
  std::atomic<bool> stop{false};
  std::atomic<bool> revoked{false};
  std::atomic<bool> wrong{false};
  Accept(Answer(10));
  std::thread user([&] {
    std::string digest;
    while (!stop) {
      const bool before = revoked.load();
      if (before && Text(authenticator_.Recall(token_, &digest)) == "identity") wrong = true;
      if (!before) authenticator_.Recall(token_, &digest).IgnoreError();
    }
  });
  for (int i = 0; i < 5000; ++i) {
    control_.Apply(Revocation(control_.sequence() + 1, "other" + std::to_string(i)), now_);
  }
  control_.Apply(Revocation(control_.sequence() + 1, "t1"), now_);
  revoked = true;
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(Recall(), "CREDENTIALS_INVALID");
  stop = true;
  user.join();
  EXPECT_FALSE(wrong.load());
}

TEST(ControlStateTest, IsFreshOnlyAfterASnapshotAndWhileItHears) {
  const SteadyTime now = std::chrono::steady_clock::now();
  ControlState control;
  EXPECT_FALSE(control.IsFresh(now));
  control.Apply(Heartbeat(1), now);
  EXPECT_FALSE(control.IsFresh(now)) << "a delta before the snapshot says nothing";
  EXPECT_EQ(control.sequence(), 0);
  control.Apply(Snapshot(1), now);
  EXPECT_TRUE(control.IsFresh(now + seconds(5)));
  EXPECT_FALSE(control.IsFresh(now + seconds(5) + milliseconds(1)));
  control.Apply(Heartbeat(1), now + seconds(6));
  EXPECT_TRUE(control.IsFresh(now + seconds(8)));
}

TEST(ControlStateTest, ForgetsRevocationsOnlyAfterADay) {
  const SteadyTime now = std::chrono::steady_clock::now();
  ControlState control;
  control.Apply(Snapshot(1), now);
  Identity identity;
  identity.token_id = "old";
  control.Revoke("old", now);
  for (int i = 0; i < 3000; ++i) control.Revoke("a" + std::to_string(i), now);
  EXPECT_EQ(control.Judge(identity), Standing::kRevoked);
  for (int i = 0; i < 9000; ++i) {
    control.Revoke("b" + std::to_string(i), now + std::chrono::hours(26));
  }
  EXPECT_EQ(control.Judge(identity), Standing::kGood) << "pruned";
}

}  // namespace
}  // namespace gatehouse::gateway
