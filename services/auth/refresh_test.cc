// Rotation of refresh tokens, against replays and against everything that may end
// the session meanwhile.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <thread>
#include <vector>

#include "libs/base/secret.h"
#include "libs/base/uuid.h"
#include "services/auth/refresh_token.h"
#include "services/auth/revocation.h"
#include "services/auth/session_fixture.h"

namespace gatehouse::auth {
namespace {

using testing::kSecretKey;

constexpr int kRounds = 8;

class RefreshTest : public testing::SessionFixture {
 protected:
  IssuedCredential Begin(CredentialKind kind = CredentialKind::kAccess) {
    return server_.Issue(ada_, kind);
  }

  std::string RefreshOk(const std::string& refresh_token) {
    const auto refreshed = Refresh(refresh_token);
    EXPECT_TRUE(refreshed.ok()) << refreshed.status();
    return refreshed.ok() ? refreshed->refresh_token() : "";
  }

  // As if the last rotation had been this long ago.
  void AgeRotation(const std::string& interval) {
    database_.Execute("UPDATE auth.credentials SET refresh_time = refresh_time - interval '" +
                      interval + "'");
  }

  void RevokeAda() {
    const absl::Status status = database_.db().InTransaction([&](pg::Tx& tx) -> absl::Status {
      RaiseUserEpoch(tx, ada_);
      return absl::OkStatus();
    });
    EXPECT_TRUE(status.ok()) << status;
  }

  const std::string ada_ = database_.AddUser("ada");
};

TEST_F(RefreshTest, ATokenIsExchangedForItsChild) {
  for (const CredentialKind kind : {CredentialKind::kAccess, CredentialKind::kPlatform}) {
    const IssuedCredential issued = Begin(kind);
    const auto refreshed = Refresh(issued.refresh_token);
    ASSERT_TRUE(refreshed.ok()) << refreshed.status();
    EXPECT_EQ(refreshed->credential_id(), issued.credential_id);
    EXPECT_EQ(refreshed->user().id(), ada_);
    EXPECT_NE(refreshed->token(), issued.token);
    EXPECT_NE(refreshed->refresh_token(), issued.refresh_token);
    EXPECT_TRUE(refreshed->has_expire_time());
    EXPECT_EQ(server_.Live({refreshed->token(), issued.token}), 2)
        << "an access token lives until it ends";
    EXPECT_NE(RefreshOk(refreshed->refresh_token()), refreshed->refresh_token());
  }
}

TEST_F(RefreshTest, AnswersWithTheRightsOfTheMoment) {
  const IssuedCredential issued = Begin();
  database_.Execute("UPDATE auth.users SET role = 'admin'");
  const auto refreshed = Refresh(issued.refresh_token);
  ASSERT_TRUE(refreshed.ok()) << refreshed.status();
  EXPECT_EQ(refreshed->user().role(), "admin");
}

TEST_F(RefreshTest, AtOnceEverybodyGetsTheSameChildAndOneRotation) {
  const IssuedCredential issued = Begin();
  std::vector<std::string> children(8);
  std::vector<std::thread> threads;
  for (std::string& child : children) {
    threads.emplace_back([&] { child = RefreshOk(issued.refresh_token); });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(std::set<std::string>(children.begin(), children.end()).size(), 1u);
  EXPECT_EQ(database_.Select("SELECT refresh_counter FROM auth.credentials"), "1");
}

TEST_F(RefreshTest, ALostAnswerIsGivenAgainWithinTheWindow) {
  const IssuedCredential issued = Begin();
  const std::string child = RefreshOk(issued.refresh_token);
  AgeRotation("5 seconds");
  EXPECT_EQ(RefreshOk(issued.refresh_token), child);
  EXPECT_EQ(database_.Select("SELECT refresh_counter FROM auth.credentials"), "1");
}

TEST_F(RefreshTest, AReplayAfterTheWindowEndsTheSession) {
  const IssuedCredential issued = Begin();
  const auto child = Refresh(issued.refresh_token);
  ASSERT_TRUE(child.ok()) << child.status();
  AgeRotation("10 seconds");
  const auto replay = Refresh(issued.refresh_token);
  EXPECT_EQ(replay.status().code(), absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(Reason(replay.status()), "REFRESH_TOKEN_REUSED");
  EXPECT_EQ(Reason(Refresh(child->refresh_token()).status()), "REFRESH_TOKEN_INVALID");
  EXPECT_EQ(server_.Live({issued.token, child->token()}), 0);
  EXPECT_EQ(database_.Count("auth.control_log WHERE kind = 'revocation' AND subject = '" +
                            issued.credential_id + "'"),
            1);
  EXPECT_EQ(Audited("refresh_token_reused", "NOT success AND actor_user_id = '" + ada_ +
                                                "' AND target = 'user/" + ada_ +
                                                "' AND client_address = '192.0.2.9'"),
            1);
  EXPECT_EQ(Reason(Refresh(issued.refresh_token).status()), "REFRESH_TOKEN_INVALID");
  EXPECT_EQ(Audited("refresh_token_reused"), 1) << "there is nothing left to end";
}

TEST_F(RefreshTest, AnOlderAncestorEndsTheSessionAtOnce) {
  const IssuedCredential issued = Begin();
  const std::string grandchild = RefreshOk(RefreshOk(issued.refresh_token));
  EXPECT_EQ(Reason(Refresh(issued.refresh_token).status()), "REFRESH_TOKEN_REUSED");
  EXPECT_EQ(Reason(Refresh(grandchild).status()), "REFRESH_TOKEN_INVALID");
}

TEST_F(RefreshTest, AForgedTokenEndsNothing) {
  const IssuedCredential issued = Begin();
  RefreshOk(issued.refresh_token);
  const std::string child = RefreshOk(issued.refresh_token);
  const std::string other_key(32, 'k');
  const std::string opaque = server_.Issue(ada_, CredentialKind::kSession).credential_id;
  for (const std::string& forged :
       {MakeRefreshToken(other_key, std::string(32, 's'), issued.credential_id, 0),
        MakeRefreshToken(DeriveKey(kSecretKey, "gatehouse refresh tokens"), std::string(32, 's'),
                         issued.credential_id, 0),
        MakeRefreshToken(other_key, std::string(32, 's'), UuidV7(), 0),
        MakeRefreshToken(other_key, std::string(32, 's'), opaque, 0), issued.token,
        std::string("ghr_"), std::string(), std::string("ghr_\0", 5), std::string(100000, 'g')}) {
    const auto refused = Refresh(forged);
    EXPECT_EQ(refused.status().code(), absl::StatusCode::kUnauthenticated);
    EXPECT_EQ(Reason(refused.status()), "REFRESH_TOKEN_INVALID");
  }
  EXPECT_NE(RefreshOk(child), "");
}

TEST_F(RefreshTest, ADeadSessionIsNotRefreshed) {
  for (const char* death :
       {"UPDATE auth.credentials SET revoke_time = now()",
        "UPDATE auth.credentials SET expire_time = now()",
        "UPDATE auth.users SET is_active = false",
        "UPDATE auth.tenants SET epoch = 9; UPDATE auth.users SET is_active = true",
        "UPDATE auth.control_head SET global_epoch = 9; UPDATE auth.tenants SET epoch = 0"}) {
    const IssuedCredential issued = Begin();
    database_.Execute(death);
    EXPECT_EQ(Reason(Refresh(issued.refresh_token).status()), "REFRESH_TOKEN_INVALID") << death;
  }
  EXPECT_EQ(Audited("refresh_token_reused"), 0);
}

TEST_F(RefreshTest, ASessionSlidesByAWeekAndEndsAfterAMonth) {
  const std::string tokens = Begin().refresh_token;
  const auto days_left = [&] {
    return database_.Select(
        "SELECT round(extract(epoch FROM expire_time - now()) / 86400) FROM auth.credentials");
  };
  database_.Execute(
      "UPDATE auth.credentials SET create_time = create_time - interval '20 days',"
      " expire_time = now() + interval '1 hour'");
  const std::string child = RefreshOk(tokens);
  EXPECT_EQ(days_left(), "7");
  database_.Execute("UPDATE auth.credentials SET create_time = create_time - interval '9 days'");
  const auto last = Refresh(child);
  ASSERT_TRUE(last.ok()) << last.status();
  EXPECT_EQ(days_left(), "1") << "30 days after the login";
  database_.Execute(
      "UPDATE auth.credentials SET create_time = now() - interval '30 days'"
      " + interval '2 minutes'");
  const auto capped = Refresh(last->refresh_token());
  ASSERT_TRUE(capped.ok()) << capped.status();
  EXPECT_EQ(database_.Count("auth.credentials WHERE expire_time < now() + interval '3 minutes'"
                            " AND to_timestamp(" +
                            std::to_string(capped->expire_time().seconds()) + ") <= expire_time"),
            1)
      << "no access token outlives its session";
}

TEST_F(RefreshTest, ARefreshThatWaitedForARevocationIsRefused) {
  const IssuedCredential issued = Begin();
  absl::Status refreshed;
  std::thread refresh;
  const absl::Status status = database_.db().InTransaction([&](pg::Tx& tx) -> absl::Status {
    RaiseUserEpoch(tx, ada_);
    refresh = std::thread([&] { refreshed = Refresh(issued.refresh_token).status(); });
    EXPECT_TRUE(database_.EventuallySomebodyWaits());
    return absl::OkStatus();
  });
  refresh.join();
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(Reason(refreshed), "REFRESH_TOKEN_INVALID");
  EXPECT_EQ(database_.Select("SELECT refresh_counter FROM auth.credentials"), "0");
}

TEST_F(RefreshTest, WhicheverComesFirstARevocationLeavesNothingAlive) {
  for (int round = 0; round < kRounds; ++round) {
    const IssuedCredential issued = Begin();
    absl::StatusOr<v1::IssuedCredential> child;
    std::thread refresh([&] { child = Refresh(issued.refresh_token); });
    std::thread revocation([&] { RevokeAda(); });
    refresh.join();
    revocation.join();
    EXPECT_EQ(server_.Live({issued.token}), 0);
    if (!child.ok()) {
      EXPECT_EQ(Reason(child.status()), "REFRESH_TOKEN_INVALID");
      continue;
    }
    EXPECT_EQ(server_.Live({child->token()}), 0);
    EXPECT_EQ(Reason(Refresh(child->refresh_token()).status()), "REFRESH_TOKEN_INVALID");
  }
}

TEST_F(RefreshTest, WhicheverComesFirstALogOutLeavesNothingAlive) {
  for (int round = 0; round < kRounds; ++round) {
    const IssuedCredential issued = Begin();
    absl::StatusOr<v1::IssuedCredential> child;
    std::thread refresh([&] { child = Refresh(issued.refresh_token); });
    std::thread logout([&] { EXPECT_TRUE(LogOut(ada_, issued.credential_id).ok()); });
    refresh.join();
    logout.join();
    EXPECT_EQ(server_.Live({issued.token}), 0);
    if (!child.ok()) {
      EXPECT_EQ(Reason(child.status()), "REFRESH_TOKEN_INVALID");
      continue;
    }
    EXPECT_EQ(server_.Live({child->token()}), 0);
    EXPECT_EQ(Reason(Refresh(child->refresh_token()).status()), "REFRESH_TOKEN_INVALID");
  }
}

TEST_F(RefreshTest, ParallelReplaysEndTheSessionOnce) {
  const IssuedCredential issued = Begin();
  RefreshOk(issued.refresh_token);
  AgeRotation("1 minute");
  std::vector<std::thread> threads;
  for (int i = 0; i < 6; ++i) {
    threads.emplace_back([&] { EXPECT_FALSE(Refresh(issued.refresh_token).ok()); });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(Audited("refresh_token_reused"), 1);
  EXPECT_EQ(database_.Count("auth.control_log WHERE kind = 'revocation'"), 1);
}

}  // namespace
}  // namespace gatehouse::auth
