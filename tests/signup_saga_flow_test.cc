// The sign-up saga on the real programs, killed at every failpoint: no user or passkey
// is orphaned, and a retry gets the same user.
#include "tests/saga_flow.h"

namespace gatehouse {
namespace {

class SignupCrash : public SagaFlow, public ::testing::WithParamInterface<const char*> {};

TEST_P(SignupCrash, RetryGetsTheSameUser) {
  const std::string failpoint = GetParam();
  const std::string name = "retry-" + failpoint;
  const std::string passkey = stack_->Passkey();
  Arm("auth", failpoint);
  CrashBy("auth", failpoint, [&] { EXPECT_GE(SignUp(name, passkey).status, 500); });
  Answer again;
  ASSERT_TRUE(Eventually([&] { return (again = SignUp(name, passkey)).status < 500; }));
  EXPECT_EQ(again.status, 201) << again.body;
  EXPECT_EQ(Users(name), "1");
  EXPECT_EQ(Uses(), "1");
}

TEST_P(SignupCrash, TheSweeperFinishesWithoutARetry) {
  const std::string failpoint = GetParam();
  const std::string name = "sweep-" + failpoint;
  const std::string passkey = stack_->Passkey();
  Arm("auth", failpoint);
  CrashBy("auth", failpoint, [&] { EXPECT_GE(SignUp(name, passkey).status, 500); });
  EXPECT_TRUE(Eventually([&] { return Users(name) == "1"; })) << stack_->Log("auth");
  EXPECT_EQ(Uses(), "1");
  Answer other;
  ASSERT_TRUE(Eventually([&] { return (other = SignUp("other", passkey)).status < 500; }));
  EXPECT_EQ(other.status, 400) << other.body;
}

INSTANTIATE_TEST_SUITE_P(EveryStep, SignupCrash,
                         ::testing::Values("auth.signup.reserved", "auth.signup.redeemed",
                                           "auth.signup.created"));

TEST_F(SagaFlow, SignupWithoutInvitationsIsUnavailableAndFinishedLater) {
  const std::string passkey = stack_->Passkey();
  stack_->proxy("auth", "invitations").Cut();
  const Answer cut = SignUp("patient", passkey);
  EXPECT_EQ(cut.status, 503) << cut.body;
  EXPECT_EQ(Users("patient"), "0");
  stack_->proxy("auth", "invitations").Mend();
  EXPECT_TRUE(Eventually([&] { return Users("patient") == "1"; })) << stack_->Log("auth");
  EXPECT_EQ(Uses(), "1");
}

TEST_F(SagaFlow, TheAuditLogVerifies) {
  harness::Process audit("auth", stack_->at("auth").environment(),
                         stack_->directory() + "/audit.log");
  EXPECT_EQ(audit.Run({"verify-audit"}), 0) << audit.Log();
}

}  // namespace
}  // namespace gatehouse
