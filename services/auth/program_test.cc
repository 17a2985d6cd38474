// The real program, killed at every step of a signup, and its commands.
#include <gtest/gtest.h>
#include <signal.h>

#include "gatehouse/auth/v1/session.methods.h"
#include "libs/pg/sealer.h"
#include "services/auth/audit_store.h"
#include "services/auth/program_testing.h"

namespace gatehouse::auth {
namespace {

using testing::Eventually;
using testing::kPassword;
using testing::ProgramRun;
using Api = v1::SessionService;

class ProgramTest : public ::testing::Test {
 protected:
  absl::StatusOr<v1::IssuedCredential> SignUp(const std::string& address,
                                              const std::string& username) {
    v1::SignUpRequest request;
    request.set_username(username);
    request.set_email(username + "@example.com");
    request.set_password(kPassword);
    request.set_passkey("p-" + username);
    return rpc::Client("auth", address, &world_.gateway()).Call(Api::kSignUp, request);
  }

  absl::Status LogIn(const std::string& address, const std::string& username) {
    v1::LogInRequest request;
    request.set_username(username);
    request.set_password(kPassword);
    request.set_kind(v1::CREDENTIAL_KIND_ACCESS);
    return rpc::Client("auth", address, &world_.gateway()).Call(Api::kLogIn, request).status();
  }

  bool UserExists(const std::string& username) {
    return database_.Count("auth.users WHERE username = '" + username + "'") == 1;
  }

  testing::AuthDatabase database_;
  testing::ProgramWorld world_{database_};
};

TEST_F(ProgramTest, ASignupKilledAtAnyStepEndsInOneUserAndOneRedemption) {
  const std::vector<std::string> steps = {"reserved", "redeemed", "created"};
  for (const std::string& step : steps) {
    world_.redeemer().Invite("p-" + step);
    ProgramRun doomed(world_, {},
                      {{"GATEHOUSE_FAILPOINTS", "auth.signup." + step + "=crash"},
                       {"SIGNUP_SWEEP_SECONDS", "3600"}});
    const std::string address = doomed.AwaitAddress();
    ASSERT_NE(address, "");
    EXPECT_EQ(SignUp(address, step).status().code(), absl::StatusCode::kUnavailable);
    ASSERT_EQ(doomed.Wait(), -SIGKILL) << step;
    EXPECT_EQ(UserExists(step), step == "created");
  }
  EXPECT_EQ(database_.Count("auth.signups"), 2);

  ProgramRun revived(world_, {"serve"}, {{"SIGNUP_SWEEP_SECONDS", "1"}});
  const std::string address = revived.AwaitAddress();
  ASSERT_NE(address, "");
  EXPECT_TRUE(Eventually([&] { return database_.Count("auth.signups") == 0; }));
  for (const std::string& step : steps) {
    EXPECT_TRUE(UserExists(step)) << step;
    EXPECT_TRUE(LogIn(address, step).ok()) << step;
    const auto repeated = SignUp(address, step);
    ASSERT_TRUE(repeated.ok()) << repeated.status();
    EXPECT_EQ(world_.redeemer().redemption_ids().count(repeated->user().id()), 1u) << step;
  }
  EXPECT_EQ(world_.redeemer().redemption_ids().size(), steps.size());
  EXPECT_EQ(database_.Count("auth.users"), 3);
  EXPECT_EQ(database_.Count("auth.tenants"), 3);
}

TEST_F(ProgramTest, ARepeatAfterAKillFinishesWithoutTheSweeper) {
  world_.redeemer().Invite("p-ada");
  ProgramRun doomed(world_, {}, {{"GATEHOUSE_FAILPOINTS", "auth.signup.redeemed=crash"}});
  EXPECT_FALSE(SignUp(doomed.AwaitAddress(), "ada").ok());
  ASSERT_EQ(doomed.Wait(), -SIGKILL);
  ProgramRun revived(world_, {}, {{"SIGNUP_SWEEP_SECONDS", "3600"}});
  const auto repeated = SignUp(revived.AwaitAddress(), "ada");
  ASSERT_TRUE(repeated.ok()) << repeated.status();
  EXPECT_EQ(world_.redeemer().redemption_ids(), std::set<std::string>{repeated->user().id()});
}

TEST_F(ProgramTest, CommandsBootstrapRevokeAndVerify) {
  const std::map<std::string, std::string> admin = {{"ADMIN_EMAIL", "admin@example.com"},
                                                    {"ADMIN_PASSWORD", kPassword}};
  ProgramRun bootstrap(world_, {"bootstrap"}, admin);
  EXPECT_EQ(bootstrap.Wait(), 0);
  EXPECT_EQ(bootstrap.output(), "tenant default created\nuser admin created, role admin\n");
  ProgramRun again(world_, {"bootstrap"});
  EXPECT_EQ(again.Wait(), 0);
  EXPECT_EQ(again.output(),
            "tenant default exists\nuser admin exists; its password was not changed\n");

  ProgramRun revoke(world_, {"revoke-user", "admin"});
  EXPECT_EQ(revoke.Wait(), 0);
  EXPECT_EQ(database_.Select("SELECT epoch FROM auth.users"), "1");
  EXPECT_EQ(ProgramRun(world_, {"revoke-user", "nobody"}).Wait(), 1);
  EXPECT_EQ(ProgramRun(world_, {"revoke-user"}).Wait(), 2);

  ASSERT_EQ(pg::Seal(database_.db(), AuditChain(), 100).value_or(-1), 2);
  ProgramRun verify(world_, {"verify-audit"});
  EXPECT_EQ(verify.Wait(), 0);
  EXPECT_EQ(verify.output(), "the audit log is intact: 2 sealed events\n");
  database_.Execute("UPDATE auth.audit_events SET actor_username = 'nobody'");
  EXPECT_EQ(ProgramRun(world_, {"verify-audit"}).Wait(), 1);
}

TEST_F(ProgramTest, ServingSealsTheAuditLog) {
  database_.AddUser("ada");
  ProgramRun run(world_, {});
  const std::string address = run.AwaitAddress();
  ASSERT_TRUE(LogIn(address, "ada").ok());
  EXPECT_TRUE(Eventually([&] { return database_.Count("auth.audit_chain") == 1; }));
}

TEST_F(ProgramTest, ProductionNeedsAStrongAdminPasswordForBootstrapAlone) {
  std::map<std::string, std::string> settings = {
      {"ENV", "production"},
      {"SECRET_KEY", "f3Jk9-qLz7Xw2Vb8Nn4Mm6Pp1Rr5Tt0Yy"},
      {"ADMIN_EMAIL", "admin@example.com"}};
  EXPECT_EQ(ProgramRun(world_, {"bootstrap"}, settings).Wait(), 2);
  settings["ADMIN_PASSWORD"] = "short-but-odd-91";
  EXPECT_EQ(ProgramRun(world_, {"bootstrap"}, settings).Wait(), 2);
  EXPECT_EQ(database_.Count("auth.users"), 0);
  settings["ADMIN_PASSWORD"] = "pW7-kestrel-plum-quince-magpie-teal-91";
  EXPECT_EQ(ProgramRun(world_, {"bootstrap"}, settings).Wait(), 0);

  settings.erase("ADMIN_PASSWORD");
  EXPECT_EQ(ProgramRun(world_, {"revoke-user", "admin"}, settings).Wait(), 0);
  ProgramRun serve(world_, {"serve"}, settings);
  EXPECT_NE(serve.AwaitAddress(), "");
}

}  // namespace
}  // namespace gatehouse::auth
