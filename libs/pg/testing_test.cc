#include "libs/pg/testing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "libs/pg/eventually.h"
#include "libs/pg/testing_process.h"

namespace gatehouse::pg::testing {
namespace {

const std::vector<Migration> kNotes = {
    {"0001_create_notes",
     "CREATE TABLE auth.notes (text text); GRANT SELECT, INSERT ON auth.notes TO gatehouse_auth"}};

absl::StatusOr<std::int64_t> CountNotes(Database& db) {
  return db.Read([](Tx& tx) -> absl::StatusOr<std::int64_t> {
    return tx.exec1("SELECT count(*) FROM auth.notes")[0].as<std::int64_t>();
  });
}

absl::Status AddNote(Database& db) {
  return db.Statement([](Tx& tx) {
    tx.exec("INSERT INTO auth.notes VALUES ('x')");
    return absl::OkStatus();
  });
}

TEST(TestDatabase, IsFreshForEveryTest) {
  TestDatabase first("auth", kNotes);
  TestDatabase second("auth", kNotes);
  ASSERT_TRUE(AddNote(first.db()).ok());
  EXPECT_EQ(CountNotes(first.db()).value(), 1);
  EXPECT_EQ(CountNotes(second.db()).value(), 0);
}

TEST(TestDatabase, HasTheMigrationsItAsksFor) {
  TestDatabase with("auth", kNotes);
  TestDatabase without("auth", {});
  EXPECT_TRUE(AddNote(with.db()).ok());
  EXPECT_EQ(Reason(AddNote(without.db())), "DATABASE_ERROR");
}

TEST(TestDatabase, IsDroppedAtTheEnd) {
  std::string name;
  {
    TestDatabase database("auth", {});
    name = database.name();
  }
  EXPECT_THROW(pqxx::connection(Cluster::Get().Url(name, "")), pqxx::broken_connection);
}

TEST(Cluster, AsksForPasswordsOnItsSocket) {
  const std::string url = Cluster::Get().Url("postgres", "");
  std::string wrong = url;
  wrong.replace(wrong.find("postgres:") + 9, 4, "nope");
  EXPECT_NO_THROW(pqxx::connection{url});
  EXPECT_THROW(pqxx::connection{wrong}, pqxx::broken_connection);
}

TEST(Cluster, IsForItsOwnerOnly) {
  struct stat status {};
  ASSERT_EQ(::stat(Cluster::Get().directory().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0700U);
  EXPECT_LT(Cluster::Get().directory().size(), 20U) << "a socket's path has 107 bytes";
}

TEST(Cluster, KeepsWhatWasCommittedOverACrash) {
  TestDatabase database("auth", kNotes);
  ASSERT_TRUE(AddNote(database.db()).ok());
  const pid_t before = Cluster::Get().postmaster();
  Cluster::Get().Crash();
  EXPECT_NE(Cluster::Get().postmaster(), before);
  EXPECT_EQ(CountNotes(database.db()).value(), 1);
}

TEST(Cluster, LeavesNothingBehindWhenItsProgramIsKilled) {
  const std::string output = Cluster::Get().directory() + "/holder.log";
  const pid_t holder =
      Start({.command = {GATEHOUSE_CLUSTER_HOLDER}, .directory = "/tmp", .output_file = output});
  std::string directory;
  std::string word;
  ASSERT_TRUE(Eventually([&] {
    pid_t postmaster = 0;
    std::ifstream file(output);
    return static_cast<bool>(file >> directory >> postmaster >> word);
  })) << "the other cluster did not start";
  ASSERT_TRUE(std::filesystem::exists(directory));
  ASSERT_FALSE(ProcessesIn(directory).empty());

  ::kill(holder, SIGKILL);
  Wait(holder);

  EXPECT_TRUE(Eventually([&] { return !std::filesystem::exists(directory); }));
  EXPECT_TRUE(Eventually([&] { return ProcessesIn(directory).empty(); }));
}

}  // namespace
}  // namespace gatehouse::pg::testing
