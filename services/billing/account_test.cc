#include "services/billing/account.h"

#include "gtest/gtest.h"

namespace gatehouse::billing {
namespace {

Account AccountWith(Policy policy, std::int64_t settled, std::int64_t held = 0) {
  Account account;
  account.policy = policy;
  account.settled_nanos = settled;
  account.held_nanos = held;
  return account;
}

TEST(AccountTest, ShowsWhatIsAvailableAndWhetherItIsLow) {
  const Account account = AccountWith(Policy::kWarn, 7'000'000'000, 2'000'000'000);
  EXPECT_EQ(account.available_nanos(), 5'000'000'000);
  EXPECT_FALSE(AccountWith(Policy::kWarn, 7'000'000'000, 6'999'999'999).is_low())
      << "what is set aside is there still";
  EXPECT_FALSE(AccountWith(Policy::kWarn, 5'000'000'000).is_low()) << "not at the threshold";
  EXPECT_TRUE(AccountWith(Policy::kWarn, 4'999'999'999).is_low());
}

TEST(DecideTest, BlockLetsPassWhatIsAvailable) {
  const auto decision = Decide(AccountWith(Policy::kBlock, 100, 60), 40);
  ASSERT_TRUE(decision.ok());
  EXPECT_FALSE(decision->warned);
  EXPECT_EQ(decision->policy, Policy::kBlock);
}

TEST(DecideTest, BlockRefusesMoreThanIsAvailable) {
  const absl::Status status = Decide(AccountWith(Policy::kBlock, 100, 60), 41).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Reason(status), "RESERVE_INSUFFICIENT");
  EXPECT_EQ(ReasonMetadata(status, "balance_nanos"), "40") << "what is available";
  EXPECT_EQ(ReasonMetadata(status, "required_nanos"), "41");
}

TEST(DecideTest, BlockLetsPassWhatIsFreeUnlessInDebt) {
  EXPECT_TRUE(Decide(AccountWith(Policy::kBlock, 0), 0).ok());
  EXPECT_EQ(Reason(Decide(AccountWith(Policy::kBlock, -1), 0).status()), "RESERVE_INSUFFICIENT");
}

TEST(DecideTest, BlockGoesIntoAnAgreedOverdraft) {
  Account account = AccountWith(Policy::kBlock, 10);
  account.overdraft_max_nanos = 5;
  const auto decision = Decide(account, 15);
  ASSERT_TRUE(decision.ok());
  EXPECT_TRUE(decision->warned);
  EXPECT_EQ(Reason(Decide(account, 16).status()), "RESERVE_INSUFFICIENT");
}

TEST(DecideTest, WarnLetsPassWithAWarningOnlyWhenShort) {
  EXPECT_FALSE(Decide(AccountWith(Policy::kWarn, 100), 100)->warned);
  const auto decision = Decide(AccountWith(Policy::kWarn, 0), 20'000'000);
  ASSERT_TRUE(decision.ok());
  EXPECT_TRUE(decision->warned);
  EXPECT_EQ(decision->reason, "the reserve is short: 0.00 USD available, 0.02 USD required");
}

TEST(DecideTest, WarnEndsAtAnOverdraftThatStaffHasSet) {
  Account account = AccountWith(Policy::kWarn, 0);
  account.overdraft_max_nanos = 50;
  EXPECT_TRUE(Decide(account, 50)->warned);
  EXPECT_EQ(Reason(Decide(account, 51).status()), "RESERVE_INSUFFICIENT");
}

TEST(DecideTest, LimitedRefusesWhatIsDearAndWarnsOtherwise) {
  Account account = AccountWith(Policy::kLimited, 1000);
  account.ceiling_nanos = 70;
  EXPECT_FALSE(Decide(account, 70)->warned);
  const absl::Status status = Decide(account, 71).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Reason(status), "ESTIMATE_ABOVE_CEILING");
  EXPECT_EQ(ReasonMetadata(status, "estimate_nanos"), "71");
  EXPECT_EQ(ReasonMetadata(status, "ceiling_nanos"), "70");
  account.settled_nanos = 0;
  EXPECT_TRUE(Decide(account, 70)->warned);
}

TEST(PolicyTest, TextsAreReadBack) {
  for (const Policy policy : {Policy::kBlock, Policy::kWarn, Policy::kLimited}) {
    EXPECT_EQ(ParsePolicy(PolicyText(policy)), policy);
  }
}

}  // namespace
}  // namespace gatehouse::billing
