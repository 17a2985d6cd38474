// The cache of verified credentials against revocations that race with it.
#include "services/gateway/authenticator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "libs/token/api_token.h"
#include "services/gateway/sample_updates.h"

namespace gatehouse::gateway {
namespace {

using auth::v1::ControlUpdate;
using auth::v1::LookupTokenResponse;
using std::chrono::seconds;

class AuthenticatorTest : public ::testing::Test {
 protected:
  AuthenticatorTest() : clock_(Time(seconds(1'800'000'000))), authenticator_(control_, clock_) {
    control_.Apply(Snapshot(10, Jwks(key_)), now_);
  }

  static std::string Jwks(const token::SigningKey& key) {
    token::KeySet keys;
    keys.Add(key.kid(), key.public_key());
    return keys.ToJson();
  }

  static LookupTokenResponse Answer(std::int64_t sequence) {
    LookupTokenResponse answer;
    answer.set_token_id("t1");
    answer.mutable_principal()->set_user_id("u1");
    answer.mutable_principal()->set_tenant_id(5);
    answer.mutable_principal()->set_role("user");
    answer.set_control_sequence(sequence);
    return answer;
  }

  // Of a signed token for u1, for 15 minutes from now.
  token::Claims Claims(std::int64_t epoch) const {
    token::Claims claims;
    claims.issuer = claims.audience = "gatehouse";
    claims.subject = "u1";
    claims.id = "j1";
    claims.session_id = "t1";
    claims.tenant_id = 5;
    claims.epoch = epoch;
    claims.role = "user";
    claims.issue_time = clock_.Now();
    claims.expire_time = clock_.Now() + std::chrono::minutes(15);
    return claims;
  }
  std::string Jwt(const token::Claims& claims) const { return token::SignJwt(key_, claims); }

  // "identity", "look up", or the reason of the refusal.
  static std::string Text(const absl::StatusOr<IdentityPtr>& result) {
    if (!result.ok()) return Reason(result.status());
    return *result == nullptr ? "look up" : "identity";
  }
  std::string Recall(const std::string& token) const {
    const auto recalled = authenticator_.Recall(token);
    if (!recalled.ok()) return Reason(recalled.status());
    return std::holds_alternative<IdentityPtr>(*recalled) ? "identity" : "look up";
  }
  std::string Recall() const { return Recall(token_); }
  PendingLookUp Pending(const std::string& token) const {
    const auto recalled = authenticator_.Recall(token);
    EXPECT_TRUE(recalled.ok() && std::holds_alternative<PendingLookUp>(*recalled));
    return std::get<PendingLookUp>(*recalled);
  }
  std::string Accept(const LookupTokenResponse& answer) {
    return Text(authenticator_.Accept(pending_, answer));
  }

  const SteadyTime now_ = std::chrono::steady_clock::now();
  const std::string token_ = token::NewApiToken("ght");
  const PendingLookUp pending_{.digest = token::TokenDigest(token_)};
  const token::SigningKey key_ = token::SigningKey::Generate("k1");
  FakeClock clock_;
  ControlState control_;
  Authenticator authenticator_;
};

TEST_F(AuthenticatorTest, WhatCannotBeACredentialDiesWithoutALookUp) {
  std::string typo = token_;
  typo.back() = typo.back() == 'a' ? 'b' : 'a';
  const std::string refresh = "ghr_" + std::string(75, 'a');
  for (const std::string& garbage :
       {std::string("x"), std::string(4000, 'a'), typo, refresh, std::string("a.b.c"),
        std::string(".."), std::string("a.b.c.d"), token_ + "." + token_}) {
    EXPECT_EQ(Recall(garbage), "CREDENTIALS_INVALID") << garbage;
  }
  EXPECT_EQ(Recall(), "look up");
}

TEST_F(AuthenticatorTest, AnOpaqueCredentialIsAskedForByItsDigestAlone) {
  const PendingLookUp pending = Pending(token_);
  EXPECT_EQ(pending.request.digest(), token::TokenDigest(token_));
  EXPECT_EQ(pending.request.session_id(), "");
  EXPECT_EQ(pending.expire_time, Time::max());
}

TEST_F(AuthenticatorTest, KeepsWhatAuthSaysOfTheCredential) {
  LookupTokenResponse answer = Answer(10);
  answer.set_kind(auth::v1::CREDENTIAL_KIND_API);
  answer.set_rate_limit_per_second(7);
  answer.set_rate_limit_burst(9);
  answer.set_password_change_required(true);
  const auto identity = authenticator_.Accept(pending_, answer);
  ASSERT_EQ(Text(identity), "identity");
  EXPECT_EQ((*identity)->token_id, "t1");
  EXPECT_EQ((*identity)->kind, auth::v1::CREDENTIAL_KIND_API);
  EXPECT_EQ((*identity)->rate_limit_per_second, 7);
  EXPECT_EQ((*identity)->rate_limit_burst, 9);
  EXPECT_TRUE((*identity)->password_change_required);
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
  EXPECT_EQ(Reason(authenticator_.Refuse(pending_)), "CREDENTIALS_INVALID");
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
  EXPECT_EQ(Accept(Answer(11)), "identity");
  EXPECT_EQ(Recall(), "identity");
  control_.Apply(EpochOf(12, "user/u2", 9), now_);
  EXPECT_EQ(Recall(), "identity") << "another user's epoch";
}

TEST_F(AuthenticatorTest, AChangeOfTheSubjectsRightsAsksAgain) {
  for (const char* subject : {"user/u1", "tenant/5", "role/user"}) {
    Accept(Answer(control_.sequence()));
    EXPECT_EQ(Recall(), "identity");
    control_.Apply(ChangeOf(control_.sequence() + 1, subject), now_);
    EXPECT_EQ(Recall(), "look up") << subject;
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

TEST_F(AuthenticatorTest, ASignedTokenIsAskedForByItsSession) {
  const std::string jwt = Jwt(Claims(9));
  const PendingLookUp pending = Pending(jwt);
  EXPECT_EQ(pending.request.digest(), "");
  EXPECT_EQ(pending.request.session_id(), "t1");
  EXPECT_EQ(pending.request.epoch(), 9);
  EXPECT_EQ(pending.expire_time, Claims(9).expire_time);
  EXPECT_EQ(Text(authenticator_.Accept(pending, Answer(10))), "identity");
  EXPECT_EQ(Recall(jwt), "identity");
}

TEST_F(AuthenticatorTest, ASignedTokenMustBeOursInEveryClaim) {
  const auto changed = [this](const std::function<void(token::Claims&)>& change) {
    token::Claims claims = Claims(9);
    change(claims);
    return Recall(Jwt(claims));
  };
  EXPECT_EQ(changed([](token::Claims&) {}), "look up");
  EXPECT_EQ(changed([](token::Claims& c) { c.issuer = "other"; }), "CREDENTIALS_INVALID");
  EXPECT_EQ(changed([](token::Claims& c) { c.audience = "other"; }), "CREDENTIALS_INVALID");
  EXPECT_EQ(changed([](token::Claims& c) { c.session_id = ""; }), "CREDENTIALS_INVALID");
  EXPECT_EQ(changed([&](token::Claims& c) { c.expire_time = clock_.Now(); }),
            "CREDENTIALS_INVALID");
  EXPECT_EQ(Recall(token::SignJwt(token::SigningKey::Generate("k1"), Claims(9))),
            "CREDENTIALS_INVALID")
      << "another key of the same name";
}

TEST_F(AuthenticatorTest, ASignedTokenThatIsTooLongIsNotEvenVerified) {
  token::Claims claims = Claims(9);
  claims.scopes = {std::string(Authenticator::kTokenBytesMax, 'a')};
  EXPECT_EQ(Recall(Jwt(claims)), "CREDENTIALS_INVALID");
}

TEST_F(AuthenticatorTest, ASignedTokenFromBeforeARevocationNeedsNoLookUpToDie) {
  for (const char* subject : {"user/u1", "tenant/5", "global"}) {
    const std::int64_t before = control_.sequence();
    const std::string old = Jwt(Claims(before));
    EXPECT_EQ(Recall(old), "look up");
    control_.Apply(EpochOf(before + 1, subject, before + 1), now_);
    EXPECT_EQ(Recall(old), "CREDENTIALS_INVALID") << subject;
    EXPECT_EQ(Recall(Jwt(Claims(before + 1))), "look up") << "a login after it";
  }
}

TEST_F(AuthenticatorTest, ACachedSignedTokenDiesByTheEpochToo) {
  const std::string jwt = Jwt(Claims(10));
  EXPECT_EQ(Text(authenticator_.Accept(Pending(jwt), Answer(10))), "identity");
  EXPECT_EQ(Recall(jwt), "identity");
  control_.Apply(EpochOf(11, "user/u1", 11), now_);
  EXPECT_EQ(Recall(jwt), "CREDENTIALS_INVALID");
}

TEST_F(AuthenticatorTest, ASignedTokenEndsByItselfWhateverItsSessionDoes) {
  const std::string jwt = Jwt(Claims(10));
  const PendingLookUp pending = Pending(jwt);
  LookupTokenResponse answer = Answer(10);
  answer.mutable_expire_time()->set_seconds(1'900'000'000);
  clock_.Advance(std::chrono::minutes(15) - seconds(1));
  EXPECT_EQ(Text(authenticator_.Accept(pending, answer)), "identity");
  EXPECT_EQ(Recall(jwt), "identity");
  clock_.Advance(seconds(1));
  EXPECT_EQ(Recall(jwt), "CREDENTIALS_INVALID");
  EXPECT_EQ(Text(authenticator_.Accept(pending, answer)), "CREDENTIALS_INVALID");
}

TEST_F(AuthenticatorTest, TheNextTokenOfAKnownSessionNeedsNoLookUp) {
  const PendingLookUp first = Pending(Jwt(Claims(10)));
  ASSERT_EQ(Text(authenticator_.Accept(first, Answer(10))), "identity");
  token::Claims next = Claims(10);
  next.id = "j2";
  EXPECT_EQ(Recall(Jwt(next)), "identity");
  next.id = "j3";
  next.session_id = "t2";
  EXPECT_EQ(Recall(Jwt(next)), "look up") << "another session";
  authenticator_.Clear();
  next.session_id = "t1";
  EXPECT_EQ(Recall(Jwt(next)), "look up") << "a flush forgets sessions, too";
}

TEST_F(AuthenticatorTest, TheNextTokenOfASessionEndsByItself) {
  token::Claims long_one = Claims(10);
  token::Claims short_one = Claims(10);
  short_one.id = "j2";
  short_one.expire_time = clock_.Now() + seconds(20);
  ASSERT_EQ(Text(authenticator_.Accept(Pending(Jwt(long_one)), Answer(10))), "identity");
  EXPECT_EQ(Recall(Jwt(short_one)), "identity");
  clock_.Advance(seconds(21));
  EXPECT_EQ(Recall(Jwt(short_one)), "CREDENTIALS_INVALID");
  EXPECT_EQ(Recall(Jwt(long_one)), "identity");
  clock_.Advance(seconds(40));
  long_one.id = "j3";
  EXPECT_EQ(Recall(Jwt(long_one)), "look up") << "a session is not remembered longer than a token";
}

TEST_F(AuthenticatorTest, TheNextTokenOfASessionDiesWithItAndAsksWhenRightsChange) {
  ASSERT_EQ(Text(authenticator_.Accept(Pending(Jwt(Claims(10))), Answer(10))), "identity");
  ControlUpdate change;
  change.set_sequence(11);
  change.mutable_subject_change()->set_subject("user/u1");
  control_.Apply(change, now_);
  token::Claims next = Claims(10);
  next.id = "j2";
  EXPECT_EQ(Recall(Jwt(next)), "look up");
  control_.Revoke("t1", now_);
  EXPECT_EQ(Recall(Jwt(next)), "CREDENTIALS_INVALID");
}

TEST_F(AuthenticatorTest, ATokenOfAnotherEpochOfAKnownSessionIsAskedForItself) {
  // As after a revocation that the session was kept through: its older tokens are dead.
  ASSERT_EQ(Text(authenticator_.Accept(Pending(Jwt(Claims(10))), Answer(10))), "identity");
  token::Claims older = Claims(9);
  older.id = "j2";
  EXPECT_EQ(Recall(Jwt(older)), "look up");
  authenticator_.Refuse(Pending(Jwt(older))).IgnoreError();
  token::Claims next = Claims(11);
  next.id = "j4";
  EXPECT_EQ(Recall(Jwt(next)), "look up") << "as after a change of the password";
  next = Claims(10);
  next.id = "j3";
  EXPECT_EQ(Recall(Jwt(next)), "look up") << "what auth has refused once is not recalled";
}

TEST_F(AuthenticatorTest, ASignedTokenThatAuthRefusesIsRememberedBriefly) {
  const std::string jwt = Jwt(Claims(10));
  authenticator_.Refuse(Pending(jwt)).IgnoreError();
  EXPECT_EQ(Recall(jwt), "CREDENTIALS_INVALID");
  EXPECT_EQ(Recall(Jwt(Claims(9))), "look up") << "another token of that session";
  clock_.Advance(Authenticator::kUnknownLife);
  EXPECT_EQ(Recall(jwt), "look up");
}

TEST_F(AuthenticatorTest, ASignedTokenDiesWithItsKeyAlsoInTheCache) {
  const std::string jwt = Jwt(Claims(10));
  const PendingLookUp in_flight = Pending(jwt);
  EXPECT_EQ(Text(authenticator_.Accept(in_flight, Answer(10))), "identity");
  control_.Apply(Keys(11, Jwks(token::SigningKey::Generate("k2"))), now_);
  EXPECT_EQ(Recall(jwt), "CREDENTIALS_INVALID");
  EXPECT_EQ(Text(authenticator_.Accept(in_flight, Answer(11))), "look up")
      << "verified by a key that is gone meanwhile";
  EXPECT_EQ(Recall(jwt), "CREDENTIALS_INVALID");
}

// However the threads interleave, once Apply has returned no use of the token is
// accepted any more, and nothing that is accepted later stays in the cache.
TEST_F(AuthenticatorTest, NoInsertSurvivesARevocationThatRacesWithIt) {
  for (int round = 0; round < 500; ++round) {
    const std::string id = "t" + std::to_string(round);
    const PendingLookUp pending{.digest = token::TokenDigest(id)};
    LookupTokenResponse answer = Answer(control_.sequence());
    answer.set_token_id(id);
    std::atomic<int> ready{0};
    std::atomic<bool> revoked{false};
    std::atomic<bool> accepted_after{false};
    std::thread user([&] {
      for (ready.fetch_add(1); ready.load() < 2;) std::this_thread::yield();
      for (int i = 0; i < 3; ++i) {
        const bool before = revoked.load();
        const auto identity = authenticator_.Accept(pending, answer);
        if (before && identity.ok()) accepted_after = true;
      }
    });
    for (ready.fetch_add(1); ready.load() < 2;) std::this_thread::yield();
    control_.Apply(Revocation(control_.sequence() + 1, id), now_);
    revoked = true;
    user.join();
    ASSERT_FALSE(accepted_after.load());
    ASSERT_FALSE(authenticator_.Accept(pending, answer).ok());
  }
}

TEST_F(AuthenticatorTest, NoHitSurvivesARevocationThatRacesWithIt) {
  std::atomic<bool> stop{false};
  std::atomic<bool> revoked{false};
  std::atomic<bool> wrong{false};
  Accept(Answer(10));
  std::thread user([&] {
    while (!stop) {
      const bool before = revoked.load();
      if (Recall() == "identity" && before) wrong = true;
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

}  // namespace
}  // namespace gatehouse::gateway
