#include "services/orchestrator_monitor/migrations.h"

#include <gtest/gtest.h>

#include "libs/pg/testing.h"

namespace gatehouse::orchestrator_monitor {
namespace {

constexpr char kSchema[] = "orchestrator_monitor";

TEST(MigrationsTest, ApplyOnceAndDescribeTheSchema) {
  pg::testing::TestDatabase database(kSchema, Migrations());
  const auto comment = database.db().Statement([](pg::Tx& tx) -> absl::StatusOr<std::string> {
    return tx.exec("SELECT obj_description('orchestrator_monitor'::regnamespace)")[0][0]
        .as<std::string>();
  });
  ASSERT_TRUE(comment.ok()) << comment.status();
  EXPECT_EQ(*comment, "Orchestrator nodes, their polls and statistics");
  const auto again =
      pg::Migrate(database.Url("gatehouse_orchestrator_monitor_owner"), kSchema, Migrations());
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_TRUE(again->empty());
}

TEST(MigrationsTest, ReadinessCanWriteItsRow) {
  pg::testing::TestDatabase database(kSchema, Migrations());
  pg::Options options = database.db().options();
  options.probe_table = "orchestrator_monitor.readiness_probe";
  EXPECT_TRUE(pg::Database(options).Ping().ok());
}

TEST(MigrationsTest, TheRuntimeRoleCannotChangeTheSchema) {
  pg::testing::TestDatabase database(kSchema, Migrations());
  const absl::Status status = database.db().Statement([](pg::Tx& tx) -> absl::Status {
    tx.exec("CREATE TABLE orchestrator_monitor.mine (id int)");
    return absl::OkStatus();
  });
  EXPECT_FALSE(status.ok());
}

}  // namespace
}  // namespace gatehouse::orchestrator_monitor
