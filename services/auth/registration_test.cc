#include "services/auth/registration.h"

#include <gtest/gtest.h>

#include <set>
#include <thread>

#include "services/auth/auth_testing.h"
#include "services/auth/signup_saga.h"

namespace gatehouse::auth {
namespace {

using testing::kPassword;

RegistrationRequest RequestOf(const std::string& username, const std::string& email) {
  return {.username = username,
          .email = email,
          .password = kPassword,
          .origin = {.client_address = "192.0.2.1", .user_agent = "test", .request_id = "r1"}};
}

TEST(UsernameForTest, IsMadeOfTheLocalPartAndFits) {
  EXPECT_EQ(UsernameFor("Ada.Lovelace@example.com"), "Ada.Lovelace");
  EXPECT_EQ(UsernameFor("ada+news@example.com"), "ada");
  EXPECT_EQ(UsernameFor("o'brien@example.com"), "obrien");
  EXPECT_EQ(UsernameFor("al@example.com"), "user-al");
  EXPECT_EQ(UsernameFor("!!@example.com"), "user");
  EXPECT_EQ(UsernameFor("+x@example.com"), "user");
  EXPECT_EQ(UsernameFor(std::string(64, 'a') + "@example.com"), std::string(37, 'a'));
  for (const char* email : {"al@example.com", "!!@example.com", "a.b@example.com"}) {
    EXPECT_TRUE(CheckUsername(UsernameFor(email)).ok()) << email;
  }
}

TEST(RegistrationRequestTest, ChecksEveryField) {
  const RegistrationRequest good = RequestOf("", "ada@example.com");
  EXPECT_TRUE(Check(good).ok());
  RegistrationRequest request = good;
  request.username = "a";
  EXPECT_EQ(Reason(Check(request)), "USERNAME_INVALID");
  request = good;
  request.email = "ada";
  EXPECT_EQ(Reason(Check(request)), "EMAIL_INVALID");
  request = good;
  request.password = "12345678";
  EXPECT_EQ(Reason(Check(request)), "PASSWORD_TOO_WEAK");
  for (const auto& [member, field] : {std::pair(&RegistrationRequest::first_name, "first_name"),
                                      std::pair(&RegistrationRequest::last_name, "last_name"),
                                      std::pair(&RegistrationRequest::company, "company")}) {
    for (const std::string& text : {std::string(201, 'n'), std::string("a\0b", 3)}) {
      request = good;
      request.*member = text;
      EXPECT_EQ(Reason(Check(request)), "NAME_INVALID") << field;
      EXPECT_EQ(FieldViolations(Check(request)).count(field), 1u) << field;
    }
  }
}

class RegistrationTest : public ::testing::Test {
 protected:
  std::string ReasonOf(const RegistrationRequest& request) {
    return Reason(open_.Register(request).status());
  }
  int Events(const std::string& condition) {
    return database_.Count("auth.audit_events WHERE " + condition);
  }

  testing::AuthDatabase database_;
  Registration open_{database_.db(), testing::TheHasher(), /*is_open=*/true};
};

TEST_F(RegistrationTest, CreatesAUserInANewTenantOfTheirOwn) {
  RegistrationRequest request = RequestOf("Ada", "ada@example.com");
  request.first_name = "Ada";
  request.last_name = "Lovelace";
  request.company = "Engines & Co";
  const auto user = open_.Register(request);
  ASSERT_TRUE(user.ok()) << user.status();
  EXPECT_EQ(user->username, "Ada");
  EXPECT_EQ(user->email, "ada@example.com");
  EXPECT_EQ(user->role, "user");
  EXPECT_EQ(user->first_name, "Ada");
  EXPECT_EQ(user->last_name, "Lovelace");
  EXPECT_EQ(user->tenant.name, "Engines & Co");
  EXPECT_EQ(user->tenant.client_id, "ada");
  EXPECT_EQ(database_.Count("auth.tenants"), 1);
  EXPECT_EQ(database_.Count("auth.signups"), 0);
  EXPECT_EQ(Events("type = 'signup_success' AND success AND actor_user_id = '" + user->id +
                   "' AND client_address = '192.0.2.1' AND tenant_id = " +
                   std::to_string(user->tenant.id)),
            1);
}

TEST_F(RegistrationTest, NeverJoinsATenantThatExists) {
  database_.AddUser("acme");
  RegistrationRequest request = RequestOf("bob", "bob@example.com");
  request.company = "acme";
  const auto user = open_.Register(request);
  ASSERT_TRUE(user.ok()) << user.status();
  EXPECT_EQ(user->tenant.client_id, "bob");
  EXPECT_EQ(database_.Count("auth.tenants"), 2);
}

TEST_F(RegistrationTest, MakesAFreeUsernameOfTheEmail) {
  const auto first = open_.Register(RequestOf("", "ada@example.com"));
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(first->username, "ada");
  EXPECT_EQ(first->tenant.name, "ada's Organization");
  const auto second = open_.Register(RequestOf("", "ada@example.org"));
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(second->username, "ada-" + second->id.substr(24));
  EXPECT_EQ(ReasonOf(RequestOf("", "ada@example.org")), "EMAIL_TAKEN");
}

TEST_F(RegistrationTest, ClosedMeansClosedForEverybodyAndIsAudited) {
  Registration closed(database_.db(), testing::TheHasher(), /*is_open=*/false);
  const std::int64_t hashes = testing::TheHasher().hash_count();
  for (const RegistrationRequest& request :
       {RequestOf("ada", "ada@example.com"), RequestOf("", "ada@example.com"),
        RequestOf("", std::string(2000, 'a') + std::string("\0", 1))}) {
    const absl::Status refused = closed.Register(request).status();
    EXPECT_EQ(refused.code(), absl::StatusCode::kPermissionDenied);
    EXPECT_EQ(Reason(refused), "REGISTRATION_CLOSED");
  }
  EXPECT_EQ(testing::TheHasher().hash_count(), hashes);
  EXPECT_EQ(database_.Count("auth.users"), 0);
  EXPECT_EQ(Events("type = 'signup_failure' AND NOT success AND reason = 'REGISTRATION_CLOSED'"),
            3);
}

TEST_F(RegistrationTest, TakenNamesAreRefusedAndAudited) {
  database_.AddUser("ada");
  EXPECT_EQ(ReasonOf(RequestOf("ADA", "new@example.com")), "USERNAME_TAKEN");
  EXPECT_EQ(ReasonOf(RequestOf("eve", "ADA@Example.com")), "EMAIL_TAKEN");
  EXPECT_EQ(database_.Count("auth.users"), 1);
  EXPECT_EQ(database_.Count("auth.tenants"), 1);
  EXPECT_EQ(database_.Count("auth.signups"), 0);
  EXPECT_EQ(Events("type = 'signup_failure' AND reason IN ('USERNAME_TAKEN', 'EMAIL_TAKEN')"), 2);
}

TEST_F(RegistrationTest, NamesOfASignupUnderWayAreTaken) {
  testing::FakeRedeemer redeemer;
  SignupSaga saga(database_.db(), testing::TheHasher(), redeemer);
  redeemer.Invite("p1");
  redeemer.FailBefore({absl::UnavailableError("down")});
  const SignupRequest signup{.username = "ada",
                             .email = "ada@example.com",
                             .password = kPassword,
                             .passkey = "p1",
                             .origin = {}};
  ASSERT_EQ(Reason(saga.SignUp(signup).status()), "SIGNUP_PENDING");
  EXPECT_EQ(ReasonOf(RequestOf("ada", "other@example.com")), "USERNAME_TAKEN");
  EXPECT_EQ(ReasonOf(RequestOf("other", "ada@example.com")), "EMAIL_TAKEN");
  EXPECT_TRUE(saga.SignUp(signup).ok()) << "the signup is not disturbed";
}

TEST_F(RegistrationTest, ParallelRegistrationsOfOneAddressMakeOneUser) {
  std::vector<absl::StatusOr<User>> results(8, absl::UnknownError("not run"));
  std::vector<std::thread> threads;
  for (auto& result : results) {
    threads.emplace_back([&] { result = open_.Register(RequestOf("", "ada@example.com")); });
  }
  for (std::thread& thread : threads) thread.join();
  int created = 0;
  int refused = 0;
  for (const auto& result : results) {
    if (result.ok()) ++created;
    if (Reason(result.status()) == "EMAIL_TAKEN") ++refused;
  }
  EXPECT_EQ(created, 1);
  EXPECT_EQ(refused, 7);
  EXPECT_EQ(database_.Count("auth.users"), 1);
  EXPECT_EQ(database_.Count("auth.tenants"), 1);
  EXPECT_EQ(database_.Count("auth.signups"), 0);
}

TEST_F(RegistrationTest, ParallelRegistrationsOfOneMadeNameAllSucceed) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      const auto user = open_.Register(RequestOf("", "ada@example" + std::to_string(i) + ".com"));
      EXPECT_TRUE(user.ok()) << user.status();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(database_.Count("auth.users"), 8);
  EXPECT_EQ(database_.Count("auth.tenants"), 8);
  EXPECT_EQ(database_.Count("auth.users WHERE username = 'ada'"), 1);
}

}  // namespace
}  // namespace gatehouse::auth
