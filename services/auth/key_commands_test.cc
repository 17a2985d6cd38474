#include "services/auth/key_commands.h"

#include <gtest/gtest.h>

#include "services/auth/program_testing.h"

namespace gatehouse::auth {
namespace {

using std::chrono::seconds;
using testing::kSecretKey;

class KeyCommandsTest : public ::testing::Test {
 protected:
  std::vector<std::string> Rotate(seconds wait) {
    const auto lines = RotateKeys(database_.db(), keys_, wait);
    EXPECT_TRUE(lines.ok()) << lines.status();
    return lines.value_or(std::vector<std::string>());
  }
  // The ids of all keys, the newest first.
  std::string Kid(int newest) {
    return database_.Select("SELECT kid FROM auth.signing_keys ORDER BY create_time DESC OFFSET " +
                            std::to_string(newest) + " LIMIT 1");
  }
  // A time of a key as the commands print it.
  std::string TimeOf(const std::string& kid, const std::string& column) {
    return database_.Select("SELECT to_char(" + column +
                            " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
                            " FROM auth.signing_keys WHERE kid = '" +
                            kid + "'");
  }

  testing::AuthDatabase database_;
  KeyRing keys_{kSecretKey};
};

TEST_F(KeyCommandsTest, RotatingTellsWhatSignsWhenAndWhatRetires) {
  const std::vector<std::string> lines = Rotate(seconds(600));
  const std::string kid = Kid(0), old = Kid(1);
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0],
            "key " + kid + " is published and signs from " + TimeOf(kid, "activate_time"));
  EXPECT_EQ(lines[1], "key " + old + " retires " + TimeOf(old, "retire_time"));
}

TEST_F(KeyCommandsTest, RotatingIsAuditedAsAnActionOfTheShell) {
  Rotate(seconds(0));
  EXPECT_EQ(database_.Select("SELECT actor_username || ' ' || target || ' ' || reason"
                             " FROM auth.audit_events WHERE type = 'admin_action' AND success"),
            "shell key/" + Kid(0) + " rotate-keys");
}

TEST_F(KeyCommandsTest, RotatingUnderAnotherSecretKeyChangesNothing) {
  Rotate(seconds(0));
  KeyRing other("another secret key, at least 32 bytes");
  EXPECT_EQ(Reason(RotateKeys(database_.db(), other, seconds(0)).status()), "SECRET_KEY_WRONG");
  KeyRing none("");
  EXPECT_EQ(Reason(RotateKeys(database_.db(), none, seconds(0)).status()), "SECRET_KEY_MISSING");
  EXPECT_EQ(database_.Count("auth.signing_keys"), 2);
  EXPECT_EQ(database_.Count("auth.audit_events"), 1);
}

TEST_F(KeyCommandsTest, ListingTellsWhatEachKeyDoes) {
  Rotate(seconds(0));
  Rotate(seconds(600));
  const auto lines = DescribeKeys(database_.db());
  ASSERT_TRUE(lines.ok()) << lines.status();
  const std::vector<std::string> states = {"waits", "signs", "verifies"};
  ASSERT_EQ(lines->size(), states.size());
  for (std::size_t i = 0; i < states.size(); ++i) {
    const std::string kid = Kid(static_cast<int>(i));
    const std::string end =
        i == 0 ? "does not retire yet" : "retires " + TimeOf(kid, "retire_time");
    EXPECT_EQ((*lines)[i], "key " + kid + " " + states[i] + ", active from " +
                               TimeOf(kid, "activate_time") + ", " + end);
  }
}

TEST(RotationWaitTest, IsTenMinutesOrWhatIsGiven) {
  EXPECT_EQ(*RotationWait({}), seconds(600));
  EXPECT_EQ(*RotationWait({"--wait-seconds", "0"}), seconds(0));
  EXPECT_EQ(*RotationWait({"--wait-seconds", "86400"}), seconds(86400));
  const std::vector<std::vector<std::string>> wrong = {
      {"--wait-seconds"},        {"--wait-seconds", "-1"},     {"--wait-seconds", "86401"},
      {"--wait-seconds", "1.5"}, {"--wait-seconds", "ten"},    {"--wait-seconds", ""},
      {"--wait", "5"},           {"--wait-seconds", "5", "x"}, {"600"}};
  for (const std::vector<std::string>& arguments : wrong) {
    EXPECT_EQ(Reason(RotationWait(arguments).status()), "ARGUMENTS_INVALID")
        << arguments.front() << " " << arguments.back();
  }
}

// The real program.
TEST_F(KeyCommandsTest, AnOperatorRotatesAndLists) {
  testing::ProgramWorld world(database_);
  testing::ProgramRun rotate(world, {"rotate-keys", "--wait-seconds", "30"},
                             {{"SECRET_KEY", kSecretKey}});
  EXPECT_EQ(rotate.Wait(), 0);
  EXPECT_EQ(rotate.output().rfind("key " + Kid(0) + " is published", 0), 0u);
  testing::ProgramRun list(world, {"list-keys"}, {{"SECRET_KEY", kSecretKey}});
  EXPECT_EQ(list.Wait(), 0);
  EXPECT_EQ(list.output().rfind("key " + Kid(0) + " waits", 0), 0u);
  testing::ProgramRun wrong(world, {"rotate-keys", "--wait-seconds", "30"},
                            {{"SECRET_KEY", "another secret key, at least 32 bytes"}});
  EXPECT_EQ(wrong.Wait(), 1);
  testing::ProgramRun odd(world, {"rotate-keys", "now"}, {{"SECRET_KEY", kSecretKey}});
  EXPECT_EQ(odd.Wait(), 2);
  EXPECT_EQ(database_.Count("auth.signing_keys"), 2);
}

}  // namespace
}  // namespace gatehouse::auth
