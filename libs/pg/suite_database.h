// A fixture with one migrated database for all tests of its suite: quicker than one
// each. A fixture of tables empties them in its constructor. Only for libs/pg.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "libs/pg/test_sessions.h"
#include "libs/pg/testing.h"

namespace gatehouse::pg::testing {

inline const std::vector<Migration> kNoTables;

template <const std::vector<Migration>& kMigrations>
class SuiteDatabase : public ::testing::Test {
 public:
  static void SetUpTestSuite() { shared_ = std::make_unique<TestDatabase>("auth", kMigrations); }
  static void TearDownTestSuite() { shared_.reset(); }

 protected:
  // No session of an earlier test remains.
  SuiteDatabase() { sessions_.Terminate(); }

 private:
  inline static std::unique_ptr<TestDatabase> shared_;

 protected:
  TestDatabase& database_ = *shared_;
  Database& db_ = shared_->db();
  Sessions sessions_{*shared_};
};

}  // namespace gatehouse::pg::testing
