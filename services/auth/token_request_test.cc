#include "services/auth/token_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gatehouse::auth {
namespace {

using ::testing::ElementsAre;

const Time kNow = Time(std::chrono::hours(490000));
const std::vector<std::string> kHeld = {"llm.chat", "llm.embed", "view_logs"};
constexpr char kAdaId[] = "0198c0de-0000-7000-8000-00000000ada0";

TokenOrder Api(const std::string& name, std::vector<std::string> scopes = {}) {
  return {.kind = CredentialKind::kApi, .name = name, .scopes = std::move(scopes)};
}

TokenOrder Key(std::vector<std::string> scopes) {
  return {.kind = CredentialKind::kKey, .scopes = std::move(scopes)};
}

std::string ReasonOf(TokenOrder order) { return Reason(Check(order, kNow)); }

TEST(TokenOrderTest, OnlyTokensAndKeysAreMade) {
  EXPECT_EQ(ReasonOf(Api("ci")), "");
  EXPECT_EQ(ReasonOf(Key({"llm.chat"})), "");
  for (const CredentialKind kind :
       {CredentialKind::kToken, CredentialKind::kSession, CredentialKind::kLogin,
        CredentialKind::kAccess, CredentialKind::kPlatform}) {
    EXPECT_EQ(ReasonOf(TokenOrder{.kind = kind, .name = "ci"}), "KIND_INVALID");
  }
}

TEST(TokenOrderTest, AnApiTokenHasANameOfAHundredCharactersAtMost) {
  std::string umlauts;
  for (int i = 0; i < 100; ++i) umlauts += "ü";
  EXPECT_EQ(ReasonOf(Api(umlauts)), "");
  EXPECT_EQ(ReasonOf(Api(umlauts + "x")), "NAME_INVALID");
  EXPECT_EQ(ReasonOf(Api("")), "NAME_INVALID");
  EXPECT_EQ(ReasonOf(Api("a\nb")), "NAME_INVALID");
  EXPECT_EQ(ReasonOf(Api(std::string("a\0b", 3))), "NAME_INVALID");
  EXPECT_EQ(ReasonOf(Api("\xff")), "NAME_INVALID");
  TokenOrder key = Key({"llm.chat"});
  key.name = umlauts + "x";
  EXPECT_EQ(ReasonOf(key), "NAME_INVALID");
}

TEST(TokenOrderTest, AKeyNamesItsScopes) {
  EXPECT_EQ(ReasonOf(Key({})), "SCOPE_INVALID");
  EXPECT_EQ(ReasonOf(Key({"jobs:work", "*"})), "");
  for (const std::string& scope : {std::string(), std::string("a b"), std::string("**"),
                                   std::string("ü"), std::string(65, 's')}) {
    EXPECT_EQ(ReasonOf(Key({"llm.chat", scope})), "SCOPE_INVALID") << scope;
    EXPECT_EQ(ReasonOf(Api("ci", {scope})), "SCOPE_INVALID") << scope;
  }
  EXPECT_EQ(ReasonOf(Key(std::vector<std::string>(101, "a"))), "SCOPE_INVALID");
}

TEST(TokenOrderTest, ScopesAreOrderedAndEverythingStandsAlone) {
  TokenOrder order = Key({"b", "a", "b"});
  ASSERT_TRUE(Check(order, kNow).ok());
  EXPECT_THAT(order.scopes, ElementsAre("a", "b"));
  order = Key({"b", "*", "a"});
  ASSERT_TRUE(Check(order, kNow).ok());
  EXPECT_THAT(order.scopes, ElementsAre("*"));
}

TEST(TokenOrderTest, OnlyAnApiTokenMayBeBornDead) {
  TokenOrder api = Api("ci");
  TokenOrder key = Key({"llm.chat"});
  api.expire_time = key.expire_time = kNow;
  EXPECT_EQ(ReasonOf(api), "");
  EXPECT_EQ(ReasonOf(key), "EXPIRE_TIME_INVALID");
  key.expire_time = kNow + std::chrono::seconds(1);
  EXPECT_EQ(ReasonOf(key), "");
}

TEST(TokenScopesTest, TheOwnerMustHoldThem) {
  const Actor owner{.user_id = kAdaId};
  EXPECT_TRUE(CheckScopes(Key({"llm.chat", "view_logs"}), kHeld, owner).ok());
  EXPECT_TRUE(CheckScopes(Key({"*"}), kHeld, owner).ok());
  EXPECT_TRUE(CheckScopes(Api("ci"), kHeld, owner).ok());
  const absl::Status refused = CheckScopes(Key({"llm.chat", "admin"}), kHeld, owner);
  EXPECT_EQ(refused.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(Reason(refused), "SCOPE_NOT_HELD");
  EXPECT_EQ(Reason(CheckScopes(Key({"admin"}), kHeld, {})), "SCOPE_NOT_HELD") << "whoever makes it";
}

TEST(TokenScopesTest, ANarrowedCredentialMakesNoWiderOne) {
  const Actor narrowed{.user_id = kAdaId, .is_narrowed = true, .holds = {"llm.chat"}};
  EXPECT_TRUE(CheckScopes(Key({"llm.chat"}), kHeld, narrowed).ok());
  EXPECT_EQ(Reason(CheckScopes(Key({"llm.embed"}), kHeld, narrowed)), "SCOPE_NOT_HELD");
  EXPECT_EQ(Reason(CheckScopes(Key({"*"}), kHeld, narrowed)), "SCOPE_NOT_HELD");
  EXPECT_EQ(Reason(CheckScopes(Api("ci"), kHeld, narrowed)), "SCOPE_NOT_HELD");
  Actor admin = narrowed;
  admin.is_admin = true;
  EXPECT_TRUE(CheckScopes(Api("ci"), kHeld, admin).ok());
}

TEST(TokenScopesTest, OnlyAdministratorsMakeTokensOfOthers) {
  User ada;
  ada.id = kAdaId;
  EXPECT_TRUE(CheckMayMakeFor({.user_id = kAdaId}, ada).ok());
  EXPECT_TRUE(CheckMayMakeFor({.user_id = "another", .is_admin = true}, ada).ok());
  EXPECT_TRUE(CheckMayMakeFor({}, ada).ok()) << "a service for itself";
  EXPECT_EQ(Reason(CheckMayMakeFor({.user_id = "another"}, ada)), "ADMIN_REQUIRED");
}

TEST(NeededScopeTest, FollowsThePathAndNotTheQuery) {
  EXPECT_EQ(NeededScope("/admin"), "admin");
  EXPECT_EQ(NeededScope("/admin/chat"), "admin");
  EXPECT_EQ(NeededScope("/v1/chat/completions"), "llm.chat");
  EXPECT_EQ(NeededScope("/v1/embeddings"), "llm.embed");
  EXPECT_EQ(NeededScope("/v1/embeddings?x=/chat"), "llm.embed");
  EXPECT_EQ(NeededScope("/v1/models?x=/admin"), "");
  EXPECT_EQ(NeededScope(""), "");
}

TEST(NeededScopeTest, AnyScopeWillDoWhereNoneIsNamed) {
  EXPECT_TRUE(CheckAllows({"llm.chat"}, "/v1/chat/completions").ok());
  EXPECT_TRUE(CheckAllows({"llm.embed"}, "/api/plugins").ok());
  EXPECT_EQ(Reason(CheckAllows({}, "/api/plugins")), "SCOPE_INSUFFICIENT");
  EXPECT_EQ(Reason(CheckAllows({"llm.embed"}, "/v1/chat/completions")), "SCOPE_INSUFFICIENT");
  EXPECT_EQ(Reason(CheckAllows({"llm.chat"}, "/admin/keys")), "SCOPE_INSUFFICIENT");
}

TEST(NeededScopeTest, ASignedTokenHasThreeParts) {
  EXPECT_TRUE(LooksSigned("a.b.c"));
  EXPECT_FALSE(LooksSigned("ora_abc"));
  EXPECT_FALSE(LooksSigned("a.b.c.d"));
}

}  // namespace
}  // namespace gatehouse::auth
