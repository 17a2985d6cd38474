#include "libs/pg/migrate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "libs/pg/suite_database.h"
#include "libs/pg/testing.h"

namespace gatehouse::pg::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const Migration kTable = {"0001_create_steps", "CREATE TABLE auth.steps (number int)"};
// Fails unless the first was applied before.
const Migration kColumn = {"0002_add_note", "ALTER TABLE auth.steps ADD COLUMN note text"};
const Migration kBroken = {"0003_break",
                           "CREATE TABLE auth.half (number int); SELECT number FROM auth.nowhere"};

class MigrateTest : public SuiteDatabase<kNoTables> {
 protected:
  MigrateTest() { sessions_.Run("DROP TABLE IF EXISTS auth.steps, auth.migrations"); }

  absl::StatusOr<std::vector<std::string>> Run(const std::vector<Migration>& migrations) {
    return Migrate(database_.Url("gatehouse_auth_owner"), "auth", migrations);
  }

  // As the owner; "" for NULL.
  std::string Value(const std::string& sql) {
    pqxx::connection connection(database_.Url("gatehouse_auth_owner"));
    return pqxx::nontransaction(connection).exec1(sql)[0].c_str();
  }
};

TEST_F(MigrateTest, AppliesInOrderAndTellsWhich) {
  EXPECT_THAT(Run({kTable, kColumn}).value(), ElementsAre("0001_create_steps", "0002_add_note"));
  EXPECT_EQ(Value("SELECT count(note) FROM auth.steps"), "0");
}

TEST_F(MigrateTest, DoesNothingAgain) {
  ASSERT_TRUE(Run({kTable, kColumn}).ok());
  EXPECT_THAT(Run({kTable, kColumn}).value(), IsEmpty());
}

TEST_F(MigrateTest, AppliesOnlyWhatIsNew) {
  ASSERT_TRUE(Run({kTable}).ok());
  EXPECT_THAT(Run({kTable, kColumn}).value(), ElementsAre("0002_add_note"));
}

TEST_F(MigrateTest, RefusesAnAppliedFileThatChanged) {
  ASSERT_TRUE(Run({kTable}).ok());
  Migration changed = kTable;
  changed.sql += " ";
  const auto outcome = Run({changed, kColumn});
  EXPECT_EQ(Reason(outcome.status()), "MIGRATION_CHANGED");
  EXPECT_EQ(outcome.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Value("SELECT count(*) FROM auth.migrations"), "1") << "nothing else was applied";
}

TEST_F(MigrateTest, RefusesADatabaseThatIsAhead) {
  ASSERT_TRUE(Run({kTable, kColumn}).ok());
  const auto outcome = Run({kTable});
  EXPECT_EQ(Reason(outcome.status()), "MIGRATION_UNKNOWN");
  EXPECT_THAT(std::string(outcome.status().message()), HasSubstr("0002_add_note"));
}

TEST_F(MigrateTest, FailureNamesTheFileAndKeepsTheEarlierOnes) {
  const auto outcome = Run({kTable, kColumn, kBroken});
  EXPECT_EQ(Reason(outcome.status()), "MIGRATION_FAILED");
  EXPECT_EQ(outcome.status().code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(outcome.status().message()), HasSubstr("0003_break"));
  EXPECT_THAT(std::string(outcome.status().message()), HasSubstr("auth.nowhere"));
  EXPECT_EQ(Value("SELECT count(*) FROM auth.migrations"), "2");
  EXPECT_EQ(Value("SELECT to_regclass('auth.half')"), "") << "the file is one transaction";
}

TEST_F(MigrateTest, TwoMigratorsTakeTurns) {
  const std::vector<Migration> slow = {
      {"0001_create_steps", "SELECT pg_sleep(0.2); CREATE TABLE auth.steps (number int)"}};
  std::vector<absl::StatusOr<std::vector<std::string>>> outcomes(3);
  std::vector<std::thread> migrators;
  for (auto& outcome : outcomes) migrators.emplace_back([&] { outcome = Run(slow); });
  for (std::thread& migrator : migrators) migrator.join();
  std::size_t applied = 0;
  for (const auto& outcome : outcomes) {
    ASSERT_TRUE(outcome.ok()) << outcome.status();
    applied += outcome->size();
  }
  EXPECT_EQ(applied, 1U);
}

TEST_F(MigrateTest, RuntimeRoleMayNotMigrate) {
  const auto outcome = Migrate(database_.Url("gatehouse_auth"), "auth", {kTable});
  EXPECT_EQ(Reason(outcome.status()), "MIGRATION_FAILED");
}

TEST_F(MigrateTest, TellsAnUnreachableDatabaseFromABadUrl) {
  EXPECT_EQ(Reason(Migrate("postgresql://nobody@/none?host=/tmp/none", "auth", {}).status()),
            "DATABASE_UNAVAILABLE");
  const auto invalid = Migrate("hunter2secret", "auth", {});
  EXPECT_EQ(Reason(invalid.status()), "DATABASE_URL_INVALID");
  EXPECT_THAT(invalid.status().ToString(), ::testing::Not(HasSubstr("hunter2")));
}

}  // namespace
}  // namespace gatehouse::pg::testing
