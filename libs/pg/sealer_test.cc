#include "libs/pg/sealer.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "libs/base/secret.h"
#include "libs/pg/suite_database.h"
#include "libs/pg/testing.h"

namespace gatehouse::pg::testing {
namespace {

const std::vector<Migration> kTables = {{"0001_create_entries", R"(
CREATE TABLE auth.entries (id uuid PRIMARY KEY, number int NOT NULL UNIQUE, text text NOT NULL);
CREATE TABLE auth.entry_chain (
    position bigint PRIMARY KEY, row_id uuid NOT NULL UNIQUE, hash bytea NOT NULL,
    seal_time timestamptz NOT NULL DEFAULT now());
GRANT SELECT, INSERT ON auth.entries, auth.entry_chain TO gatehouse_auth;
)"}};

const Chain kChain = {
    "auth.entry_chain",
    R"(
SELECT e.id, concat_ws('|', e.number, e.text) FROM auth.entries AS e
WHERE NOT EXISTS (SELECT FROM auth.entry_chain AS c WHERE c.row_id = e.id)
ORDER BY e.number LIMIT $1)",
    R"(
SELECT c.position, c.row_id, concat_ws('|', e.number, e.text), c.hash FROM auth.entry_chain AS c
LEFT JOIN auth.entries AS e ON e.id = c.row_id
ORDER BY c.position)",
};

// The canonical text of a missing entry must be NULL, not ''.
Chain ChainWithNull() {
  Chain chain = kChain;
  const std::string text = "concat_ws('|', e.number, e.text), c.hash";
  chain.sealed_sql.replace(chain.sealed_sql.find(text), text.size(),
                           "CASE WHEN e.id IS NOT NULL THEN concat_ws('|', e.number, e.text) END,"
                           " c.hash");
  return chain;
}

class SealerTest : public SuiteDatabase<kTables> {
 protected:
  SealerTest() { sessions_.Run("TRUNCATE auth.entries, auth.entry_chain"); }

  void Add(int first, int last) {
    sessions_.Value(
        "WITH added AS (INSERT INTO auth.entries SELECT gen_random_uuid(), n,"
        " 'entry ' || n FROM generate_series(" +
        std::to_string(first) + ", " + std::to_string(last) +
        ") AS n RETURNING 1) SELECT count(*) FROM added");
  }

  void SealAll() {
    while (true) {
      const absl::StatusOr<int> sealed = Seal(db_, chain_, 100);
      ASSERT_TRUE(sealed.ok()) << sealed.status();
      if (*sealed == 0) return;
    }
  }

  // Where the chain breaks, or "whole".
  std::string Break() {
    const absl::StatusOr<std::int64_t> rows = VerifyChain(db_, chain_);
    if (rows.ok()) return "whole";
    EXPECT_EQ(rows.status().code(), absl::StatusCode::kDataLoss);
    EXPECT_EQ(Reason(rows.status()), "CHAIN_BROKEN");
    return ReasonMetadata(rows.status(), "position");
  }

  const Chain chain_ = ChainWithNull();
};

TEST_F(SealerTest, EmptyChainIsWhole) {
  EXPECT_EQ(Seal(db_, chain_, 10).value(), 0);
  EXPECT_EQ(VerifyChain(db_, chain_).value(), 0);
}

TEST_F(SealerTest, SealsInStepsAndVerifies) {
  Add(1, 25);
  EXPECT_EQ(Seal(db_, chain_, 10).value(), 10);
  EXPECT_EQ(VerifyChain(db_, chain_).value(), 10);
  EXPECT_EQ(Seal(db_, chain_, 100).value(), 15);
  Add(26, 2300);
  SealAll();
  EXPECT_EQ(VerifyChain(db_, chain_).value(), 2300);
}

TEST_F(SealerTest, HashesThePreviousHashAndTheText) {
  Add(1, 2);
  SealAll();
  const std::string first = Sha256(std::string(32, '\0') + "1|entry 1");
  const std::string second = Sha256(first + "2|entry 2");
  EXPECT_EQ(sessions_.Value("SELECT encode(hash, 'hex') FROM auth.entry_chain WHERE position = 2"),
            HexEncode(second));
}

TEST_F(SealerTest, LateRowIsSealedInSealingOrder) {
  Add(2, 3);
  SealAll();
  Add(1, 1);
  SealAll();
  EXPECT_EQ(sessions_.Value("SELECT e.number FROM auth.entry_chain AS c JOIN auth.entries AS e"
                            " ON e.id = c.row_id WHERE c.position = 3"),
            "1");
  EXPECT_EQ(Break(), "whole");
}

class SealedTest : public SealerTest {
 protected:
  SealedTest() {
    Add(1, 1500);
    SealAll();
  }
  void Tamper(const std::string& sql) { sessions_.Run(sql); }
};

TEST_F(SealedTest, IsWholeUntouched) { EXPECT_EQ(Break(), "whole"); }

TEST_F(SealedTest, FindsAChangedRow) {
  Tamper("UPDATE auth.entries SET text = 'other' WHERE number = 1203");
  EXPECT_EQ(Break(), "1203");
}

TEST_F(SealedTest, FindsARemovedRow) {
  Tamper("DELETE FROM auth.entries WHERE number = 7");
  EXPECT_EQ(Break(), "7");
}

TEST_F(SealedTest, FindsARowRemovedTogetherWithItsSeal) {
  Tamper(
      "DELETE FROM auth.entries WHERE number = 7;"
      "DELETE FROM auth.entry_chain WHERE position = 7");
  EXPECT_EQ(Break(), "7");
  Tamper(
      "UPDATE auth.entry_chain SET position = -position WHERE position > 7;"
      "UPDATE auth.entry_chain SET position = -position - 1 WHERE position < 0");
  EXPECT_EQ(Break(), "7") << "closing the gap does not help";
}

TEST_F(SealedTest, FindsReorderedRows) {
  Tamper(
      "UPDATE auth.entries SET number = -number WHERE number IN (400, 401);"
      "UPDATE auth.entry_chain SET position = -position WHERE position IN (400, 401);"
      "UPDATE auth.entry_chain SET position = 401 WHERE position = -400;"
      "UPDATE auth.entry_chain SET position = 400 WHERE position = -401;"
      "UPDATE auth.entries SET number = -number WHERE number < 0");
  EXPECT_EQ(Break(), "400");
}

TEST_F(SealedTest, FindsAForgedHash) {
  Tamper("UPDATE auth.entry_chain SET hash = sha256('x') WHERE position = 1500");
  EXPECT_EQ(Break(), "1500");
}

TEST_F(SealerTest, SealersThatRaceMakeOneChain) {
  Add(1, 400);
  std::atomic<int> sealed = 0;
  std::vector<std::thread> sealers;
  for (int thread = 0; thread < 4; ++thread) {
    sealers.emplace_back([&] {
      while (sealed < 400) {
        const absl::StatusOr<int> rows = Seal(db_, chain_, 7);
        if (!rows.ok()) {
          ADD_FAILURE() << rows.status();
          return;
        }
        sealed += *rows;
      }
    });
  }
  for (std::thread& sealer : sealers) sealer.join();
  EXPECT_EQ(sealed, 400);
  EXPECT_EQ(VerifyChain(db_, chain_).value(), 400);
}

TEST_F(SealerTest, RuntimeRoleCannotRewriteTheChain) {
  const absl::Status status = db_.Statement([](Tx& tx) {
    tx.exec("UPDATE auth.entry_chain SET hash = ''");
    return absl::OkStatus();
  });
  EXPECT_EQ(Reason(status), "DATABASE_ERROR");
}

}  // namespace
}  // namespace gatehouse::pg::testing
