#include "services/auth/signup_saga.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "libs/base/secret.h"
#include "services/auth/auth_testing.h"
#include "services/auth/user_store.h"

namespace gatehouse::auth {
namespace {

using testing::kPassword;

const absl::Status kUnavailable = absl::UnavailableError("down");

class SignupSagaTest : public ::testing::Test {
 protected:
  static SignupRequest Request(const std::string& username, const std::string& passkey = "p1") {
    return {.username = username,
            .email = username + "@example.com",
            .password = kPassword,
            .passkey = passkey,
            .origin = {.client_address = "192.0.2.1", .user_agent = "test", .request_id = "r1"}};
  }

  std::string ReasonOf(const SignupRequest& request) {
    return Reason(saga_.SignUp(request).status());
  }

  // The results of `requests`, all at once.
  std::vector<absl::StatusOr<User>> InParallel(const std::vector<SignupRequest>& requests) {
    std::vector<absl::StatusOr<User>> results(requests.size(), absl::UnknownError("not run"));
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < requests.size(); ++i) {
      threads.emplace_back([&, i] { results[i] = saga_.SignUp(requests[i]); });
    }
    for (std::thread& thread : threads) thread.join();
    return results;
  }

  int Events(const std::string& type) {
    return database_.Count("auth.audit_events WHERE type = '" + type + "'");
  }

  int Sweep() {
    const absl::StatusOr<int> swept = saga_.Sweep(std::chrono::seconds(0));
    EXPECT_TRUE(swept.ok()) << swept.status();
    return swept.value_or(-1);
  }

  testing::AuthDatabase database_;
  testing::FakeRedeemer redeemer_;
  SignupSaga saga_{database_.db(), testing::TheHasher(), redeemer_};
};

TEST_F(SignupSagaTest, CreatesAUserInATenantOfTheirOwn) {
  redeemer_.Invite("p1");
  const auto user = saga_.SignUp(Request("Ada"));
  ASSERT_TRUE(user.ok()) << user.status();
  EXPECT_EQ(user->username, "Ada");
  EXPECT_EQ(user->role, "user");
  EXPECT_EQ(user->tenant.name, "Ada's Organization");
  EXPECT_EQ(user->tenant.client_id, "ada");
  EXPECT_EQ(user->tenant.tier, "free");
  EXPECT_EQ(redeemer_.redemption_ids(), std::set<std::string>{user->id});
  EXPECT_EQ(database_.Count("auth.signups"), 0);
  EXPECT_EQ(database_.Count("auth.audit_events WHERE success AND actor_user_id = '" + user->id +
                            "' AND type IN ('signup_success', 'passkey_consumed')"),
            2);
}

TEST_F(SignupSagaTest, JoinsTheTenantThatTheInvitationNames) {
  database_.AddUser("boss");
  const std::string tenant_id = database_.Select("SELECT id FROM auth.tenants");
  redeemer_.Invite("p1", 1, std::stoll(tenant_id));
  const auto user = saga_.SignUp(Request("ada"));
  ASSERT_TRUE(user.ok()) << user.status();
  EXPECT_EQ(std::to_string(user->tenant.id), tenant_id);
  EXPECT_EQ(database_.Count("auth.tenants"), 1);
}

TEST_F(SignupSagaTest, TakesAnotherClientIdWhenTheNameIsTaken) {
  database_.Execute("INSERT INTO auth.tenants (client_id, name) VALUES ('default', 'Default')");
  redeemer_.Invite("p1");
  const auto user = saga_.SignUp(Request("default"));
  ASSERT_TRUE(user.ok()) << user.status();
  EXPECT_EQ(user->tenant.client_id, "default-" + user->id.substr(24));
}

TEST_F(SignupSagaTest, RepeatGivesTheSameUser) {
  redeemer_.Invite("p1");
  const auto first = saga_.SignUp(Request("ada"));
  ASSERT_TRUE(first.ok()) << first.status();
  const auto again = saga_.SignUp(Request("ADA"));
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->id, first->id);
  EXPECT_EQ(database_.Count("auth.users"), 1);
  EXPECT_EQ(redeemer_.calls(), 1);
}

TEST_F(SignupSagaTest, RepeatNeedsThePasswordThePasskeyAndAnActiveAccount) {
  redeemer_.Invite("p1");
  redeemer_.Invite("p2");
  ASSERT_TRUE(saga_.SignUp(Request("ada")).ok());
  SignupRequest other_password = Request("ada");
  other_password.password = "magpie-quince-47";
  EXPECT_EQ(ReasonOf(other_password), "USERNAME_TAKEN");
  EXPECT_EQ(ReasonOf(Request("ada", "p2")), "USERNAME_TAKEN");
  database_.Execute("UPDATE auth.users SET is_active = false");
  EXPECT_EQ(ReasonOf(Request("ada")), "INVITATION_ALREADY_REDEEMED");
  EXPECT_EQ(redeemer_.redemption_ids().size(), 1u) << "a refused signup spent a passkey";
}

TEST_F(SignupSagaTest, NamesAreTakenRegardlessOfCase) {
  database_.AddUser("ada");
  redeemer_.Invite("p1");
  EXPECT_EQ(ReasonOf(Request("ADA")), "USERNAME_TAKEN");
  SignupRequest same_email = Request("eve");
  same_email.email = "ADA@Example.com";
  EXPECT_EQ(ReasonOf(same_email), "EMAIL_TAKEN");
  EXPECT_EQ(redeemer_.calls(), 0);
  EXPECT_EQ(database_.Count("auth.signups"), 0);
  EXPECT_EQ(Events("passkey_validated"), 0);
  EXPECT_EQ(Events("signup_failure"), 2);
}

TEST_F(SignupSagaTest, WrongRequestsReachNothing) {
  SignupRequest request = Request("ada");
  request.password = "password1";
  const std::int64_t hashes = testing::TheHasher().hash_count();
  EXPECT_EQ(ReasonOf(request), "PASSWORD_TOO_WEAK");
  EXPECT_EQ(testing::TheHasher().hash_count(), hashes);
  EXPECT_EQ(redeemer_.checks(), 0);
  EXPECT_EQ(redeemer_.calls(), 0);
}

TEST_F(SignupSagaTest, WithoutAGoodPasskeyNobodyLearnsWhetherANameIsTaken) {
  database_.AddUser("taken");
  redeemer_.Invite("p1");
  redeemer_.FailBefore({kUnavailable});
  ASSERT_EQ(ReasonOf(Request("reserved")), "SIGNUP_PENDING");
  SignupRequest taken_email = Request("free");
  taken_email.email = "taken@example.com";
  for (SignupRequest request :
       {Request("free"), Request("taken"), Request("reserved"), taken_email}) {
    request.passkey = "unknown";
    const std::int64_t hashes = testing::TheHasher().hash_count();
    const int checks = redeemer_.checks();
    const absl::Status refused = saga_.SignUp(request).status();
    EXPECT_EQ(Reason(refused), "INVITATION_NOT_FOUND") << request.username;
    EXPECT_EQ(refused.message(), "no such invitation") << request.username;
    EXPECT_EQ(testing::TheHasher().hash_count(), hashes) << request.username;
    EXPECT_EQ(redeemer_.checks(), checks + 1) << request.username;
  }
  EXPECT_EQ(Events("passkey_rejected"), 4);
  EXPECT_EQ(Events("signup_failure"), 4);
  EXPECT_EQ(database_.Count("auth.signups"), 1);
}

TEST_F(SignupSagaTest, ThePasswordIsHashedOnceAndOnlyForAGoodPasskey) {
  const std::int64_t hashes = testing::TheHasher().hash_count();
  EXPECT_EQ(ReasonOf(Request("ada", "unknown")), "INVITATION_NOT_FOUND");
  EXPECT_EQ(testing::TheHasher().hash_count(), hashes);
  redeemer_.Invite("p1");
  EXPECT_TRUE(saga_.SignUp(Request("ada")).ok());
  EXPECT_EQ(testing::TheHasher().hash_count(), hashes + 1);
}

TEST_F(SignupSagaTest, AuditsAGoodPasskeyWithTheReservation) {
  redeemer_.Invite("p1");
  redeemer_.FailBefore({kUnavailable});
  EXPECT_EQ(ReasonOf(Request("ada")), "SIGNUP_PENDING");
  EXPECT_EQ(Events("passkey_validated"), 1);
  EXPECT_EQ(Events("passkey_consumed"), 0);
  EXPECT_EQ(database_.Count("auth.audit_events e JOIN auth.signups s ON e.actor_user_id = s.id"
                            " WHERE e.success AND e.actor_username = 'ada'"
                            " AND e.client_address = '192.0.2.1'"),
            1);
  EXPECT_TRUE(saga_.SignUp(Request("ada")).ok());
  EXPECT_EQ(Events("passkey_validated"), 1) << "once for both requests";
}

TEST_F(SignupSagaTest, AnUncheckedPasskeyTellsNothingOfTheNamesAndIsSweptForward) {
  database_.AddUser("taken");
  redeemer_.Invite("p1");
  std::vector<std::int64_t> hashes;
  for (const char* name : {"taken", "ada"}) {
    redeemer_.FailChecks({kUnavailable});
    const std::int64_t before = testing::TheHasher().hash_count();
    const absl::Status pending = saga_.SignUp(Request(name)).status();
    EXPECT_EQ(pending.code(), absl::StatusCode::kUnavailable) << name;
    EXPECT_EQ(Reason(pending), "SIGNUP_PENDING") << name;
    hashes.push_back(testing::TheHasher().hash_count() - before);
  }
  EXPECT_EQ(hashes[0], hashes[1]);
  EXPECT_EQ(redeemer_.calls(), 0);
  EXPECT_EQ(Events("passkey_validated"), 0);
  EXPECT_EQ(database_.Count("auth.signups WHERE username = 'ada'"), 1);
  EXPECT_EQ(Sweep(), 1);
  EXPECT_EQ(database_.Count("auth.users WHERE username = 'ada'"), 1);
  EXPECT_EQ(redeemer_.redemption_ids().size(), 1u);
}

TEST_F(SignupSagaTest, ATenantThatDoesNotExistEndsTheSignup) {
  redeemer_.Invite("p1", 1, 999);
  const absl::Status refused = saga_.SignUp(Request("ada")).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Reason(refused), "INVITATION_TENANT_NOT_FOUND");
  EXPECT_EQ(database_.Count("auth.signups"), 0);
  EXPECT_EQ(database_.Count("auth.users"), 0);
  EXPECT_EQ(Events("signup_failure"), 1);
  redeemer_.Invite("p2");
  EXPECT_TRUE(saga_.SignUp(Request("ada", "p2")).ok()) << "the names are free";
}

TEST_F(SignupSagaTest, DefiniteRefusalFreesTheNamesAndIsAudited) {
  EXPECT_EQ(ReasonOf(Request("ada", "unknown")), "INVITATION_NOT_FOUND");
  redeemer_.Invite("p1");
  redeemer_.FailBefore(
      {Error(absl::StatusCode::kFailedPrecondition, "INVITATION_EXPIRED", "expired")});
  EXPECT_EQ(ReasonOf(Request("ada")), "INVITATION_EXPIRED");
  EXPECT_EQ(database_.Count("auth.signups"), 0);
  EXPECT_EQ(database_.Count("auth.users"), 0);
  EXPECT_EQ(database_.Count("auth.tenants"), 0);
  EXPECT_EQ(database_.Count("auth.audit_events WHERE type = 'passkey_rejected' AND NOT success"),
            2);
  EXPECT_EQ(database_.Count("auth.audit_events WHERE type = 'signup_failure' AND"
                            " reason = 'INVITATION_EXPIRED'"),
            1);
  EXPECT_TRUE(saga_.SignUp(Request("ada")).ok());
}

TEST_F(SignupSagaTest, UnknownOutcomeKeepsTheNamesAndIsSweptForward) {
  redeemer_.Invite("p1");
  redeemer_.Invite("p2");
  redeemer_.FailBefore({kUnavailable});
  const auto pending = saga_.SignUp(Request("ada"));
  EXPECT_EQ(pending.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(Reason(pending.status()), "SIGNUP_PENDING");
  EXPECT_EQ(ReasonOf(Request("ada", "p2")), "USERNAME_TAKEN");
  EXPECT_EQ(saga_.Sweep(std::chrono::hours(1)).value_or(-1), 0) << "it is too young";
  EXPECT_EQ(Sweep(), 1);
  EXPECT_EQ(database_.Count("auth.signups"), 0);
  EXPECT_EQ(database_.Count("auth.users WHERE username = 'ada'"), 1);
  EXPECT_TRUE(saga_.SignUp(Request("ada")).ok()) << "the newcomer asks again";
  EXPECT_EQ(redeemer_.redemption_ids().size(), 1u);
}

TEST_F(SignupSagaTest, RedeemedWithoutAnAnswerIsRedeemedOnce) {
  for (const auto code : {absl::StatusCode::kDeadlineExceeded, absl::StatusCode::kUnavailable,
                          absl::StatusCode::kInternal}) {
    const std::string name = "user" + std::to_string(static_cast<int>(code));
    redeemer_.Invite(name);
    redeemer_.FailAfter({absl::Status(code, "lost")});
    EXPECT_EQ(ReasonOf(Request(name, name)), "SIGNUP_PENDING");
    const auto user = saga_.SignUp(Request(name, name));
    ASSERT_TRUE(user.ok()) << user.status();
    EXPECT_EQ(redeemer_.redemption_ids().count(user->id), 1u);
  }
  EXPECT_EQ(redeemer_.redemption_ids().size(), 3u);
  EXPECT_EQ(database_.Count("auth.signups"), 0);
}

TEST_F(SignupSagaTest, SweptRefusalFreesTheNames) {
  redeemer_.FailChecks({kUnavailable});
  EXPECT_EQ(ReasonOf(Request("ada", "unknown")), "SIGNUP_PENDING");
  EXPECT_EQ(Sweep(), 1);
  EXPECT_EQ(database_.Count("auth.signups"), 0);
  EXPECT_EQ(database_.Count("auth.users"), 0);
}

TEST_F(SignupSagaTest, SweeperWaitsLongerAfterEachAttempt) {
  redeemer_.Invite("p1");
  redeemer_.FailBefore(std::vector<absl::Status>(3, kUnavailable));
  EXPECT_EQ(ReasonOf(Request("ada")), "SIGNUP_PENDING");
  EXPECT_EQ(Sweep(), 1);
  EXPECT_EQ(Sweep(), 1);
  EXPECT_EQ(database_.Select("SELECT attempts FROM auth.signups"), "2");
  database_.Execute("UPDATE auth.signups SET attempt_time = now() - interval '25 seconds'");
  EXPECT_EQ(saga_.Sweep(std::chrono::seconds(10)).value_or(-1), 0) << "due after 30 s";
  database_.Execute("UPDATE auth.signups SET attempt_time = now() - interval '31 seconds'");
  EXPECT_EQ(saga_.Sweep(std::chrono::seconds(10)).value_or(-1), 1);
  EXPECT_EQ(database_.Count("auth.users"), 1);
}

TEST_F(SignupSagaTest, ASignupUnderWayKeepsOnlyTheDigestOfItsPasskey) {
  const std::string passkey = "mallow-tern-503";
  redeemer_.Invite(passkey);
  redeemer_.FailBefore({kUnavailable});
  EXPECT_EQ(ReasonOf(Request("ada", passkey)), "SIGNUP_PENDING");
  EXPECT_EQ(database_.Count("auth.signups WHERE passkey_digest = '\\x" + Sha256Hex(passkey) + "'"),
            1);
  // A row shows its bytea columns in hex.
  for (const std::string& raw : {passkey, HexEncode(passkey)}) {
    EXPECT_EQ(database_.Count("auth.signups s WHERE s::text LIKE '%" + raw + "%'"), 0);
  }
  EXPECT_EQ(Sweep(), 1);
  EXPECT_EQ(database_.Count("auth.users WHERE username = 'ada'"), 1) << "the digest is enough";
}

TEST_F(SignupSagaTest, OnePasskeyForEightNamesMakesOneUser) {
  redeemer_.Invite("p1");
  std::vector<SignupRequest> requests;
  for (int i = 0; i < 8; ++i) requests.push_back(Request("user" + std::to_string(i)));
  int created = 0;
  int refused = 0;
  for (const auto& result : InParallel(requests)) {
    if (result.ok()) ++created;
    if (Reason(result.status()) == "INVITATION_ALREADY_REDEEMED") ++refused;
  }
  EXPECT_EQ(created, 1);
  EXPECT_EQ(refused, 7);
  EXPECT_EQ(database_.Count("auth.users"), 1);
  EXPECT_EQ(database_.Count("auth.tenants"), 1);
  EXPECT_EQ(database_.Count("auth.signups"), 0);
}

TEST_F(SignupSagaTest, APasskeyOfThreeUsesMakesThreeUsersOfEightNames) {
  redeemer_.Invite("p1", 3);
  std::vector<SignupRequest> requests;
  for (int i = 0; i < 8; ++i) requests.push_back(Request("user" + std::to_string(i)));
  int created = 0;
  for (const auto& result : InParallel(requests)) {
    if (result.ok()) ++created;
  }
  EXPECT_EQ(created, 3);
  EXPECT_EQ(database_.Count("auth.users"), 3);
  EXPECT_EQ(redeemer_.redemption_ids().size(), 3u);
  EXPECT_EQ(database_.Count("auth.signups"), 0);
}

TEST_F(SignupSagaTest, EightOfTheSameRequestMakeOneUserForAll) {
  redeemer_.Invite("p1");
  std::set<std::string> ids;
  for (const auto& result : InParallel(std::vector<SignupRequest>(8, Request("ada")))) {
    ASSERT_TRUE(result.ok()) << result.status();
    ids.insert(result->id);
  }
  EXPECT_EQ(ids.size(), 1u);
  EXPECT_EQ(redeemer_.redemption_ids(), ids);
  EXPECT_EQ(database_.Count("auth.users"), 1);
  EXPECT_EQ(database_.Count("auth.tenants"), 1);
  EXPECT_EQ(database_.Count("auth.signups"), 0);
}

TEST_F(SignupSagaTest, EightPasskeysForOneNameSpendOne) {
  std::vector<SignupRequest> requests;
  for (int i = 0; i < 8; ++i) {
    requests.push_back(Request("ada", "p" + std::to_string(i)));
    redeemer_.Invite(requests.back().passkey);
  }
  int created = 0;
  int refused = 0;
  for (const auto& result : InParallel(requests)) {
    if (result.ok()) ++created;
    if (Reason(result.status()) == "USERNAME_TAKEN") ++refused;
  }
  EXPECT_EQ(created, 1);
  EXPECT_EQ(refused, 7);
  EXPECT_EQ(redeemer_.redemption_ids().size(), 1u);
}

TEST_F(SignupSagaTest, SweepingWhatIsUnderWayMakesOneUserEach) {
  constexpr int kUsers = 8;
  std::vector<SignupRequest> requests;
  for (int i = 0; i < kUsers; ++i) {
    requests.push_back(Request("user" + std::to_string(i), "p" + std::to_string(i)));
    redeemer_.Invite(requests.back().passkey);
  }
  std::atomic<bool> done = false;
  std::thread sweeper([&] {
    while (!done) Sweep();
  });
  for (const auto& result : InParallel(requests)) EXPECT_TRUE(result.ok()) << result.status();
  done = true;
  sweeper.join();
  EXPECT_EQ(database_.Count("auth.users"), kUsers);
  EXPECT_EQ(redeemer_.redemption_ids().size(), static_cast<std::size_t>(kUsers));
  EXPECT_EQ(database_.Count("auth.signups"), 0);
  EXPECT_EQ(database_.Count("auth.audit_events WHERE type = 'signup_success'"), kUsers);
}

}  // namespace
}  // namespace gatehouse::auth
