#include "services/auth/admin_commands.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "libs/token/api_token.h"
#include "services/auth/auth_testing.h"

namespace gatehouse::auth {
namespace {

using ::testing::HasSubstr;
using testing::kPassword;
using ::testing::Not;
using testing::TheHasher;

constexpr char kNewPassword[] = "heron-quince-47";
const AdminAccount kGrace{.username = "grace", .email = "grace@example.com", .password = kPassword};

class AdminCommandsTest : public ::testing::Test {
 protected:
  absl::StatusOr<std::string> Create(const AdminAccount& admin) {
    return CreateAdmin(database_.db(), TheHasher(), admin);
  }
  std::string ReasonOf(const AdminAccount& admin) { return Reason(Create(admin).status()); }
  std::string SetReason(const std::string& name, const std::string& password) {
    return Reason(SetUserPassword(database_.db(), TheHasher(), name, password));
  }
  bool Fits(const std::string& password) {
    const std::string hash = database_.Select("SELECT password_hash FROM auth.users");
    return TheHasher().Verify(password, hash).value_or(Fit::kNo) == Fit::kYes;
  }
  int Audited(const std::string& reason) {
    return database_.Count(
        "auth.audit_events e JOIN auth.users u ON e.target = 'user/' || u.id"
        " WHERE e.type = 'admin_action' AND e.actor_username = 'shell' AND e.success"
        " AND e.reason = '" +
        reason + "'");
  }

  testing::AuthDatabase database_;
};

TEST_F(AdminCommandsTest, CreatesAnAdministratorWithAToken) {
  testing::AuthServer server(database_);
  const auto token = Create(kGrace);
  ASSERT_TRUE(token.ok()) << token.status();
  EXPECT_EQ(token->substr(0, 4), "ora_");
  const auto found = server.Lookup(*token);
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->principal().username(), "grace");
  EXPECT_EQ(found->principal().role(), "admin");
  EXPECT_FALSE(found->principal().is_narrowed());
  EXPECT_EQ(database_.Select("SELECT kind || ' ' || name || ' ' || hint FROM auth.credentials"),
            "api Initial Admin Token " + token->substr(token->size() - 4));
  EXPECT_EQ(database_.Select("SELECT t.client_id FROM auth.users u JOIN auth.tenants t"
                             " ON t.id = u.tenant_id"),
            "default");
  EXPECT_TRUE(Fits(kPassword));
  EXPECT_EQ(Audited("create-admin"), 1);
  AdminAccount second = kGrace;
  second.username = "hedy";
  second.email = "hedy@example.com";
  EXPECT_TRUE(Create(second).ok());
  EXPECT_EQ(database_.Count("auth.tenants"), 1) << "both are in the same";
}

TEST_F(AdminCommandsTest, RefusesTakenNamesAndBadOnes) {
  ASSERT_TRUE(Create(kGrace).ok());
  AdminAccount admin = kGrace;
  admin.username = "GRACE";
  admin.email = "other@example.com";
  EXPECT_EQ(ReasonOf(admin), "USERNAME_TAKEN");
  admin = kGrace;
  admin.username = "other";
  admin.email = "Grace@example.com";
  EXPECT_EQ(ReasonOf(admin), "EMAIL_TAKEN");
  admin.email = "other";
  EXPECT_EQ(ReasonOf(admin), "EMAIL_INVALID");
  admin.username = "o";
  EXPECT_EQ(ReasonOf(admin), "USERNAME_INVALID");
  admin = {.username = "other", .email = "other@example.com", .password = "other@example.com"};
  EXPECT_EQ(ReasonOf(admin), "PASSWORD_TOO_WEAK");
  EXPECT_EQ(database_.Count("auth.users"), 1);
  EXPECT_EQ(database_.Count("auth.credentials"), 1);
  EXPECT_EQ(database_.Count("auth.signups"), 0);
}

TEST_F(AdminCommandsTest, ParallelCreationsOfOneNameMakeOne) {
  std::atomic<int> created = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      const auto token = Create(kGrace);
      created += token.ok() ? 1 : 0;
      EXPECT_TRUE(token.ok() || Reason(token.status()) == "USERNAME_TAKEN") << token.status();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(created, 1);
  EXPECT_EQ(database_.Count("auth.tenants"), 1);
}

TEST_F(AdminCommandsTest, SetsAPasswordAndKillsEveryCredential) {
  testing::AuthServer server(database_);
  const std::string ada = database_.AddUser("ada");
  const std::vector<std::string> tokens = {server.Issue(ada).token,
                                           server.Issue(ada, CredentialKind::kAccess).token};
  database_.Execute("UPDATE auth.users SET password_change_required = true");
  ASSERT_TRUE(server.recovery().RequestReset("ada@example.com", {}).ok());
  EXPECT_EQ(SetReason("ADA", kNewPassword), "");
  EXPECT_TRUE(Fits(kNewPassword));
  EXPECT_EQ(server.Live(tokens), 0);
  EXPECT_EQ(server.Live({server.Issue(ada).token}), 1);
  EXPECT_EQ(database_.Count("auth.users WHERE password_change_required"), 0);
  EXPECT_EQ(database_.Count("auth.password_resets WHERE used_time IS NULL"), 0);
  EXPECT_EQ(Audited("set-password"), 1);
  EXPECT_EQ(SetReason("ada@example.com", kPassword), "") << "by the address, too";
}

TEST_F(AdminCommandsTest, SetsNoWeakPasswordAndNobodyElses) {
  database_.AddUser("ada");
  EXPECT_EQ(SetReason("ada", "ada@example.com"), "PASSWORD_TOO_WEAK");
  EXPECT_EQ(SetReason("bob", kNewPassword), "USER_NOT_FOUND");
  EXPECT_EQ(SetReason("", kNewPassword), "USER_NOT_FOUND");
  EXPECT_TRUE(Fits(kPassword));
}

TEST(ParseCreateAdminTest, TakesEachOptionOnce) {
  const auto all = ParseCreateAdmin({"-p", "-u", "-e", "e", "-u", "n"});
  ASSERT_TRUE(all.ok()) << all.status();
  EXPECT_EQ(all->username, "n");
  EXPECT_EQ(all->email, "e");
  EXPECT_EQ(all->password, "-u");
  EXPECT_TRUE(ParseCreateAdmin({}).ok());
  const std::vector<std::vector<std::string>> wrong = {{"-u"},
                                                       {"-u", ""},
                                                       {"grace"},
                                                       {"--username", "grace"},
                                                       {"-u", "a", "-u", "b"},
                                                       {"-p", "pa55w0rd!", "-e"}};
  for (const auto& arguments : wrong) {
    const auto parsed = ParseCreateAdmin(arguments);
    EXPECT_EQ(Reason(parsed.status()), "ARGUMENTS_INVALID");
    EXPECT_THAT(std::string(parsed.status().message()), Not(HasSubstr("pa55w0rd!")));
  }
}

}  // namespace
}  // namespace gatehouse::auth
