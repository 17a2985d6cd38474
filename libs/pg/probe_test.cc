#include "libs/pg/probe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "libs/pg/database.h"
#include "libs/pg/suite_database.h"

namespace gatehouse::pg::testing {
namespace {

using ::testing::HasSubstr;

const std::vector<Migration> kProbed = {{"0001_create_probes", R"(
CREATE TABLE auth.readiness_probe (
    singleton boolean DEFAULT true CONSTRAINT readiness_probe_pkey PRIMARY KEY CHECK (singleton),
    probe_time timestamptz NOT NULL DEFAULT now()) WITH (fillfactor = 50);
INSERT INTO auth.readiness_probe DEFAULT VALUES;
CREATE TABLE auth.empty_probe (probe_time timestamptz);
CREATE TABLE auth.foreign_probe (probe_time timestamptz);
GRANT SELECT, UPDATE ON auth.readiness_probe, auth.empty_probe TO gatehouse_auth;
)"}};

class ProbeTest : public SuiteDatabase<kProbed> {
 protected:
  std::unique_ptr<Database> Pool(const std::string& probe_table) {
    Options options = db_.options();
    options.probe_table = probe_table;
    return std::make_unique<Database>(options);
  }
  std::unique_ptr<Database> Pool() { return Pool("auth.readiness_probe"); }

  // What new sessions of the runtime role may do.
  void LetWrite(bool may) {
    sessions_.Run(
        "ALTER ROLE gatehouse_auth IN DATABASE " + database_.name() +
        (may ? " RESET default_transaction_read_only" : " SET default_transaction_read_only = on"));
  }
};

TEST_F(ProbeTest, PingWritesTheTime) {
  sessions_.Run("UPDATE auth.readiness_probe SET probe_time = '2020-01-01'");
  const auto pool = Pool();
  ASSERT_TRUE(pool->Ping().ok());
  const std::string first = sessions_.Value("SELECT probe_time FROM auth.readiness_probe");
  EXPECT_EQ(sessions_.Value("SELECT probe_time > now() - interval '1 minute'"
                            " FROM auth.readiness_probe"),
            "t");
  ASSERT_TRUE(pool->Ping().ok());
  EXPECT_NE(sessions_.Value("SELECT probe_time FROM auth.readiness_probe"), first);
}

TEST_F(ProbeTest, PingWritesNothingWithoutATable) {
  sessions_.Run("UPDATE auth.readiness_probe SET probe_time = '2020-01-01'");
  EXPECT_TRUE(Pool("")->Ping().ok());
  EXPECT_EQ(sessions_.Value("SELECT extract(year FROM probe_time) FROM auth.readiness_probe"),
            "2020");
}

TEST_F(ProbeTest, ADatabaseThatTakesNoWritesIsNotReady) {
  const auto pool = Pool();
  ASSERT_TRUE(pool->Ping().ok());
  LetWrite(false);
  sessions_.Terminate("usename = 'gatehouse_auth'");
  const absl::Status refused = pool->Ping();
  EXPECT_EQ(refused.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(Reason(refused), "DATABASE_READ_ONLY");
  EXPECT_EQ(Reason(pool->Ping()), "DATABASE_READ_ONLY") << "and stays so";
  EXPECT_TRUE(Pool("")->Ping().ok()) << "it can be read";
  LetWrite(true);
  EXPECT_TRUE(pool->Ping().ok()) << "it recovers by itself";
}

TEST_F(ProbeTest, AMissingTableRightOrRowIsNotReadyAndSaysSo) {
  const std::string problems[][2] = {{"auth.no_probe", "relation \"auth.no_probe\" does not exist"},
                                     {"auth.foreign_probe", "permission denied"},
                                     {"auth.empty_probe", "its row is missing"},
                                     {"auth.x; DROP TABLE auth.readiness_probe", "does not exist"}};
  for (const auto& [table, problem] : problems) {
    const absl::Status refused = Pool(table)->Ping();
    EXPECT_EQ(Reason(refused), "DATABASE_UNAVAILABLE") << table;
    EXPECT_THAT(std::string(refused.message()), HasSubstr(problem));
  }
  EXPECT_EQ(sessions_.Value("SELECT count(*) FROM auth.readiness_probe"), "1");
}

TEST_F(ProbeTest, ARowThatSomebodyLocksDoesNotHangThePing) {
  const auto pool = Pool();
  ASSERT_TRUE(pool->Ping().ok());
  {
    pqxx::connection other(database_.Url(""));
    pqxx::work lock(other);
    lock.exec("SELECT probe_time FROM auth.readiness_probe FOR UPDATE");
    EXPECT_EQ(Reason(pool->Ping()), "DATABASE_UNAVAILABLE");
  }
  EXPECT_TRUE(pool->Ping().ok());
}

TEST_F(ProbeTest, TheTableStaysOnOnePage) {
  const auto pool = Pool();
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(pool->Ping().ok());
  EXPECT_EQ(sessions_.Value("SELECT pg_relation_size('auth.readiness_probe')"), "8192")
      << "a thousand versions need five pages";
  EXPECT_EQ(sessions_.Value("SELECT pg_relation_size('auth.readiness_probe_pkey')"), "16384")
      << "a meta page and one of entries";
}

}  // namespace
}  // namespace gatehouse::pg::testing
