#include "services/auth/commands.h"

#include <gtest/gtest.h>

#include <thread>

#include "libs/base/secret.h"
#include "services/auth/auth_testing.h"
#include "services/auth/signup_store.h"

namespace gatehouse::auth {
namespace {

const AdminAccount kAdmin{
    .username = "admin", .email = "admin@example.com", .password = testing::kPassword};

class BootstrapTest : public ::testing::Test {
 protected:
  absl::StatusOr<std::vector<std::string>> Run(const AdminAccount& admin) {
    return Bootstrap(database_.db(), testing::TheHasher(), admin);
  }
  std::string ReasonOf(const AdminAccount& admin) { return Reason(Run(admin).status()); }
  std::string AdminRow() {
    return database_.Select(
        "SELECT u::text || t.client_id FROM auth.users u JOIN auth.tenants t ON t.id = "
        "u.tenant_id");
  }

  testing::AuthDatabase database_;
};

TEST_F(BootstrapTest, CreatesOnceAndChangesNothingLater) {
  const auto first = Run(kAdmin);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(*first,
            (std::vector<std::string>{"tenant default created", "user admin created, role admin"}));
  const std::string row = AdminRow();
  EXPECT_NE(row.find("default"), std::string::npos);
  AdminAccount again = kAdmin;
  again.password = "magpie-quince-47";
  const auto second = Run(again);
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(*second, (std::vector<std::string>{"tenant default exists",
                                               "user admin exists; its password was not changed"}));
  EXPECT_EQ(AdminRow(), row);
  again.password = "";
  EXPECT_TRUE(Run(again).ok()) << "no password is needed any more";
  EXPECT_EQ(database_.Count("auth.audit_events WHERE type = 'admin_action'"), 1);
}

TEST_F(BootstrapTest, ParallelRunsCreateOne) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) threads.emplace_back([&] { EXPECT_TRUE(Run(kAdmin).ok()); });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(database_.Count("auth.users"), 1);
  EXPECT_EQ(database_.Count("auth.tenants"), 1);
  EXPECT_EQ(database_.Count("auth.signups"), 0);
}

TEST_F(BootstrapTest, RefusesABadAccountAndLeavesNothing) {
  AdminAccount admin = kAdmin;
  admin.password = "";
  EXPECT_EQ(ReasonOf(admin), "ADMIN_PASSWORD_MISSING");
  admin.password = "admin123";
  EXPECT_EQ(ReasonOf(admin), "PASSWORD_TOO_WEAK");
  admin = kAdmin;
  admin.email = "";
  EXPECT_EQ(ReasonOf(admin), "EMAIL_INVALID");
  EXPECT_EQ(database_.Count("auth.tenants"), 0);
}

TEST_F(BootstrapTest, NeverPromotesAnotherUser) {
  database_.AddUser("admin");
  EXPECT_EQ(ReasonOf(kAdmin), "ADMIN_IS_NOT_ADMIN");
  EXPECT_EQ(database_.Select("SELECT role FROM auth.users"), "user");
}

TEST_F(BootstrapTest, RespectsNamesOfASignupUnderWay) {
  const Signup signup{.id = "0198c0de-0000-7000-8000-000000000001",
                      .username = "Admin",
                      .email = "eve@example.com",
                      .password_hash = "hash",
                      .passkey_digest = Sha256("p1")};
  ASSERT_TRUE(
      database_.db().InTransaction([&](pg::Tx& tx) { return ReserveNames(tx, signup); }).ok());
  EXPECT_EQ(ReasonOf(kAdmin), "USERNAME_TAKEN");
  EXPECT_EQ(database_.Count("auth.users"), 0);
  EXPECT_EQ(database_.Count("auth.signups"), 1);
}

TEST(RevokeUserTest, KillsEveryCredentialAndMarksTheUser) {
  testing::AuthDatabase database;
  testing::AuthServer server(database);
  const std::string ada = database.AddUser("ada");
  const std::string token = server.Issue(ada).token;
  ASSERT_TRUE(RevokeUser(database.db(), "ADA").ok());
  EXPECT_EQ(server.Live({token}), 0);
  EXPECT_EQ(server.Live({server.Issue(ada).token}), 1);
  EXPECT_EQ(database.Count("auth.users WHERE is_revoked"), 1);
  EXPECT_EQ(database.Count("auth.audit_events WHERE actor_username = 'shell' AND target = 'user/" +
                           ada + "' AND reason = 'revoke'"),
            1);
  EXPECT_EQ(Reason(RevokeUser(database.db(), "bob")), "USER_NOT_FOUND");
}

}  // namespace
}  // namespace gatehouse::auth
