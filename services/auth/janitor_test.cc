#include "services/auth/janitor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "services/auth/auth_testing.h"

namespace gatehouse::auth {
namespace {

using ::testing::ElementsAre;
using testing::Eventually;
using ::testing::IsEmpty;
using ::testing::Pair;

class JanitorTest : public ::testing::Test {
 protected:
  std::map<std::string, int> CleanAll(const CleanOptions& options = {}) {
    const auto deleted = Clean(database_.db(), options);
    EXPECT_TRUE(deleted.ok()) << deleted.status();
    return deleted.value_or(std::map<std::string, int>());
  }

  // Credentials named by their ages: what ended that long ago, or "" for never.
  void AddCredential(const std::string& revoked, const std::string& expired) {
    const auto time = [](const std::string& age) {
      return age.empty() ? "NULL" : "now() - interval '" + age + "'";
    };
    database_.Execute(
        "INSERT INTO auth.credentials (id, user_id, kind, digest, name, epoch, expire_time,"
        " revoke_time) SELECT gen_random_uuid(), id, 'token', "
        "sha256(gen_random_uuid()::text::bytea),"
        " '" +
        revoked + "/" + expired + "', 0, " + time(expired) + ", " + time(revoked) +
        " FROM auth.users");
  }

  testing::AuthDatabase database_;
};

TEST_F(JanitorTest, DeletesCredentialsThatEndedMoreThan30DaysAgo) {
  database_.AddUser("ada");
  AddCredential("", "");
  AddCredential("29 days", "");
  AddCredential("31 days", "");
  AddCredential("", "29 days");
  AddCredential("", "31 days");
  AddCredential("", "-1 day");
  AddCredential("29 days", "31 days");
  EXPECT_THAT(CleanAll(), ElementsAre(Pair("credentials", 2)));
  EXPECT_EQ(database_.Count("auth.credentials WHERE name IN ('31 days/', '/31 days')"), 0);
  EXPECT_EQ(database_.Count("auth.credentials"), 5);
}

TEST_F(JanitorTest, DeletesLoginAttemptsOfADayAgoAndKnownNetworksOf90Days) {
  database_.Execute(
      "INSERT INTO auth.login_attempts (account, network, attempt_time, success_time) VALUES"
      " (sha256('a'), 'known', now() - interval '89 days', now() - interval '89 days'),"
      " (sha256('a'), 'forgotten', now() - interval '91 days', now() - interval '92 days'),"
      " (sha256('a'), 'failed', now() - interval '26 hours', NULL),"
      " (sha256('a'), 'fails', now() - interval '23 hours', NULL), (sha256('a'), '', now(), NULL)");
  EXPECT_THAT(CleanAll(), ElementsAre(Pair("login_attempts", 2)));
  EXPECT_EQ(database_.Count("auth.login_attempts WHERE network IN ('known', 'fails', '')"), 3);
}

TEST_F(JanitorTest, DeletesPasswordResetsADayAfterTheirEnd) {
  database_.Execute(
      "INSERT INTO auth.password_resets (id, digest, expire_time) VALUES"
      " (gen_random_uuid(), sha256('a'), now() - interval '23 hours'),"
      " (gen_random_uuid(), sha256('b'), now() - interval '25 hours'),"
      " (gen_random_uuid(), sha256('c'), now() + interval '1 minute')");
  EXPECT_THAT(CleanAll(), ElementsAre(Pair("password_resets", 1)));
  EXPECT_EQ(database_.Count("auth.password_resets WHERE digest = sha256('b')"), 0);
}

TEST_F(JanitorTest, DeletesTheControlLogOf26HoursAgoButItsNewestRow) {
  const auto add = [&](int sequence, const std::string& age) {
    database_.Execute(
        "INSERT INTO auth.control_log (sequence, kind, subject, epoch, create_time) VALUES (" +
        std::to_string(sequence) + ", 'change', 'role/user', 0, now() - interval '" + age + "')");
  };
  add(1, "30 hours");
  add(2, "27 hours");
  EXPECT_THAT(CleanAll(), ElementsAre(Pair("control_log", 1)));
  EXPECT_EQ(database_.Select("SELECT sequence FROM auth.control_log"), "2") << "the newest";
  add(3, "25 hours");
  add(4, "1 hour");
  EXPECT_THAT(CleanAll(), ElementsAre(Pair("control_log", 1)));
  EXPECT_EQ(database_.Select("SELECT min(sequence) FROM auth.control_log"), "3");
}

TEST_F(JanitorTest, DeletesSigningKeysADayAfterTheyRetired) {
  const auto add = [&](const std::string& kid, const std::string& retire_time) {
    database_.Execute(
        "INSERT INTO auth.signing_keys (kid, public_key, sealed_seed, activate_time, retire_time)"
        " VALUES ('" +
        kid + "', sha256('" + kid + "'), '', now() - interval '9 days', " + retire_time + ")");
  };
  add("retired", "now() - interval '25 hours'");
  add("just retired", "now() - interval '23 hours'");
  add("retiring", "now() + interval '1 minute'");
  add("signing", "NULL");
  EXPECT_THAT(CleanAll(), ElementsAre(Pair("signing_keys", 1)));
  EXPECT_EQ(database_.Count("auth.signing_keys WHERE kid = 'retired'"), 0);
}

TEST_F(JanitorTest, GoesInBoundedBatches) {
  database_.Execute(
      "INSERT INTO auth.login_attempts (account, network, attempt_time)"
      " SELECT sha256(n::text::bytea), '', now() - interval '91 days' FROM generate_series(1, 25) "
      "n");
  EXPECT_THAT(CleanAll({.batch = 5, .batches_max = 3}), ElementsAre(Pair("login_attempts", 15)));
  EXPECT_THAT(CleanAll({.batch = 5, .batches_max = 3}), ElementsAre(Pair("login_attempts", 10)));
  EXPECT_THAT(CleanAll({.batch = 5, .batches_max = 3}), IsEmpty());
  const std::atomic<bool> stopping = true;
  database_.Execute(
      "INSERT INTO auth.login_attempts (account, network, attempt_time)"
      " VALUES (sha256('a'), '', now() - interval '91 days')");
  EXPECT_THAT(CleanAll({.stopping = &stopping}), IsEmpty());
}

TEST_F(JanitorTest, PassesOverWhatSomebodyHolds) {
  database_.Execute(
      "INSERT INTO auth.login_attempts (account, network, attempt_time) VALUES"
      " (sha256('a'), 'held', now() - interval '91 days'),"
      " (sha256('a'), 'free', now() - interval '91 days')");
  const absl::Status held = database_.db().InTransaction([&](pg::Tx& tx) -> absl::Status {
    tx.exec("UPDATE auth.login_attempts SET attempt_time = now() WHERE network = 'held'");
    EXPECT_THAT(CleanAll(), ElementsAre(Pair("login_attempts", 1)));
    return absl::OkStatus();
  });
  ASSERT_TRUE(held.ok()) << held;
  EXPECT_THAT(CleanAll(), IsEmpty());
  EXPECT_EQ(database_.Select("SELECT network FROM auth.login_attempts"), "held");
}

TEST_F(JanitorTest, CleansByItself) {
  database_.Execute(
      "INSERT INTO auth.login_attempts (account, network, attempt_time)"
      " VALUES (sha256('a'), '', now() - interval '91 days')");
  const Janitor janitor(database_.db());
  EXPECT_TRUE(Eventually([&] { return database_.Count("auth.login_attempts") == 0; }));
}

}  // namespace
}  // namespace gatehouse::auth
