#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>

#include "libs/pg/database.h"
#include "libs/pg/suite_database.h"
#include "libs/pg/testing.h"

namespace gatehouse::pg::testing {
namespace {

// auth.doomed ends its own session while COMMIT runs.
const std::vector<Migration> kTables = {{"0001_create_tables", R"(
CREATE TABLE auth.counters (name text CONSTRAINT counters_pkey PRIMARY KEY, value bigint NOT NULL);
CREATE TABLE auth.doomed (name text);
CREATE FUNCTION auth.end_session() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_terminate_backend(pg_backend_pid());
    RETURN NULL;
END $$;
GRANT EXECUTE ON FUNCTION auth.end_session() TO gatehouse_auth;
CREATE CONSTRAINT TRIGGER doom AFTER INSERT ON auth.doomed DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION auth.end_session();
GRANT SELECT, INSERT, UPDATE ON auth.counters, auth.doomed TO gatehouse_auth;
INSERT INTO auth.counters VALUES ('a', 0), ('b', 0);
)"}};

class DatabaseFaultTest : public SuiteDatabase<kTables> {
 protected:
  DatabaseFaultTest() { sessions_.Run("UPDATE auth.counters SET value = 0"); }

  static void Add(Tx& tx, const std::string& name) {
    tx.exec_params("UPDATE auth.counters SET value = value + 1 WHERE name = $1", name);
  }

  std::int64_t Value(const std::string& name) {
    return db_
        .Read([&](Tx& tx) -> absl::StatusOr<std::int64_t> {
          return tx.exec_params1("SELECT value FROM auth.counters WHERE name = $1", name)[0]
              .as<std::int64_t>();
        })
        .value();
  }

  static std::string Pid(Tx& tx) { return tx.exec1("SELECT pg_backend_pid()")[0].c_str(); }
};

TEST_F(DatabaseFaultTest, DeadlockIsRunAgain) {
  std::atomic<int> holding = 0;
  std::atomic<int> attempts = 0;
  const auto both = [&](const std::string& first, const std::string& second) {
    return db_.InTransaction([&](Tx& tx) {
      ++attempts;
      Add(tx, first);
      // Both hold their first row before either asks for its second.
      ++holding;
      while (holding < 2) std::this_thread::yield();
      Add(tx, second);
      return absl::OkStatus();
    });
  };
  auto one = std::async(std::launch::async, both, "a", "b");
  const absl::Status other = both("b", "a");
  EXPECT_TRUE(one.get().ok());
  EXPECT_TRUE(other.ok());
  EXPECT_EQ(attempts, 3) << "one of the two lost, once";
  EXPECT_EQ(Value("a"), 2);
  EXPECT_EQ(Value("b"), 2);
}

TEST_F(DatabaseFaultTest, SerializationFailureIsRunAgain) {
  int attempts = 0;
  const absl::Status status = db_.InTransaction([&](Tx& tx) {
    tx.exec("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ");
    tx.exec("SELECT value FROM auth.counters");
    if (++attempts == 1)
      sessions_.Value("UPDATE auth.counters SET value = 10 WHERE name = 'a' RETURNING 1");
    Add(tx, "a");
    return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(attempts, 2);
  EXPECT_EQ(Value("a"), 11);
}

TEST_F(DatabaseFaultTest, EndlessConflictIsAbortedAfterThreeAttempts) {
  int attempts = 0;
  const absl::Status status = db_.InTransaction([&](Tx& tx) {
    tx.exec("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ");
    tx.exec("SELECT value FROM auth.counters");
    ++attempts;
    sessions_.Value("UPDATE auth.counters SET value = 10 WHERE name = 'a' RETURNING value");
    Add(tx, "a");
    return absl::OkStatus();
  });
  EXPECT_EQ(Reason(status), "DATABASE_CONFLICT");
  EXPECT_EQ(status.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(attempts, 3);
  EXPECT_EQ(Value("a"), 10);
}

TEST_F(DatabaseFaultTest, SessionLostInTheMiddleIsRunAgainOnce) {
  int attempts = 0;
  const absl::Status status = db_.InTransaction([&](Tx& tx) {
    Add(tx, "a");
    if (++attempts == 1) sessions_.Terminate("pid = " + Pid(tx));
    Add(tx, "b");
    return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(attempts, 2);
  EXPECT_EQ(Value("a"), 1);
  EXPECT_EQ(Value("b"), 1);
}

TEST_F(DatabaseFaultTest, SessionLostBeforeCommitIsRunAgainAndDoneOnce) {
  int attempts = 0;
  const absl::Status status = db_.InTransaction([&](Tx& tx) {
    Add(tx, "a");
    const std::string pid = Pid(tx);
    if (++attempts == 1) sessions_.Terminate("pid = " + pid);
    return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(attempts, 2);
  EXPECT_EQ(Value("a"), 1);
}

TEST_F(DatabaseFaultTest, SessionLostUnderCommitIsInDoubtAndNeverRunAgain) {
  int attempts = 0;
  const absl::Status status = db_.InTransaction([&](Tx& tx) {
    ++attempts;
    tx.exec("INSERT INTO auth.doomed VALUES ('x')");
    return absl::OkStatus();
  });
  EXPECT_EQ(Reason(status), "COMMIT_IN_DOUBT");
  EXPECT_EQ(status.code(), absl::StatusCode::kUnknown);
  EXPECT_EQ(attempts, 1);
}

TEST_F(DatabaseFaultTest, SessionLostUnderAStatementIsInDoubtAndNeverRunAgain) {
  int attempts = 0;
  const absl::Status status = db_.Statement([&](Tx& tx) {
    ++attempts;
    tx.exec("SELECT pg_terminate_backend(pg_backend_pid()), pg_sleep(1)");
    return absl::OkStatus();
  });
  EXPECT_EQ(Reason(status), "COMMIT_IN_DOUBT");
  EXPECT_EQ(attempts, 1);
}

TEST_F(DatabaseFaultTest, SessionLostUnderAReadIsRunAgain) {
  int attempts = 0;
  const auto status = db_.Read([&](Tx& tx) -> absl::StatusOr<int> {
    if (++attempts == 1) tx.exec("SELECT pg_terminate_backend(pg_backend_pid()), pg_sleep(1)");
    return tx.exec1("SELECT 7")[0].as<int>();
  });
  EXPECT_EQ(status.value(), 7);
  EXPECT_EQ(attempts, 2);
}

TEST_F(DatabaseFaultTest, RepeatInDoubtFindsWhatTheFirstRunDid) {
  int runs = 0;
  const absl::StatusOr<std::string> outcome = RepeatInDoubt([&]() -> absl::StatusOr<std::string> {
    if (++runs == 1) {
      return db_.InTransaction([](Tx& tx) -> absl::StatusOr<std::string> {
        tx.exec("INSERT INTO auth.doomed VALUES ('x')");
        return std::string("first");
      });
    }
    return std::string("second");
  });
  EXPECT_EQ(outcome.value(), "second");
  runs = 0;
  const absl::Status refused = RepeatInDoubt([&]() -> absl::Status {
    ++runs;
    return absl::NotFoundError("no");
  });
  EXPECT_EQ(refused.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(runs, 1);
}

TEST_F(DatabaseFaultTest, DoubtStaysWhileTheDatabaseCannotBeAsked) {
  int runs = 0;
  const absl::Status outcome = RepeatInDoubt([&]() -> absl::Status {
    if (++runs == 1) {
      return Error(absl::StatusCode::kUnknown, "COMMIT_IN_DOUBT", "it may have happened");
    }
    return Error(absl::StatusCode::kUnavailable, "DATABASE_UNAVAILABLE", "nobody there");
  });
  EXPECT_EQ(runs, 2);
  EXPECT_EQ(Reason(outcome), "COMMIT_IN_DOUBT");
}

TEST_F(DatabaseFaultTest, SessionsLostWhileIdleAreNotNoticed) {
  std::promise<void> all_taken;
  std::atomic<int> taken = 0;
  std::shared_future<void> go = all_taken.get_future().share();
  std::vector<std::thread> threads;
  threads.reserve(5);
  for (int i = 0; i < 5; ++i) {
    threads.emplace_back([&] {
      EXPECT_TRUE(db_.Statement([&](Tx& tx) {
                       tx.exec("SELECT 1");
                       if (++taken == 5) all_taken.set_value();
                       go.wait();
                       return absl::OkStatus();
                     })
                      .ok());
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(sessions_.Terminate("usename = 'gatehouse_auth'"), 5);
  int attempts = 0;
  const absl::Status status = db_.Statement([&](Tx& tx) {
    ++attempts;
    Add(tx, "a");
    return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(attempts, 1) << "dead connections are not handed out";
}

TEST_F(DatabaseFaultTest, CrashedServerIsUnavailableUntilItIsBack) {
  ASSERT_EQ(Value("a"), 0);
  ASSERT_TRUE(db_.Ping().ok());
  Cluster::Get().CrashAndStayDown();
  const auto add = [&] {
    return db_.InTransaction([](Tx& tx) {
      Add(tx, "a");
      return absl::OkStatus();
    });
  };
  EXPECT_EQ(Reason(add()), "DATABASE_UNAVAILABLE");
  EXPECT_EQ(Reason(db_.Ping()), "DATABASE_UNAVAILABLE");
  Cluster::Get().Restart();
  EXPECT_TRUE(add().ok());
  EXPECT_TRUE(db_.Ping().ok());
  EXPECT_EQ(Value("a"), 1);
}

}  // namespace
}  // namespace gatehouse::pg::testing
