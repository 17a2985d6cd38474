#include "services/auth/credential_issuer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "libs/base/uuid.h"
#include "libs/token/api_token.h"
#include "services/auth/auth_testing.h"
#include "services/auth/credential_store.h"
#include "services/auth/revocation.h"

namespace gatehouse::auth {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class CredentialIssuerTest : public ::testing::Test {
 protected:
  // Revokes all of the user's credentials, and keeps one, in one transaction.
  std::optional<IssuedCredential> RevokeAllBut(const std::string& user_id,
                                               const std::string& credential_id) {
    auto kept = database_.db().InTransaction(
        [&](pg::Tx& tx) -> absl::StatusOr<std::optional<IssuedCredential>> {
          LockOwner(tx, user_id);
          RaiseUserEpoch(tx, user_id);
          return server_.issuer().Keep(tx, user_id, credential_id);
        });
    EXPECT_TRUE(kept.ok()) << kept.status();
    return kept.value_or(std::nullopt);
  }

  absl::StatusOr<IssuedCredential> Refresh(const std::string& refresh_token) {
    return database_.db().InTransaction([&](pg::Tx& tx) {
      std::optional<CredentialIssuer::Reuse> reused;
      return server_.issuer().Refresh(tx, refresh_token, &reused);
    });
  }

  token::Claims ClaimsOf(const std::string& jwt) {
    const auto claims = database_.db().Read([&](pg::Tx& tx) -> absl::StatusOr<token::Claims> {
      return token::VerifyJwt(PublishedKeys(tx), jwt, kIssuer, kAudience,
                              std::chrono::system_clock::now());
    });
    EXPECT_TRUE(claims.ok()) << claims.status();
    return claims.value_or(token::Claims());
  }

  // Whether the row has a life of these seconds.
  bool Lives(const std::string& credential_id, std::int64_t seconds) {
    return database_.Count("auth.credentials WHERE id = '" + credential_id +
                           "' AND expire_time = create_time + interval '" +
                           std::to_string(seconds) + " seconds'") == 1;
  }

  testing::AuthDatabase database_;
  testing::AuthServer server_{database_};
  const std::string ada_ = database_.AddUser("ada");
};

TEST_F(CredentialIssuerTest, OpaqueKindsHaveAPrefixALifeAndNoTraceAtRest) {
  struct Case {
    CredentialKind kind;
    std::string prefix;
    std::int64_t seconds;
  };
  for (const Case& one : {Case{CredentialKind::kSession, "ghs_", 14 * 86400},
                          Case{CredentialKind::kLogin, "ghl_", 86400}}) {
    const IssuedCredential issued = server_.Issue(ada_, one.kind);
    EXPECT_EQ(issued.token.rfind(one.prefix, 0), 0u);
    EXPECT_TRUE(token::LooksLikeApiToken(issued.token));
    EXPECT_EQ(issued.refresh_token, "");
    EXPECT_TRUE(Lives(issued.credential_id, one.seconds)) << one.prefix;
    EXPECT_EQ(issued.user.id, ada_);
    const auto found = server_.Lookup(issued.token);
    ASSERT_TRUE(found.ok()) << found.status();
    EXPECT_EQ(found->token_id(), issued.credential_id);
    EXPECT_TRUE(found->has_expire_time());
    EXPECT_EQ(database_.Count("auth.credentials k WHERE k::text LIKE '%" + issued.token + "%'"), 0);
  }
  const IssuedCredential token = server_.Issue(ada_);
  EXPECT_EQ(token.token.rfind("ght_", 0), 0u);
  EXPECT_EQ(token.expire_time, std::nullopt);
  EXPECT_FALSE(server_.Lookup(token.token)->has_expire_time());
}

TEST_F(CredentialIssuerTest, TheLoginSessionNamesTheScopesOfTheRole) {
  EXPECT_THAT(server_.Issue(ada_, CredentialKind::kLogin).scopes,
              ElementsAre("llm.chat", "llm.embed", "repo.analyze", "repo.patch"));
  EXPECT_THAT(server_.Issue(ada_, CredentialKind::kSession).scopes, IsEmpty());
  const std::string root = database_.AddUser("root", "admin");
  EXPECT_THAT(
      server_.Issue(root, CredentialKind::kLogin).scopes,
      ElementsAre("admin", "jobs:work", "llm.chat", "llm.embed", "repo.analyze", "repo.patch"));
}

TEST_F(CredentialIssuerTest, AccessTokensNameTheirSessionAndItsEpoch) {
  RevokeAllBut(ada_, UuidV7());
  for (const auto& [kind, minutes] :
       {std::pair{CredentialKind::kAccess, 15}, std::pair{CredentialKind::kPlatform, 30}}) {
    const IssuedCredential issued = server_.Issue(ada_, kind);
    const token::Claims claims = ClaimsOf(issued.token);
    EXPECT_EQ(claims.subject, ada_);
    EXPECT_TRUE(IsUuid(claims.id));
    EXPECT_EQ(claims.session_id, issued.credential_id);
    EXPECT_EQ(claims.tenant_id, issued.user.tenant.id);
    EXPECT_EQ(std::to_string(claims.epoch),
              database_.Select("SELECT epoch FROM auth.users WHERE epoch > 0"));
    EXPECT_EQ(claims.role, "user");
    EXPECT_THAT(claims.scopes, IsEmpty());
    EXPECT_EQ(claims.expire_time - claims.issue_time, std::chrono::minutes(minutes));
    EXPECT_EQ(issued.expire_time, claims.expire_time);
    EXPECT_TRUE(Lives(issued.credential_id, 7 * 86400));
    const auto found = server_.Lookup(issued.token);
    ASSERT_TRUE(found.ok()) << found.status();
    EXPECT_EQ(found->token_id(), issued.credential_id);
  }
}

TEST_F(CredentialIssuerTest, TheNewestTwentyTokensLive) {
  std::vector<std::string> tokens;
  for (int i = 0; i < 20; ++i) tokens.push_back(server_.Issue(ada_).token);
  EXPECT_EQ(server_.Live(tokens), 20);
  EXPECT_EQ(database_.Count("auth.control_log WHERE kind = 'revocation'"), 0);
  for (int i = 0; i < 2; ++i) {
    const IssuedCredential issued = server_.Issue(ada_);
    EXPECT_TRUE(issued.has_revoked);
    tokens.push_back(issued.token);
  }
  EXPECT_EQ(server_.Live(tokens), 20);
  EXPECT_EQ(server_.Live({tokens[0], tokens[1]}), 0) << "the oldest go";
  EXPECT_EQ(database_.Count("auth.control_log WHERE kind = 'revocation'"), 2)
      << "gateways must hear of it";
}

TEST_F(CredentialIssuerTest, OtherKindsAndUsersDoNotCount) {
  const std::string bob = database_.AddUser("bob");
  std::vector<std::string> tokens;
  for (int i = 0; i < 15; ++i) {
    tokens.push_back(server_.Issue(ada_).token);
    tokens.push_back(server_.Issue(ada_, CredentialKind::kSession).token);
    tokens.push_back(server_.Issue(bob).token);
  }
  EXPECT_EQ(server_.Live(tokens), 45);
}

TEST_F(CredentialIssuerTest, ParallelIssuesKeepTwenty) {
  for (int i = 0; i < 18; ++i) server_.Issue(ada_);
  std::vector<std::thread> threads;
  std::vector<std::string> tokens(6);
  for (std::string& token : tokens) {
    threads.emplace_back([&] { token = server_.Issue(ada_).token; });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(database_.Count("auth.credentials WHERE revoke_time IS NULL"), 20);
  EXPECT_EQ(server_.Live(tokens), 6);
}

TEST_F(CredentialIssuerTest, AnIssueWaitsForARevocationAndOutlivesIt) {
  IssuedCredential issued;
  std::thread login;
  const absl::Status status = database_.db().InTransaction([&](pg::Tx& tx) -> absl::Status {
    RaiseUserEpoch(tx, ada_);
    login = std::thread([&] { issued = server_.Issue(ada_); });
    EXPECT_TRUE(database_.EventuallySomebodyWaits());
    return absl::OkStatus();
  });
  login.join();
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(server_.Live({issued.token}), 1);
}

TEST_F(CredentialIssuerTest, ARevocationWaitsForAnIssueAndKillsIt) {
  IssuedCredential issued;
  std::thread revocation;
  const absl::Status status = database_.db().InTransaction([&](pg::Tx& tx) -> absl::Status {
    LockOwner(tx, ada_);
    GH_ASSIGN_OR_RETURN(issued, server_.issuer().Issue(tx, {.user_id = ada_}));
    revocation = std::thread([&] { RevokeAllBut(ada_, UuidV7()); });
    EXPECT_TRUE(database_.EventuallySomebodyWaits());
    return absl::OkStatus();
  });
  revocation.join();
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(server_.Live({issued.token}), 0);
}

TEST_F(CredentialIssuerTest, KeepsOneSessionThroughARevocation) {
  const IssuedCredential kept = server_.Issue(ada_, CredentialKind::kAccess);
  const IssuedCredential other = server_.Issue(ada_, CredentialKind::kPlatform);
  const auto renewed = RevokeAllBut(ada_, kept.credential_id);
  ASSERT_TRUE(renewed);
  EXPECT_EQ(renewed->refresh_token, "");
  EXPECT_EQ(server_.Live({renewed->token}), 1);
  EXPECT_EQ(server_.Live({kept.token}), 0) << "its epoch is before the revocation";
  EXPECT_EQ(server_.Live({other.token}), 0);
  const auto refreshed = Refresh(kept.refresh_token);
  ASSERT_TRUE(refreshed.ok()) << refreshed.status();
  EXPECT_EQ(server_.Live({refreshed->token}), 1);
  EXPECT_EQ(Reason(Refresh(other.refresh_token).status()), "REFRESH_TOKEN_INVALID");
}

TEST_F(CredentialIssuerTest, KeepsAnOpaqueCredentialAsItIs) {
  const IssuedCredential kept = server_.Issue(ada_);
  const IssuedCredential other = server_.Issue(ada_);
  const auto renewed = RevokeAllBut(ada_, kept.credential_id);
  ASSERT_TRUE(renewed);
  EXPECT_EQ(renewed->token, "");
  EXPECT_EQ(server_.Live({kept.token}), 1);
  EXPECT_EQ(server_.Live({other.token}), 0);
}

TEST_F(CredentialIssuerTest, KeepRevivesNothing) {
  const std::string bob = database_.AddUser("bob");
  const IssuedCredential bobs = server_.Issue(bob);
  EXPECT_FALSE(RevokeAllBut(ada_, bobs.credential_id)) << "another user's";
  EXPECT_EQ(server_.Live({bobs.token}), 1);
  EXPECT_FALSE(RevokeAllBut(ada_, "no UUID"));

  const auto try_to_keep = [&](const std::string& how_it_died) {
    const IssuedCredential dead = server_.Issue(ada_, CredentialKind::kSession);
    database_.Execute(how_it_died);
    EXPECT_FALSE(RevokeAllBut(ada_, dead.credential_id)) << how_it_died;
    EXPECT_EQ(server_.Live({dead.token}), 0) << how_it_died;
  };
  try_to_keep("UPDATE auth.credentials SET revoke_time = now() WHERE revoke_time IS NULL");
  try_to_keep("UPDATE auth.credentials SET expire_time = now() WHERE expire_time IS NOT NULL");
  try_to_keep(
      "UPDATE auth.tenants t SET epoch = sequence + 1 FROM auth.control_head;"
      "UPDATE auth.control_head SET sequence = sequence + 1");
  try_to_keep("UPDATE auth.control_head SET sequence = sequence + 1, global_epoch = sequence + 1");
}

}  // namespace
}  // namespace gatehouse::auth
