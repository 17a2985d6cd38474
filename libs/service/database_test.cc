#include <gmock/gmock.h>
#include <signal.h>

#include "libs/pg/testing.h"
#include "libs/rpc/client.h"
#include "libs/service/testing.h"

namespace gatehouse::service {
namespace {

using pg::testing::Cluster;
using pg::testing::TestDatabase;
using ::testing::AllOf;
using testing::Environment;
using testing::Eventually;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::Sample;

class ServiceDatabaseTest : public testing::SampleTest {
 protected:
  void SetUp() override {
    SampleTest::SetUp();
    // With a database the sample goes by another name, and so does its key.
    const auto made = RunSample({"keygen", directory()}, {{"SAMPLE_DATABASE", "1"}});
    ASSERT_EQ(made.code, 0) << made.errors;
    Write("service-keys", made.output);
  }

  Environment DatabaseEnvironment(const std::string& url) const {
    Environment environment = ServeEnvironment();
    environment["SAMPLE_DATABASE"] = "1";
    environment["SERVICE_KEY_FILE"] = directory() + "/invitations.key";
    environment["DATABASE_URL_FILE"] = Write("database-url", url + "\n");
    return environment;
  }

  int MigrateSample(const std::string& url) {
    return RunSample({"migrate"}, {{"SAMPLE_DATABASE", "1"}, {"OWNER_DATABASE_URL", url}}).code;
  }

  bool IsServing() {
    return rpc::Client("invitations", socket(), nullptr).IsServing(std::chrono::seconds(5));
  }
};

TEST_F(ServiceDatabaseTest, MigrateAppliesWhatIsMissingAndNamesIt) {
  TestDatabase database("invitations", {});
  const Environment environment = {
      {"SAMPLE_DATABASE", "1"},
      {"OWNER_DATABASE_URL", database.Url("gatehouse_invitations_owner")}};
  const auto first = RunSample({"migrate"}, environment);
  EXPECT_EQ(first.code, 0) << first.errors;
  EXPECT_EQ(first.output, "0001_create_samples\n0002_create_more\n0003_create_readiness_probe\n");
  const auto second = RunSample({"migrate"}, environment);
  EXPECT_EQ(second.code, 0) << second.errors;
  EXPECT_EQ(second.output, "");
}

TEST_F(ServiceDatabaseTest, MigrateNeedsTheOwnersUrlOnly) {
  const auto absent = RunSample({"migrate"}, {{"SAMPLE_DATABASE", "1"}});
  EXPECT_EQ(absent.code, 2);
  EXPECT_THAT(absent.errors,
              AllOf(HasSubstr("OWNER_DATABASE_URL (or OWNER_DATABASE_URL_FILE) is required"),
                    Not(HasSubstr("SERVICE_KEY"))));
}

TEST_F(ServiceDatabaseTest, MigrateReportsAFailureWithoutTheUrl) {
  const std::string url =
      "postgresql://gatehouse_invitations_owner:hunter2@localhost:1/nowhere?host=" + directory();
  const auto failed =
      RunSample({"migrate"}, {{"SAMPLE_DATABASE", "1"}, {"OWNER_DATABASE_URL", url}});
  EXPECT_EQ(failed.code, 1);
  EXPECT_THAT(failed.errors, AllOf(HasSubstr("migrate"), Not(HasSubstr("hunter2"))));
}

TEST_F(ServiceDatabaseTest, ServeNeedsTheUrlOfTheDatabase) {
  Environment environment = DatabaseEnvironment("unused");
  environment.erase("DATABASE_URL_FILE");
  const auto result = RunSample({}, environment);
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.errors, HasSubstr("DATABASE_URL (or DATABASE_URL_FILE) is required"));
}

TEST_F(ServiceDatabaseTest, IsNotReadyWithoutItsDatabaseAndRecoversByItself) {
  const std::string name = "later_" + std::to_string(::getpid());
  const std::string url = Cluster::Get().Url(name, "gatehouse_invitations");
  Sample sample(directory(), {}, DatabaseEnvironment(url), true);
  ASSERT_TRUE(sample.AwaitLog("\"message\":\"not ready\"")) << sample.Errors();
  EXPECT_FALSE(IsServing());

  Cluster::Get().Execute("postgres", "CREATE DATABASE " + name);
  Cluster::Get().PrepareRoles(name);
  ASSERT_TRUE(sample.AwaitLog("readiness_probe")) << sample.Errors();
  EXPECT_FALSE(IsServing()) << "the migrations are missing";
  ASSERT_EQ(MigrateSample(Cluster::Get().Url(name, "gatehouse_invitations_owner")), 0);
  EXPECT_TRUE(Eventually([&] { return IsServing(); })) << sample.Errors();
  EXPECT_EQ(sample.AwaitReady().size(), 3u);

  Cluster::Get().Execute("postgres", "DROP DATABASE " + name + " WITH (FORCE)");
  EXPECT_TRUE(Eventually([&] { return !IsServing(); })) << sample.Errors();
  EXPECT_TRUE(sample.IsRunning());
  sample.Signal(SIGTERM);
  EXPECT_EQ(sample.Wait(), 0);
}

TEST_F(ServiceDatabaseTest, IsNotReadyWhileTheDatabaseTakesNoWrites) {
  TestDatabase database("invitations", {});
  ASSERT_EQ(MigrateSample(database.Url("gatehouse_invitations_owner")), 0);
  Sample sample(directory(), {}, DatabaseEnvironment(database.Url("gatehouse_invitations")), true);
  EXPECT_TRUE(Eventually([&] { return IsServing(); })) << sample.Errors();

  const std::string role = "ALTER ROLE gatehouse_invitations IN DATABASE " + database.name();
  Cluster::Get().Execute("postgres", role + " SET default_transaction_read_only = on");
  Cluster::Get().Execute("postgres",
                         "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                         " WHERE usename = 'gatehouse_invitations'");
  EXPECT_TRUE(Eventually([&] { return !IsServing(); })) << sample.Errors();
  EXPECT_TRUE(sample.AwaitLog("DATABASE_READ_ONLY")) << sample.Errors();

  Cluster::Get().Execute("postgres", role + " RESET default_transaction_read_only");
  EXPECT_TRUE(Eventually([&] { return IsServing(); })) << sample.Errors();
}

}  // namespace
}  // namespace gatehouse::service
