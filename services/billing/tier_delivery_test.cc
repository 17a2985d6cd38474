#include "services/billing/tier_delivery.h"

#include <atomic>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "services/billing/billing_testing.h"
#include "services/billing/fake_auth.h"

namespace gatehouse::billing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::int64_t kTenant = 7;

class TierTest : public BillingTest {
 protected:
  absl::StatusOr<v1::Account> SetTier(const std::string& tier, std::int64_t tenant = kTenant) {
    v1::UpdateAccountRequest request;
    request.set_tenant_id(tenant);
    request.set_plan_tier(tier);
    return woken_accounts_.UpdateAccount(request);
  }

  void Relay() {
    relay_.emplace(db_, "billing",
                   [this](const pg::OutboxMessage& message) { return delivery_(message); });
  }

  std::string Select(const std::string& sql) {
    const auto value = db_.Read([&](pg::Tx& tx) -> absl::StatusOr<std::string> {
      return std::string(tx.exec1(sql)[0].c_str());
    });
    EXPECT_TRUE(value.ok()) << value.status();
    return value.value_or("");
  }
  std::string Waiting() { return Select("SELECT count(*) FROM billing.outbox"); }

  SystemClock clock_;
  token::SigningKey key_ = token::SigningKey::Generate("billing");
  FakeAuth auth_{"127.0.0.1:0", key_.public_key()};
  rpc::PassportIssuer issuer_{"billing", std::move(key_), clock_};
  rpc::Client client_{"auth", auth_.address(), &issuer_};
  TierDelivery delivery_{client_};
  std::atomic<int> wakes_ = 0;
  AccountService woken_accounts_{db_, [this] {
                                   ++wakes_;
                                   if (relay_) relay_->Wake();
                                 }};
  std::optional<pg::OutboxRelay> relay_;  // last: stops before the rest goes
};

TEST_F(TierTest, AnUntouchedAccountIsFree) {
  EXPECT_EQ(AccountOf(kTenant).plan_tier(), "free");
  const auto touched = SetTier("free");
  ASSERT_TRUE(touched.ok()) << touched.status();
  EXPECT_EQ(touched->plan_tier(), "free");
  EXPECT_EQ(Waiting(), "0") << "nothing has changed";
}

TEST_F(TierTest, AChangeIsKeptAndReachesAuth) {
  Relay();
  const auto changed = SetTier("professional");
  ASSERT_TRUE(changed.ok()) << changed.status();
  EXPECT_EQ(changed->plan_tier(), "professional");
  EXPECT_EQ(changed->policy(), v1::Account::POLICY_WARN) << "what is absent stays";
  EXPECT_EQ(AccountOf(kTenant).plan_tier(), "professional");
  EXPECT_EQ(wakes_, 1);
  EXPECT_TRUE(Eventually([&] { return Waiting() == "0"; }));
  EXPECT_THAT(auth_.told(), ElementsAre("7 professional 1"));
}

TEST_F(TierTest, TheSameTierAgainTellsNothing) {
  ASSERT_TRUE(SetTier("starter").ok());
  ASSERT_TRUE(SetTier("starter").ok());
  EXPECT_EQ(Waiting(), "1");
  EXPECT_EQ(Select("SELECT tier_version FROM billing.accounts"), "1");
}

TEST_F(TierTest, AnUnknownTierIsRefusedAndChangesNothing) {
  for (const char* tier : {"", "Free", "platinum", "free "}) {
    const absl::Status refused = SetTier(tier).status();
    EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument) << tier;
    EXPECT_EQ(Reason(refused), "PLAN_TIER_UNKNOWN") << tier;
    EXPECT_EQ(FieldViolations(refused).count("plan_tier"), 1u) << tier;
  }
  EXPECT_EQ(Waiting(), "0");
  EXPECT_EQ(Select("SELECT count(*) FROM billing.accounts"), "0");
}

TEST_F(TierTest, APolicyIsChangedWithoutATier) {
  ASSERT_TRUE(SetTier("enterprise").ok());
  SetPolicy(kTenant, v1::Account::POLICY_BLOCK);
  EXPECT_EQ(AccountOf(kTenant).plan_tier(), "enterprise");
  EXPECT_EQ(AccountOf(kTenant).policy(), v1::Account::POLICY_BLOCK);
  EXPECT_EQ(Waiting(), "1");
}

TEST_F(TierTest, AHoldLeavesTheTier) {
  ASSERT_TRUE(SetTier("starter").ok());
  Credit(kTenant, kJobNanos);
  const std::string key = UuidV7();
  ASSERT_TRUE(Reserve(key, kTenant).ok());
  ASSERT_TRUE(Capture(key, 1, 1).ok());
  EXPECT_EQ(AccountOf(kTenant).plan_tier(), "starter");
}

TEST_F(TierTest, ChangesOfATenantArriveInOrderAlsoAfterAnOutage) {
  auth_.Fail(std::vector<absl::Status>(3, absl::UnavailableError("down")));
  ASSERT_TRUE(SetTier("starter").ok());
  ASSERT_TRUE(SetTier("enterprise").ok());
  ASSERT_TRUE(SetTier("free").ok());
  Relay();
  EXPECT_TRUE(Eventually([&] { return Waiting() == "0"; }));
  EXPECT_THAT(auth_.told(), ElementsAre("7 starter 1", "7 enterprise 2", "7 free 3"));
}

TEST_F(TierTest, ParallelChangesHaveVersionsInTheOrderOfTheOutbox) {
  const std::vector<std::string> tiers = {"free", "starter", "professional", "enterprise"};
  Together(8, [&](int i) { EXPECT_TRUE(SetTier(tiers[i % 4]).ok()); });
  Relay();
  EXPECT_TRUE(Eventually([&] { return Waiting() == "0"; }));
  const std::vector<std::string> told = auth_.told();
  for (std::size_t i = 0; i < told.size(); ++i) {
    EXPECT_EQ(told[i].substr(told[i].rfind(' ')), absl::StrCat(" ", i + 1));
  }
  ASSERT_FALSE(told.empty());
  EXPECT_EQ(told.back(), absl::StrCat("7 ", AccountOf(kTenant).plan_tier(), " ", told.size()));
}

TEST_F(TierTest, WhatAuthRefusesForGoodHoldsUpNothing) {
  auth_.Fail({Error(absl::StatusCode::kNotFound, "TENANT_NOT_FOUND", "no such tenant")});
  ASSERT_TRUE(SetTier("starter").ok());
  ASSERT_TRUE(SetTier("enterprise").ok());
  Relay();
  EXPECT_TRUE(Eventually([&] { return Waiting() == "0"; }));
  EXPECT_THAT(auth_.told(), ElementsAre("7 enterprise 2"));
}

TEST_F(TierTest, AMessageThatCannotBeReadStays) {
  for (const pg::OutboxMessage& message :
       {pg::OutboxMessage{1, "tenant/7", "auth.dance", ""},
        pg::OutboxMessage{1, "tenant/7", "auth.set_tenant_tier", "\xff"}}) {
    EXPECT_FALSE(delivery_(message).ok()) << message.kind;
  }
  EXPECT_THAT(auth_.told(), IsEmpty());
}

}  // namespace
}  // namespace gatehouse::billing
