#include "services/auth/credential_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "libs/base/uuid.h"
#include "libs/token/api_token.h"
#include "services/auth/auth_testing.h"
#include "services/auth/revocation.h"

namespace gatehouse::auth {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Optional;

class CredentialStoreTest : public ::testing::Test {
 protected:
  // What the function finds or writes, in a transaction of its own.
  template <typename Fn>
  auto Do(Fn fn) {
    std::invoke_result_t<Fn, pg::Tx&> result;
    const absl::Status status = database_.db().InTransaction([&](pg::Tx& tx) -> absl::Status {
      result = fn(tx);
      return absl::OkStatus();
    });
    EXPECT_TRUE(status.ok()) << status;
    return result;
  }

  auth::Issue Insert(const NewCredential& credential) {
    return Do([&](pg::Tx& tx) { return InsertCredential(tx, credential); });
  }

  // A credential found by the text "secret".
  std::string InsertOpaque(CredentialKind kind,
                           std::optional<std::chrono::seconds> life = std::nullopt) {
    const std::string id = UuidV7();
    Insert({.id = id,
            .user_id = ada_,
            .kind = kind,
            .digest = token::TokenDigest("secret"),
            .life = life});
    return id;
  }

  std::string InsertSigned() {
    const std::string id = UuidV7();
    Insert({.id = id,
            .user_id = ada_,
            .kind = CredentialKind::kAccess,
            .refresh_seed = std::string(32, 's'),
            .life = kRefreshLife});
    return id;
  }

  std::optional<CredentialRow> Lookup() {
    return Do([](pg::Tx& tx) { return LookupCredential(tx, token::TokenDigest("secret")); });
  }

  std::optional<CredentialRow> Session(const std::string& id, std::int64_t epoch) {
    return Do([&](pg::Tx& tx) { return LookupSession(tx, id, epoch); });
  }

  std::optional<RecordedUse> Use(const std::string& id) {
    return Do([&](pg::Tx& tx) { return RecordUse(tx, id); });
  }

  std::optional<RevokedCredential> Revoke(const std::string& id,
                                          const CredentialFilter& filter = {}) {
    return Do([&](pg::Tx& tx) { return RevokeCredential(tx, id, filter); });
  }

  std::int64_t TenantId() {
    return std::stoll(database_.Select("SELECT id FROM auth.tenants WHERE name = 'ada'"));
  }

  testing::AuthDatabase database_;
  const std::string ada_ = database_.AddUser("ada");
};

TEST_F(CredentialStoreTest, ALookUpTellsTheRightsOfTheMoment) {
  const std::string id = InsertOpaque(CredentialKind::kToken);
  database_.Execute(
      "UPDATE auth.users SET rate_limit_per_second = 3;"
      "UPDATE auth.roles SET permissions = '{view_logs}' WHERE role = 'user'");
  const auto found = Lookup();
  ASSERT_TRUE(found);
  EXPECT_EQ(found->credential_id, id);
  EXPECT_EQ(found->kind, CredentialKind::kToken);
  EXPECT_EQ(found->scopes, std::nullopt);
  EXPECT_EQ(found->expire_time, std::nullopt);
  EXPECT_TRUE(found->use_is_stale);
  EXPECT_EQ(found->user_id, ada_);
  EXPECT_EQ(found->username, "ada");
  EXPECT_EQ(found->email, "ada@example.com");
  EXPECT_EQ(found->role, "user");
  EXPECT_THAT(found->permissions, ElementsAre("view_logs"));
  EXPECT_THAT(found->role_scopes, Contains("llm.chat"));
  EXPECT_EQ(found->rate_limit_per_second, 3) << "the user's own";
  EXPECT_EQ(found->rate_limit_burst, 20) << "the role's";
  EXPECT_EQ(found->tenant_id, TenantId());
  EXPECT_EQ(found->client_id, "ada");
  EXPECT_EQ(found->tier, "free");
  EXPECT_FALSE(found->password_change_required);
  database_.Execute("UPDATE auth.users SET role = 'admin', password_change_required = true");
  EXPECT_THAT(Lookup()->permissions, Contains("manage_auth"));
  EXPECT_TRUE(Lookup()->password_change_required);
}

TEST_F(CredentialStoreTest, ScopesSurviveAndNoScopesAreNotNoNarrowing) {
  const auto insert = [&](const std::optional<std::vector<std::string>>& scopes) {
    database_.Execute("DELETE FROM auth.credentials");
    Insert({.id = UuidV7(),
            .user_id = ada_,
            .kind = CredentialKind::kKey,
            .digest = token::TokenDigest("secret"),
            .scopes = scopes});
    return Lookup()->scopes;
  };
  EXPECT_THAT(insert({{"llm.chat", "a \"b\", {c}\\"}}),
              Optional(ElementsAre("llm.chat", "a \"b\", {c}\\")));
  EXPECT_THAT(insert(std::vector<std::string>{}), Optional(IsEmpty()));
  EXPECT_EQ(insert(std::nullopt), std::nullopt);
}

TEST_F(CredentialStoreTest, TheDeadAreNotFound) {
  InsertOpaque(CredentialKind::kToken);
  const std::vector<std::pair<std::string, std::string>> deaths = {
      {"auth.credentials SET revoke_time = now()", "auth.credentials SET revoke_time = NULL"},
      {"auth.credentials SET expire_time = now()", "auth.credentials SET expire_time = NULL"},
      {"auth.users SET is_active = false", "auth.users SET is_active = true"},
      {"auth.users SET epoch = 1", "auth.users SET epoch = 0"},
      {"auth.tenants SET epoch = 1", "auth.tenants SET epoch = 0"},
      {"auth.control_head SET global_epoch = 1", "auth.control_head SET global_epoch = 0"}};
  for (const auto& [kill, revive] : deaths) {
    ASSERT_TRUE(Lookup()) << kill;
    database_.Execute("UPDATE " + kill);
    EXPECT_FALSE(Lookup()) << kill;
    database_.Execute("UPDATE " + revive);
  }
}

TEST_F(CredentialStoreTest, WhatIsIssuedAfterARevocationLives) {
  InsertOpaque(CredentialKind::kToken);
  Do([&](pg::Tx& tx) { return RaiseUserEpoch(tx, ada_); });
  EXPECT_FALSE(Lookup());
  for (int i = 0; i < 3; ++i) {
    database_.Execute("DELETE FROM auth.credentials");
    InsertOpaque(CredentialKind::kToken);
    EXPECT_TRUE(Lookup()) << i;
    const auto epoch =
        i == 0 ? Do([&](pg::Tx& tx) { return RaiseTenantEpoch(tx, TenantId()); })
               : Do([](pg::Tx& tx) { return std::optional<std::int64_t>(RaiseGlobalEpoch(tx)); });
    EXPECT_EQ(epoch, 2 + i);
    EXPECT_FALSE(Lookup()) << i;
  }
}

TEST_F(CredentialStoreTest, ASessionIsFoundByALiveTokenOfItsOwn) {
  const std::string id = InsertSigned();
  ASSERT_TRUE(Session(id, 0));
  EXPECT_EQ(Session(id, 0)->user_id, ada_);
  EXPECT_EQ(Session(id, 0)->kind, CredentialKind::kAccess);
  EXPECT_FALSE(Session(UuidV7(), 0));
  EXPECT_FALSE(Session("no UUID", 0));
  database_.Execute("UPDATE auth.users SET epoch = 5; UPDATE auth.credentials SET epoch = 5");
  EXPECT_FALSE(Session(id, 4)) << "the session was kept, the token was not";
  EXPECT_TRUE(Session(id, 5));
  database_.Execute("UPDATE auth.credentials SET epoch = 4");
  EXPECT_FALSE(Session(id, 5)) << "no token outlives its session";
}

TEST_F(CredentialStoreTest, AnOpaqueCredentialIsNoSession) {
  EXPECT_FALSE(Session(InsertOpaque(CredentialKind::kToken), 0));
}

TEST_F(CredentialStoreTest, AUseIsRecordedAtMostOnceAMinute) {
  const std::string id = InsertOpaque(CredentialKind::kToken);
  EXPECT_TRUE(Use(id));
  EXPECT_FALSE(Lookup()->use_is_stale);
  EXPECT_FALSE(Use(id));
  database_.Execute("UPDATE auth.credentials SET last_used_time = now() - interval '61 seconds'");
  EXPECT_TRUE(Lookup()->use_is_stale);
  const auto used = Use(id);
  ASSERT_TRUE(used);
  EXPECT_FALSE(used->was_extended) << "only sessions slide";
  EXPECT_EQ(used->expire_time, std::nullopt);
}

TEST_F(CredentialStoreTest, AUsedSessionHasItsWholeLifeAheadAgain) {
  const std::string id = InsertOpaque(CredentialKind::kSession, std::chrono::hours(24));
  for (const char* column : {"create_time", "last_used_time"}) {
    database_.Execute(
        "UPDATE auth.credentials SET expire_time = expire_time - interval '5 hours', " +
        std::string(column) + " = " + column + " - interval '5 hours'");
    const auto used = Use(id);
    ASSERT_TRUE(used) << column;
    EXPECT_TRUE(used->was_extended);
    EXPECT_FALSE(used->is_persistent);
    EXPECT_EQ(used->expire_time, Lookup()->expire_time);
    EXPECT_EQ(database_.Count("auth.credentials"
                              " WHERE expire_time = last_used_time + interval '24 hours'"),
              1);
  }
}

TEST_F(CredentialStoreTest, TheDeadDoNotSlide) {
  const std::string id = InsertOpaque(CredentialKind::kSession, std::chrono::hours(24));
  database_.Execute("UPDATE auth.credentials SET revoke_time = now()");
  EXPECT_FALSE(Use(id));
  database_.Execute("UPDATE auth.credentials SET revoke_time = NULL, expire_time = now()");
  EXPECT_FALSE(Use(id));
}

TEST_F(CredentialStoreTest, ParallelUsesSlideOnce) {
  const std::string id = InsertOpaque(CredentialKind::kSession, std::chrono::hours(24));
  std::vector<std::thread> threads;
  std::atomic<int> extended = 0;
  for (int i = 0; i < 6; ++i) threads.emplace_back([&] { extended += Use(id) ? 1 : 0; });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(extended, 1);
}

TEST_F(CredentialStoreTest, RevokesOnceAndTellsWhose) {
  const std::string id = InsertOpaque(CredentialKind::kLogin);
  const auto revoked = Revoke(id);
  ASSERT_TRUE(revoked);
  EXPECT_TRUE(revoked->is_new);
  EXPECT_EQ(revoked->user_id, ada_);
  EXPECT_EQ(revoked->username, "ada");
  EXPECT_EQ(revoked->tenant_id, TenantId());
  EXPECT_EQ(revoked->kind, CredentialKind::kLogin);
  EXPECT_FALSE(Lookup());
  EXPECT_FALSE(Revoke(id)->is_new);
  EXPECT_EQ(
      database_.Count("auth.control_log WHERE kind = 'revocation' AND subject = '" + id + "'"), 1);
  EXPECT_FALSE(Revoke(UuidV7()));
  EXPECT_FALSE(Revoke("no UUID"));
}

TEST_F(CredentialStoreTest, RevokesOnlyWhatTheFilterFits) {
  const std::string id = InsertOpaque(CredentialKind::kApi);
  const std::string bob = database_.AddUser("bob");
  EXPECT_FALSE(Revoke(id, {.user_id = bob}));
  EXPECT_FALSE(Revoke(id, {.user_id = "no UUID"}));
  EXPECT_FALSE(Revoke(id, {.user_id = ada_, .kinds = {CredentialKind::kToken}}));
  EXPECT_TRUE(Lookup());
  EXPECT_TRUE(Revoke(id, {.user_id = ada_, .kinds = {CredentialKind::kKey, CredentialKind::kApi}}));
}

TEST_F(CredentialStoreTest, ListsLiveLoginsNewestFirst) {
  const std::string older = InsertSigned();
  const std::string newer = UuidV7();
  Insert({.id = newer,
          .user_id = ada_,
          .kind = CredentialKind::kSession,
          .digest = token::TokenDigest("newer"),
          .life = std::chrono::hours(1),
          .origin = {.client_address = "192.0.2.1", .user_agent = "agent"}});
  InsertOpaque(CredentialKind::kApi);
  const auto list = [&](const std::string& user_id) {
    return Do([&](pg::Tx& tx) { return ListLogins(tx, user_id); });
  };
  const auto sessions = list(ada_);
  ASSERT_EQ(sessions.size(), 2u) << "an API token is no login";
  EXPECT_EQ(sessions[0].id, newer);
  EXPECT_EQ(sessions[0].client_address, "192.0.2.1");
  EXPECT_EQ(sessions[0].user_agent, "agent");
  EXPECT_EQ(sessions[0].last_used_time, std::nullopt);
  EXPECT_EQ(sessions[1].id, older);
  EXPECT_EQ(sessions[1].kind, CredentialKind::kAccess);
  Revoke(newer);
  EXPECT_EQ(list(ada_).size(), 1u);
  EXPECT_THAT(list(database_.AddUser("bob")), IsEmpty());
  EXPECT_THAT(list("no UUID"), IsEmpty());
}

}  // namespace
}  // namespace gatehouse::auth
