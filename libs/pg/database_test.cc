#include "libs/pg/database.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <future>
#include <thread>

#include "libs/pg/suite_database.h"
#include "libs/pg/testing.h"

namespace gatehouse::pg::testing {
namespace {

const std::vector<Migration> kCounters = {
    {"0001_create_counters",
     "CREATE TABLE auth.counters (name text CONSTRAINT counters_pkey PRIMARY KEY,"
     " value bigint NOT NULL CONSTRAINT counters_value_check CHECK (value >= 0));"
     "GRANT SELECT, INSERT, UPDATE, DELETE ON auth.counters TO gatehouse_auth"}};

absl::StatusOr<int> BackendPid(Tx& tx) { return tx.exec1("SELECT pg_backend_pid()")[0].as<int>(); }

class DatabaseTest : public SuiteDatabase<kCounters> {
 protected:
  DatabaseTest() { sessions_.Run("TRUNCATE auth.counters"); }

  // Another pool on the same database.
  std::unique_ptr<Database> Pool(Options options) {
    if (options.url.empty()) options.url = database_.Url("gatehouse_auth");
    return std::make_unique<Database>(options);
  }

  std::int64_t Count() {
    return db_
        .Read([](Tx& tx) -> absl::StatusOr<std::int64_t> {
          return tx.exec1("SELECT count(*) FROM auth.counters")[0].as<std::int64_t>();
        })
        .value();
  }

  static void Insert(Tx& tx, const std::string& name, std::int64_t value = 1) {
    tx.exec_params("INSERT INTO auth.counters (name, value) VALUES ($1, $2)", name, value);
  }
};

TEST_F(DatabaseTest, CommitsWhatEndsWell) {
  const absl::Status status = db_.InTransaction([](Tx& tx) {
    Insert(tx, "a");
    Insert(tx, "b");
    return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(Count(), 2);
}

TEST_F(DatabaseTest, RollsBackAndReturnsTheErrorOfTheFunction) {
  const absl::StatusOr<int> result = db_.InTransaction([](Tx& tx) -> absl::StatusOr<int> {
    Insert(tx, "a");
    return Error(absl::StatusCode::kFailedPrecondition, "TOO_LATE", "too late");
  });
  EXPECT_EQ(Reason(result.status()), "TOO_LATE");
  EXPECT_EQ(Count(), 0);
}

TEST_F(DatabaseTest, RollsBackOnAnErrorOfTheDatabaseAndHidesItsText) {
  const absl::Status status = db_.InTransaction([](Tx& tx) {
    Insert(tx, "a");
    Insert(tx, "b", -1);
    return absl::OkStatus();
  });
  EXPECT_EQ(Reason(status), "DATABASE_ERROR");
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_EQ(std::string(status.message()), "database error");
  EXPECT_EQ(Count(), 0);
}

TEST_F(DatabaseTest, ReadsCommitted) {
  const auto level = db_.InTransaction([](Tx& tx) -> absl::StatusOr<std::string> {
    return tx.exec1("SHOW transaction_isolation")[0].as<std::string>();
  });
  EXPECT_EQ(level.value(), "read committed");
}

TEST_F(DatabaseTest, StatementStandsOnItsOwn) {
  const auto open = db_.Statement([](Tx& tx) -> absl::StatusOr<bool> {
    return tx.exec1("SELECT now() <> statement_timestamp()")[0].as<bool>();
  });
  EXPECT_FALSE(open.value()) << "no transaction was begun before it";
  EXPECT_TRUE(db_.Statement([](Tx& tx) {
                   Insert(tx, "a");
                   return absl::OkStatus();
                 })
                  .ok());
  EXPECT_EQ(Count(), 1);
}

TEST_F(DatabaseTest, SessionsHaveTheSuitesSettings) {
  const auto settings = db_.Read([](Tx& tx) -> absl::StatusOr<std::string> {
    return tx
        .exec1(
            "SELECT concat_ws(' ', current_setting('timezone'),"
            " current_setting('statement_timeout'), current_setting('lock_timeout'),"
            " current_setting('idle_in_transaction_session_timeout'))")[0]
        .as<std::string>();
  });
  EXPECT_EQ(settings.value(), "UTC 5s 3s 10s");
}

TEST_F(DatabaseTest, ReusesTheConnectionThatWasReturnedLast) {
  const int first = db_.Read(BackendPid).value();
  EXPECT_EQ(db_.InTransaction(BackendPid).value(), first);
  EXPECT_EQ(db_.Statement(BackendPid).value(), first);
}

TEST_F(DatabaseTest, ReusesTheConnectionAfterAnErrorOfAStatement) {
  const int first = db_.Read(BackendPid).value();
  EXPECT_FALSE(db_.InTransaction([](Tx& tx) -> absl::StatusOr<int> {
                    return tx.exec1("SELECT 1 / 0")[0].as<int>();
                  })
                   .ok());
  EXPECT_EQ(db_.InTransaction(BackendPid).value(), first);
}

TEST_F(DatabaseTest, NeverOpensMoreConnectionsThanTold) {
  const auto pool = Pool({.connections_max = 3});
  std::atomic<int> working = 0;
  std::atomic<int> most = 0;
  std::atomic<int> done = 0;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 8; ++thread) {
    threads.emplace_back([&] {
      for (int i = 0; i < 40; ++i) {
        const absl::Status status = pool->InTransaction([&](Tx& tx) {
          const int now = ++working;
          for (int seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {
          }
          tx.exec("SELECT 1");
          --working;
          return absl::OkStatus();
        });
        if (status.ok()) ++done;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(done, 320);
  EXPECT_LE(most, 3);
  EXPECT_LE(sessions_.Count(), 3);
}

TEST_F(DatabaseTest, ExhaustedPoolSaysBusy) {
  const auto pool = Pool({.connections_max = 1, .acquire_timeout = std::chrono::milliseconds(50)});
  std::promise<void> taken;
  std::promise<void> release;
  std::thread holder([&] {
    EXPECT_TRUE(pool->Statement([&](Tx&) {
                      taken.set_value();
                      release.get_future().wait();
                      return absl::OkStatus();
                    })
                    .ok());
  });
  taken.get_future().wait();
  const absl::Status busy = pool->Statement([](Tx&) { return absl::OkStatus(); });
  release.set_value();
  holder.join();
  EXPECT_EQ(Reason(busy), "DATABASE_BUSY");
  EXPECT_EQ(busy.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(pool->Statement([](Tx&) { return absl::OkStatus(); }).ok());
}

TEST_F(DatabaseTest, SlowStatementTimesOut) {
  const auto pool = Pool({.statement_timeout = std::chrono::milliseconds(50)});
  const absl::Status status = pool->InTransaction([](Tx& tx) {
    Insert(tx, "a");
    tx.exec("SELECT pg_sleep(20)");
    return absl::OkStatus();
  });
  EXPECT_EQ(Reason(status), "DATABASE_TIMEOUT");
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(Count(), 0);
}

TEST_F(DatabaseTest, WaitingForALockTimesOut) {
  pqxx::connection other(database_.Url("gatehouse_auth"));
  pqxx::work lock(other);
  lock.exec("LOCK TABLE auth.counters IN SHARE MODE");
  const auto pool = Pool({.statement_timeout = std::chrono::milliseconds(50)});
  const absl::Status status = pool->InTransaction([](Tx& tx) {
    Insert(tx, "a");
    return absl::OkStatus();
  });
  EXPECT_EQ(Reason(status), "DATABASE_TIMEOUT");
}

TEST_F(DatabaseTest, UnreachableServerIsUnavailable) {
  const auto pool = Pool({.url = "postgresql://nobody@/none?host=/tmp/none"});
  const absl::Status status = pool->Statement([](Tx&) { return absl::OkStatus(); });
  EXPECT_EQ(Reason(status), "DATABASE_UNAVAILABLE");
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(Reason(pool->Ping()), "DATABASE_UNAVAILABLE");
}

TEST_F(DatabaseTest, InvalidUrlIsUnavailable) {
  const auto pool = Pool({.url = "hunter2secret"});
  EXPECT_EQ(Reason(pool->Read(BackendPid).status()), "DATABASE_UNAVAILABLE");
  EXPECT_EQ(Reason(pool->Ping()), "DATABASE_UNAVAILABLE");
}

TEST_F(DatabaseTest, PingNeedsNoConnectionOfThePool) {
  const auto pool = Pool({.connections_max = 1});
  EXPECT_TRUE(pool->Statement([&](Tx&) { return pool->Ping(); }).ok());
}

TEST_F(DatabaseTest, PingDoesNotHangWithTheServer) {
  ASSERT_TRUE(db_.Ping().ok());
  const pid_t backend = std::stoi(sessions_.Value(
      "SELECT pid FROM pg_stat_activity WHERE usename = 'gatehouse_auth' AND datname ="
      " current_database()"));
  ::kill(backend, SIGSTOP);
  const absl::Status frozen = db_.Ping();
  ::kill(backend, SIGCONT);
  EXPECT_EQ(Reason(frozen), "DATABASE_UNAVAILABLE");
  EXPECT_TRUE(db_.Ping().ok());

  const auto pool = Pool({});
  ::kill(Cluster::Get().postmaster(), SIGSTOP);
  const absl::Status unanswered = pool->Ping();
  ::kill(Cluster::Get().postmaster(), SIGCONT);
  EXPECT_EQ(Reason(unanswered), "DATABASE_UNAVAILABLE") << "no new session either";
  EXPECT_TRUE(pool->Ping().ok());
}

}  // namespace
}  // namespace gatehouse::pg::testing
