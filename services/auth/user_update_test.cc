#include "services/auth/user_update.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <thread>

#include "gatehouse/auth/v1/session.methods.h"
#include "gatehouse/auth/v1/user.methods.h"
#include "libs/base/uuid.h"
#include "services/auth/auth_testing.h"

namespace gatehouse::auth {
namespace {

using testing::As;
using testing::kPassword;
using Api = v1::UserService;

constexpr char kNewPassword[] = "osprey-quince-47";

class UserUpdateTest : public ::testing::Test {
 protected:
  using Set = std::function<void(v1::UpdateUserRequest&)>;

  absl::StatusOr<v1::User> Update(const std::string& id, const Set& set,
                                  const rpc::CallOptions& as = {}) {
    v1::UpdateUserRequest request;
    request.set_id(id);
    set(request);
    return server_.gateway().Call(Api::kUpdateUser, request, as);
  }

  v1::User UpdateOk(const std::string& id, const Set& set, const rpc::CallOptions& as = {}) {
    auto user = Update(id, set, as);
    EXPECT_TRUE(user.ok()) << user.status();
    return user.value_or(v1::User());
  }

  absl::Status Reset(const std::string& id, const std::string& password,
                     const rpc::CallOptions& as = {}) {
    v1::ResetPasswordRequest request;
    request.set_id(id);
    request.set_new_password(password);
    return server_.gateway().Call(Api::kResetPassword, request, as).status();
  }

  absl::StatusOr<v1::IssuedCredential> LogIn(const std::string& username,
                                             const std::string& password) {
    v1::LogInRequest request;
    request.set_username(username);
    request.set_password(password);
    request.set_kind(v1::CREDENTIAL_KIND_TOKEN);
    request.mutable_origin()->set_client_address("192.0.2.1");
    return server_.gateway().Call(v1::SessionService::kLogIn, request);
  }

  int Events(const std::string& type) {
    return database_.Count("auth.audit_events WHERE type = '" + type + "' AND success");
  }
  int Changes(const std::string& kind) {
    return database_.Count("auth.control_log WHERE kind = '" + kind + "'");
  }

  testing::AuthDatabase database_;
  testing::AuthServer server_{database_};
};

TEST_F(UserUpdateTest, ChangesOnlyWhatIsPresent) {
  const std::string id = database_.AddUser("ada");
  const v1::User user = UpdateOk(id, [](auto& r) {
    r.set_username("Countess");
    r.set_email("ada@example.org");
    r.set_first_name("Ada");
    r.set_settings_json(R"({"theme": "dark"})");
    r.set_notes("pays late");
    r.set_stripe_customer_id("cus_1");
  });
  EXPECT_EQ(user.username(), "Countess");
  EXPECT_EQ(user.email(), "ada@example.org");
  EXPECT_EQ(user.first_name(), "Ada");
  EXPECT_EQ(user.last_name(), "");
  EXPECT_EQ(user.settings_json(), R"({"theme": "dark"})");
  EXPECT_EQ(user.notes(), "pays late");
  EXPECT_EQ(user.stripe_customer_id(), "cus_1");
  EXPECT_EQ(user.role(), "user");
  EXPECT_TRUE(user.is_active());
  EXPECT_TRUE(LogIn("countess", kPassword).ok());
  EXPECT_EQ(database_.Count("auth.signups"), 0);
}

TEST_F(UserUpdateTest, TakesEitherId) {
  const std::string id = database_.AddUser("ada");
  const std::string number = database_.Select("SELECT number FROM auth.users");
  EXPECT_EQ(UpdateOk(number, [](auto& r) { r.set_first_name("Ada"); }).id(), id);
  for (const std::string& unknown : {std::string("ada"), std::string(), UuidV7()}) {
    EXPECT_EQ(Reason(Update(unknown, [](auto& r) { r.set_notes("n"); }).status()), "USER_NOT_FOUND")
        << unknown;
    EXPECT_EQ(Reason(Reset(unknown, kNewPassword)), "USER_NOT_FOUND");
  }
}

TEST_F(UserUpdateTest, NamesAndRatesReachTheGatewaysAndKillNothing) {
  const std::string id = database_.AddUser("ada");
  const std::string token = server_.Issue(id).token;
  UpdateOk(id, [](auto& r) { r.set_username("countess"); });
  UpdateOk(id, [](auto& r) {
    r.set_rate_limit_per_second(3);
    r.set_rate_limit_burst(4);
  });
  const auto found = server_.Lookup(token);
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->principal().username(), "countess");
  EXPECT_EQ(found->rate_limit_per_second(), 3);
  EXPECT_EQ(found->rate_limit_burst(), 4);
  EXPECT_EQ(
      database_.Count("auth.control_log WHERE kind = 'change' AND subject = 'user/" + id + "'"), 2);
  EXPECT_EQ(Changes("epoch"), 0);
  EXPECT_EQ(Events("profile_updated"), 2);
}

TEST_F(UserUpdateTest, ARateOfZeroFollowsTheRoleAgain) {
  const std::string id = database_.AddUser("ada");
  EXPECT_EQ(UpdateOk(id, [](auto& r) { r.set_rate_limit_burst(4); }).rate_limit_burst(), 4);
  EXPECT_EQ(UpdateOk(id, [](auto& r) { r.set_notes("n"); }).rate_limit_burst(), 4);
  EXPECT_EQ(UpdateOk(id, [](auto& r) { r.set_rate_limit_burst(0); }).rate_limit_burst(), 20);
  EXPECT_EQ(UpdateOk(id, [](auto& r) { r.set_role("admin"); }).rate_limit_burst(), 200);
}

TEST_F(UserUpdateTest, NotesAndSettingsConcernNoGateway) {
  const std::string id = database_.AddUser("ada");
  UpdateOk(id, [](auto& r) {
    r.set_notes("n");
    r.set_settings_json("{}");
  });
  EXPECT_EQ(database_.Count("auth.control_log WHERE kind <> 'keys'"), 0);
}

TEST_F(UserUpdateTest, WhatChangesNothingWritesNothing) {
  const std::string id = database_.AddUser("ada");
  UpdateOk(id, [](auto& r) {
    r.set_username("ada");
    r.set_role("user");
    r.set_is_active(true);
  });
  UpdateOk(id, [](auto&) {});
  EXPECT_EQ(database_.Count("auth.control_log WHERE kind <> 'keys'"), 0);
  EXPECT_EQ(database_.Count("auth.audit_events"), 0);
}

TEST_F(UserUpdateTest, ABlockEndsEveryCredentialAtOnceAndForGood) {
  const std::string id = database_.AddUser("ada");
  const std::vector<std::string> tokens = {server_.Issue(id).token,
                                           server_.Issue(id, CredentialKind::kAccess).token};
  ASSERT_EQ(server_.Live(tokens), 2);
  const rpc::CallOptions as = As(UuidV7(), "root", "admin");
  v1::User user = UpdateOk(
      id,
      [](auto& r) {
        r.set_is_active(false);
        r.set_disable_reason("spam");
      },
      as);
  EXPECT_FALSE(user.is_active());
  EXPECT_EQ(user.disable_reason(), "spam");
  EXPECT_EQ(server_.Live(tokens), 0);
  EXPECT_FALSE(LogIn("ada", kPassword).ok());
  EXPECT_EQ(Changes("epoch"), 1);
  EXPECT_EQ(database_.Count("auth.audit_events WHERE type = 'user_disabled' AND reason = 'spam'"
                            " AND actor_username = 'root' AND target = 'user/" +
                            id + "'"),
            1);
  user = UpdateOk(
      id, [](auto& r) { r.set_is_active(true); }, as);
  EXPECT_TRUE(user.is_active());
  EXPECT_EQ(user.disable_reason(), "");
  EXPECT_EQ(server_.Live(tokens), 0) << "nothing is revived";
  EXPECT_TRUE(LogIn("ada", kPassword).ok());
  EXPECT_EQ(database_.Count("auth.control_log WHERE kind <> 'keys'"), 1)
      << "enabling needs no word";
  EXPECT_EQ(Events("user_enabled"), 1);
}

TEST_F(UserUpdateTest, RoleTenantAndPasswordKillCredentials) {
  const std::string id = database_.AddUser("ada");
  database_.AddUser("bob");
  const std::int64_t bobs =
      std::stoll(database_.Select("SELECT tenant_id FROM auth.users WHERE username = 'bob'"));
  const std::vector<Set> changes = {[](auto& r) { r.set_role("moderator"); },
                                    [&](auto& r) { r.set_tenant_id(bobs); },
                                    [](auto& r) { r.set_password(kNewPassword); }};
  for (std::size_t i = 0; i < changes.size(); ++i) {
    const std::string token = server_.Issue(id).token;
    ASSERT_EQ(server_.Live({token}), 1);
    UpdateOk(id, changes[i]);
    EXPECT_EQ(server_.Live({token}), 0) << i;
  }
  const auto login = LogIn("ada", kNewPassword);
  ASSERT_TRUE(login.ok()) << login.status();
  EXPECT_EQ(login->user().role(), "moderator");
  EXPECT_EQ(login->user().tenant().client_id(), "bob");
  EXPECT_FALSE(login->user().password_change_required());
  EXPECT_EQ(Events("role_changed"), 1);
  EXPECT_EQ(Events("tenant_changed"), 1);
  EXPECT_EQ(Events("password_reset"), 1);
}

TEST_F(UserUpdateTest, AResetPasswordMustBeChangedFirst) {
  const std::string id = database_.AddUser("ada");
  const std::string token = server_.Issue(id).token;
  ASSERT_TRUE(Reset(id, kNewPassword, As(UuidV7(), "root", "admin")).ok());
  EXPECT_EQ(server_.Live({token}), 0);
  EXPECT_FALSE(LogIn("ada", kPassword).ok());
  const auto login = LogIn("ada", kNewPassword);
  ASSERT_TRUE(login.ok()) << login.status();
  EXPECT_TRUE(login->user().password_change_required());
  EXPECT_TRUE(server_.Lookup(login->token())->password_change_required());
  EXPECT_EQ(database_.Count("auth.audit_events WHERE type = 'password_reset'"
                            " AND actor_username = 'root' AND details::text = '{}'"),
            1);
  EXPECT_FALSE(UpdateOk(id, [](auto& r) { r.set_password(kPassword); }).password_change_required())
      << "a password that was set need not be changed";
}

TEST_F(UserUpdateTest, APasswordIsJudgedBesideTheNamesToBe) {
  const std::string id = database_.AddUser("ada");
  EXPECT_EQ(Reason(Reset(id, "12345678")), "PASSWORD_TOO_WEAK");
  EXPECT_EQ(Reason(Update(id,
                          [](auto& r) {
                            r.set_username("osprey-quince-47");
                            r.set_password("osprey-quince-47");
                          })
                       .status()),
            "PASSWORD_TOO_WEAK");
  EXPECT_TRUE(LogIn("ada", kPassword).ok());
}

TEST_F(UserUpdateTest, RefusesWhatBreaksARule) {
  const std::string id = database_.AddUser("ada");
  database_.AddUser("bob");
  const auto reason = [&](const Set& set) { return Reason(Update(id, set).status()); };
  EXPECT_EQ(reason([](auto& r) { r.set_username("a"); }), "USERNAME_INVALID");
  EXPECT_EQ(reason([](auto& r) { r.set_email("a"); }), "EMAIL_INVALID");
  EXPECT_EQ(reason([](auto& r) { r.set_role("root"); }), "ROLE_UNKNOWN");
  EXPECT_EQ(reason([](auto& r) { r.set_rate_limit_burst(-1); }), "RATE_OUT_OF_RANGE");
  EXPECT_EQ(reason([](auto& r) { r.set_settings_json("[]"); }), "SETTINGS_INVALID");
  EXPECT_EQ(reason([](auto& r) { r.set_tenant_id(999999); }), "TENANT_NOT_FOUND");
  EXPECT_EQ(reason([](auto& r) { r.set_username("BOB"); }), "USERNAME_TAKEN");
  EXPECT_EQ(reason([](auto& r) { r.set_email("Bob@example.com"); }), "EMAIL_TAKEN");
  EXPECT_EQ(database_.Count("auth.audit_events"), 0);
  EXPECT_EQ(UpdateOk(id, [](auto& r) { r.set_username("ADA"); }).username(), "ADA")
      << "one's own name in another case";
}

TEST_F(UserUpdateTest, ASignupUnderWayHoldsItsNames) {
  const std::string id = database_.AddUser("ada");
  database_.Execute(
      "INSERT INTO auth.signups (id, username, email, password_hash, passkey_digest,"
      " client_address, user_agent, request_id) VALUES (gen_random_uuid(), 'bob',"
      " 'bob@example.com', '', sha256('p'), '', '', '')");
  EXPECT_EQ(Reason(Update(id, [](auto& r) { r.set_username("Bob"); }).status()), "USERNAME_TAKEN");
  EXPECT_EQ(Reason(Update(id, [](auto& r) { r.set_email("Bob@example.com"); }).status()),
            "EMAIL_TAKEN");
}

TEST_F(UserUpdateTest, OthersDoNotChangeAdministrators) {
  const std::string root = database_.AddUser("root", "admin");
  const std::string ada = database_.AddUser("ada");
  const rpc::CallOptions as_mod = As(UuidV7(), "mod", "moderator");
  const Set block = [](auto& r) { r.set_is_active(false); };
  EXPECT_EQ(Reason(Update(root, block, as_mod).status()), "USER_NOT_FOUND");
  EXPECT_EQ(Reason(Reset(root, kNewPassword, as_mod)), "USER_NOT_FOUND");
  EXPECT_EQ(Reason(Update(
                       ada, [](auto& r) { r.set_role("admin"); }, as_mod)
                       .status()),
            "ADMIN_REQUIRED");
  EXPECT_TRUE(Update(ada, block, as_mod).ok());
}

TEST_F(UserUpdateTest, TheLastActiveAdministratorStays) {
  const std::string root = database_.AddUser("root", "admin");
  const std::string idle = database_.AddUser("idle", "admin");
  const Set block = [](auto& r) { r.set_is_active(false); };
  const Set demote = [](auto& r) { r.set_role("user"); };
  UpdateOk(idle, block);
  for (const Set& set : {block, demote}) {
    const absl::Status refused = Update(root, set).status();
    EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_EQ(Reason(refused), "LAST_ADMIN");
  }
  UpdateOk(idle, demote);
  UpdateOk(root, [](auto& r) { r.set_first_name("Root"); });
  EXPECT_EQ(database_.Count("auth.users WHERE role = 'admin' AND is_active"), 1);
}

TEST_F(UserUpdateTest, AdministratorsWhoRemoveEachOtherLeaveOne) {
  for (int round = 0; round < 10; ++round) {
    const std::string names[] = {"a" + std::to_string(round) + "x",
                                 "b" + std::to_string(round) + "x"};
    database_.Execute("UPDATE auth.users SET role = 'user'");
    const std::string ids[] = {database_.AddUser(names[0], "admin"),
                               database_.AddUser(names[1], "admin")};
    absl::Status results[2];
    std::thread first([&] {
      results[0] =
          Update(
              ids[1], [](auto& r) { r.set_is_active(false); }, As(ids[0], names[0], "admin"))
              .status();
    });
    std::thread second([&] {
      results[1] = Update(
                       ids[0], [](auto& r) { r.set_role("user"); }, As(ids[1], names[1], "admin"))
                       .status();
    });
    first.join();
    second.join();
    EXPECT_EQ(database_.Count("auth.users WHERE role = 'admin' AND is_active"), 1);
    EXPECT_NE(results[0].ok(), results[1].ok()) << results[0] << " " << results[1];
    EXPECT_EQ(Reason(results[0].ok() ? results[1] : results[0]), "LAST_ADMIN");
  }
}

// The guard of the test above, without luck: the second waits for the first's lock and
// sees what it has done.
TEST_F(UserUpdateTest, ARemovalWaitsForOneUnderWay) {
  const std::string root = database_.AddUser("root", "admin");
  const std::string other = database_.AddUser("other", "admin");
  absl::Status status;
  std::thread removal;
  ASSERT_TRUE(database_.db()
                  .InTransaction([&](pg::Tx& tx) -> absl::Status {
                    LockActiveAdmins(tx);
                    SaveChange(tx, other, {.is_active = false});
                    removal = std::thread([&] {
                      status = Update(root, [](auto& r) { r.set_role("user"); }).status();
                    });
                    EXPECT_TRUE(database_.EventuallySomebodyWaits());
                    return absl::OkStatus();
                  })
                  .ok());
  removal.join();
  EXPECT_EQ(Reason(status), "LAST_ADMIN");
}

}  // namespace
}  // namespace gatehouse::auth
