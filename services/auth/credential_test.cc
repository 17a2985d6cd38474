#include "services/auth/credential.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace gatehouse::auth {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Optional;
using Scopes = std::vector<std::string>;

constexpr CredentialKind kAllKinds[] = {CredentialKind::kToken,    CredentialKind::kSession,
                                        CredentialKind::kLogin,    CredentialKind::kAccess,
                                        CredentialKind::kPlatform, CredentialKind::kApi,
                                        CredentialKind::kKey};

TEST(CredentialTest, EveryKindHasANameOfItsOwn) {
  std::set<std::string> names;
  for (const CredentialKind kind : kAllKinds) {
    names.insert(Name(kind));
    EXPECT_EQ(KindOf(Name(kind)), kind);
  }
  EXPECT_EQ(names.size(), std::size(kAllKinds));
  EXPECT_EQ(KindOf("password"), std::nullopt);
  EXPECT_EQ(KindOf(""), std::nullopt);
}

TEST(CredentialTest, EveryOpaqueKindHasAPrefixOfItsOwn) {
  std::set<std::string> prefixes;
  for (const CredentialKind kind : kAllKinds) {
    if (!IsSigned(kind)) prefixes.insert(PrefixOf(kind));
  }
  EXPECT_THAT(prefixes, ElementsAre("gh", "ghl", "ghs", "ght", "ora"));
}

TEST(CredentialTest, NoAccessTokenOutlivesTheLongestLife) {
  EXPECT_EQ(AccessLife(CredentialKind::kAccess), std::chrono::minutes(15));
  EXPECT_EQ(AccessLife(CredentialKind::kPlatform), kAccessLifeMax);
}

TEST(CredentialTest, AnOwnerHoldsPermissionsAndScopesOfTheRole) {
  EXPECT_THAT(HeldScopes({"b", "a"}, {"c", "b"}), ElementsAre("a", "b", "c"));
}

TEST(CredentialTest, AKeyAllowsNoMoreThanItsOwnerHolds) {
  EXPECT_THAT(EffectiveScopes(Scopes{"llm.chat", "admin", "view_logs", "llm.chat"}, {"view_logs"},
                              {"llm.embed", "llm.chat"}),
              Optional(ElementsAre("llm.chat", "view_logs")));
  EXPECT_THAT(EffectiveScopes(Scopes{"admin"}, {}, {"llm.chat"}), Optional(IsEmpty()));
}

TEST(CredentialTest, NoScopesAtAllIsNotTheSameAsNoScopeAllowed) {
  EXPECT_EQ(EffectiveScopes(std::nullopt, {"view_logs"}, {"llm.chat"}), std::nullopt);
  EXPECT_THAT(EffectiveScopes(Scopes{}, {"view_logs"}, {"llm.chat"}), Optional(IsEmpty()));
}

TEST(CredentialTest, AStarDoesNotNarrow) {
  EXPECT_EQ(EffectiveScopes(Scopes{"llm.chat", "*"}, {}, {"llm.chat"}), std::nullopt);
}

}  // namespace
}  // namespace gatehouse::auth
