#include "libs/pg/connection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/pg/testing.h"

namespace gatehouse::pg::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(ConnectionString, ReadsBothFormsOfAUrl) {
  for (const char* url :
       {"postgresql://ada:se%27cr%5Cet@db.example:6543/gatehouse?sslmode=require",
        "user=ada password='se\\'cr\\\\et' host=db.example port=6543 dbname=gatehouse "
        "sslmode=require"}) {
    const std::string text = ConnectionString(url, {}).value();
    EXPECT_THAT(text, HasSubstr("user='ada'"));
    EXPECT_THAT(text, HasSubstr("password='se\\'cr\\\\et'"));
    EXPECT_THAT(text, HasSubstr("host='db.example'"));
    EXPECT_THAT(text, HasSubstr("port='6543'"));
    EXPECT_THAT(text, HasSubstr("dbname='gatehouse'"));
    EXPECT_THAT(text, HasSubstr("sslmode='require'"));
  }
}

TEST(ConnectionString, AppendsToTheOptionsOfTheUrl) {
  const std::string text = ConnectionString("postgresql:///x?options=-c%20work_mem%3D8MB",
                                            {.statement_timeout = std::chrono::milliseconds(70)})
                               .value();
  EXPECT_THAT(text, HasSubstr("options='-c work_mem=8MB -c timezone=UTC"));
  EXPECT_THAT(text, HasSubstr("-c statement_timeout=70 "));
}

TEST(ConnectionString, TheUrlOverrulesTheDefaults) {
  EXPECT_THAT(ConnectionString("connect_timeout=9", {}).value(), HasSubstr("connect_timeout='9'"));
  EXPECT_THAT(ConnectionString("", {}).value(), HasSubstr("connect_timeout='2'"));
}

TEST(ConnectionString, RefusesWithoutQuotingTheUrl) {
  for (const char* url : {"hunter2", "postgresql://ada:hunter2@[broken", "hunter2=1"}) {
    const auto outcome = ConnectionString(url, {});
    EXPECT_EQ(Reason(outcome.status()), "DATABASE_URL_INVALID") << url;
    EXPECT_THAT(outcome.status().ToString(), Not(HasSubstr("hunter2")));
  }
}

TEST(Connection, DoesNotComeBackByItself) {
  TestDatabase database("auth", {});
  const auto connection = Connect(database.Url("gatehouse_auth"), {});
  EXPECT_FALSE(SpokeUnasked(*connection));
  connection->disconnect();
  EXPECT_THROW(pqxx::nontransaction(*connection).exec("SELECT 1"), pqxx::broken_connection);
}

TEST(Connection, TextOfAnErrorHasNoValuesOfTheRow) {
  TestDatabase database("auth", {{"0001_create_names",
                                  "CREATE TABLE auth.names (name text UNIQUE);"
                                  "GRANT INSERT ON auth.names TO gatehouse_auth"}});
  const auto connection = Connect(database.Url("gatehouse_auth"), {});
  pqxx::nontransaction tx(*connection);
  try {
    tx.exec_params("INSERT INTO auth.names VALUES ($1), ($1)", "hunter2");
    FAIL() << "a name twice";
  } catch (const pqxx::unique_violation& error) {
    EXPECT_THAT(error.what(), Not(HasSubstr("hunter2")));
  }
}

TEST(Identifier, QuotesQuotes) {
  EXPECT_EQ(Identifier("auth"), "\"auth\"");
  EXPECT_EQ(Identifier("a\"b"), "\"a\"\"b\"");
}

}  // namespace
}  // namespace gatehouse::pg::testing
