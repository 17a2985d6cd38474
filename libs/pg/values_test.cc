#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/base/time_text.h"
#include "libs/pg/database.h"
#include "libs/pg/suite_database.h"
#include "libs/pg/testing.h"

namespace gatehouse::pg::testing {
namespace {

class ValuesTest : public SuiteDatabase<kNoTables> {
 protected:
  template <typename... Args>
  pqxx::row Query(const std::string& sql, Args&&... args) {
    return pqxx::nontransaction(connection_).exec_params1(sql, std::forward<Args>(args)...);
  }

  pqxx::connection connection_{database_.Url("gatehouse_auth")};
};

TEST_F(ValuesTest, NullIsNoValue) {
  const pqxx::row row = Query("SELECT NULL::text, NULL::bigint, '', 0");
  EXPECT_EQ(Optional<std::string>(row[0]), std::nullopt);
  EXPECT_EQ(Optional<std::int64_t>(row[1]), std::nullopt);
  EXPECT_EQ(Optional<std::string>(row[2]), "");
  EXPECT_EQ(Optional<std::int64_t>(row[3]), 0);
}

TEST_F(ValuesTest, NoValueIsNull) {
  EXPECT_TRUE(Query("SELECT $1::text", std::optional<std::string>())[0].is_null());
  EXPECT_FALSE(Query("SELECT $1::text", std::optional<std::string>(""))[0].is_null());
}

TEST_F(ValuesTest, TimesCrossToTheMicrosecond) {
  for (const char* text : {"2026-11-21T10:00:00.123456Z", "1999-12-31T23:59:59.999999Z",
                           "2100-01-01T00:00:00.000001Z"}) {
    const std::int64_t micros = ToMicros(ParseTime(text).value());
    const pqxx::row row = Query(
        "SELECT " + MicrosOf("t") + " FROM (SELECT to_timestamp($1::bigint / 1000000.0) AS t) AS s",
        micros);
    EXPECT_EQ(row[0].as<std::int64_t>(), micros) << text;
  }
}

TEST_F(ValuesTest, BytesCrossUnchanged) {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  for (const std::string& bytes : {all, std::string(), std::string(1, '\0')}) {
    const pqxx::row row = Query("SELECT $1::bytea, length($1::bytea)", ToBytea(bytes));
    EXPECT_EQ(Bytes(row[0]), bytes);
    EXPECT_EQ(row[1].as<std::size_t>(), bytes.size());
  }
}

TEST_F(ValuesTest, ArraysKeepEveryValue) {
  const std::vector<std::string> texts = {"plain", "", "NULL", "a,b", "{}", "\"", "\\", " ü "};
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const pqxx::row row =
        Query("SELECT ($1::text[])[$2::int], cardinality($1::text[])", TextArray(texts), i + 1);
    EXPECT_EQ(row[0].as<std::string>(), texts[i]);
    EXPECT_EQ(row[1].as<std::size_t>(), texts.size());
  }
  EXPECT_EQ(Texts(Query("SELECT $1::text[]", TextArray(texts))[0]), texts);
  EXPECT_THAT(Texts(Query("SELECT '{}'::text[]")[0]), ::testing::IsEmpty());
  EXPECT_THAT(Texts(Query("SELECT NULL::text[]")[0]), ::testing::IsEmpty());
  EXPECT_EQ(Query("SELECT cardinality($1::text[])", TextArray({}))[0].as<int>(), 0);
  const std::string numbers = BigintArray({1, -2, INT64_MAX});
  EXPECT_EQ(Query("SELECT ($1::bigint[])[3]", numbers)[0].as<std::int64_t>(), INT64_MAX);
  EXPECT_EQ(Query("SELECT cardinality($1::bigint[])", BigintArray({}))[0].as<int>(), 0);
}

TEST_F(ValuesTest, AStatementIsPreparedOncePerConnection) {
  static constexpr char kAdd[] = "SELECT $1::bigint + $2::bigint";
  pqxx::nontransaction tx(connection_);
  for (int i = 0; i < 8; ++i) {  // After five times the server may keep one plan.
    EXPECT_EQ(ExecPrepared(tx, kAdd, std::int64_t{i}, std::int64_t{2})[0][0].as<int>(), i + 2);
  }
  EXPECT_EQ(ExecPrepared(tx, "SELECT $1::text", std::string("other"))[0][0].as<std::string>(),
            "other");
  const auto prepared = tx.exec1("SELECT count(*) FROM pg_prepared_statements");
  EXPECT_EQ(prepared[0].as<int>(), 2);
}

TEST_F(ValuesTest, PreparedStatementsWorkOnEveryConnectionOfAPool) {
  Database& db = database_.db();
  for (int i = 0; i < 20; ++i) {
    const auto value = db.InTransaction([&](Tx& tx) -> absl::StatusOr<int> {
      return ExecPrepared(tx, "SELECT $1::int", i)[0][0].as<int>();
    });
    ASSERT_TRUE(value.ok()) << value.status();
    EXPECT_EQ(*value, i);
  }
}

}  // namespace
}  // namespace gatehouse::pg::testing
