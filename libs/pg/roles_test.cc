#include <gtest/gtest.h>

#include "libs/pg/suite_database.h"
#include "libs/pg/testing.h"

// What deploy/postgres/roles.sql promises, asked of a real server.
namespace gatehouse::pg::testing {
namespace {

const char* const kServices[] = {"auth", "invitations", "billing", "jobs", "orchestrator_monitor"};

// A table of every service, open to its own runtime role.
class RolesTest : public SuiteDatabase<kNoTables> {
 protected:
  RolesTest() {
    for (const std::string service : kServices) {
      const auto applied =
          Migrate(database_.Url("gatehouse_" + service + "_owner"), service,
                  {{"0001_create_secrets", "CREATE TABLE " + service + ".secrets (text text);" +
                                               "GRANT SELECT, INSERT ON " + service +
                                               ".secrets TO gatehouse_" + service}});
      EXPECT_TRUE(applied.ok()) << applied.status();
    }
  }

  // "done", "denied" or the text of another error.
  std::string Try(const std::string& role, const std::string& sql) {
    pqxx::connection connection(database_.Url(role));
    try {
      pqxx::nontransaction(connection).exec(sql);
      return "done";
    } catch (const pqxx::insufficient_privilege&) {
      return "denied";
    } catch (const pqxx::sql_error& error) {
      return error.what();
    }
  }
};

TEST_F(RolesTest, RuntimeRoleReadsAndWritesItsOwnSchema) {
  for (const std::string service : kServices) {
    EXPECT_EQ(Try("gatehouse_" + service, "INSERT INTO " + service + ".secrets VALUES ('x')"),
              "done");
    EXPECT_EQ(Try("gatehouse_" + service, "SELECT text FROM secrets"), "done") << "its search_path";
  }
}

TEST_F(RolesTest, NoRoleReadsAnothersSchema) {
  for (const std::string reader : kServices) {
    for (const std::string owner : kServices) {
      if (reader == owner) continue;
      const std::string select = "SELECT text FROM " + owner + ".secrets";
      EXPECT_EQ(Try("gatehouse_" + reader, select), "denied") << reader << " reads " << owner;
      EXPECT_EQ(Try("gatehouse_" + reader + "_owner", select), "denied");
    }
  }
}

TEST_F(RolesTest, RuntimeRoleHasOnlyTheRightsThatAMigrationGave) {
  EXPECT_EQ(Try("gatehouse_auth", "UPDATE auth.secrets SET text = 'y'"), "denied");
  EXPECT_EQ(Try("gatehouse_auth", "DELETE FROM auth.secrets"), "denied");
  EXPECT_EQ(Try("gatehouse_auth", "TRUNCATE auth.secrets"), "denied");
  EXPECT_EQ(Try("gatehouse_auth", "SELECT name FROM auth.migrations"), "denied");
}

TEST_F(RolesTest, RuntimeRoleCreatesNothing) {
  EXPECT_EQ(Try("gatehouse_auth", "CREATE TABLE auth.own (text text)"), "denied");
  EXPECT_EQ(Try("gatehouse_auth", "CREATE TABLE public.own (text text)"), "denied");
  EXPECT_EQ(Try("gatehouse_auth", "CREATE TEMPORARY TABLE own (text text)"), "denied");
  EXPECT_EQ(Try("gatehouse_auth", "CREATE SCHEMA own"), "denied");
  EXPECT_EQ(Try("gatehouse_auth", "CREATE DATABASE own"), "denied");
  EXPECT_EQ(Try("gatehouse_auth", "CREATE ROLE own"), "denied");
}

TEST_F(RolesTest, OwnerCreatesInItsSchemaOnly) {
  EXPECT_EQ(Try("gatehouse_auth_owner", "CREATE TABLE auth.own (text text)"), "done");
  EXPECT_EQ(Try("gatehouse_auth_owner", "CREATE TABLE billing.own (text text)"), "denied");
  EXPECT_EQ(Try("gatehouse_auth_owner", "CREATE TABLE public.own (text text)"), "denied");
}

TEST_F(RolesTest, NobodyBecomesAnotherRole) {
  EXPECT_EQ(Try("gatehouse_auth", "SET ROLE gatehouse_auth_owner"), "denied");
  EXPECT_EQ(Try("gatehouse_auth", "SET ROLE gatehouse_billing"), "denied");
  EXPECT_EQ(Try("gatehouse_auth", "ALTER ROLE gatehouse_auth SUPERUSER"), "denied");
}

TEST_F(RolesTest, RunningTheFileAgainChangesNothing) {
  ASSERT_EQ(Try("gatehouse_auth", "INSERT INTO auth.secrets VALUES ('kept')"), "done");
  Cluster::Get().PrepareRoles(database_.name());
  EXPECT_EQ(Try("gatehouse_auth", "SELECT text FROM auth.secrets"), "done");
  EXPECT_EQ(Try("gatehouse_billing", "SELECT text FROM auth.secrets"), "denied");
  EXPECT_EQ(sessions_.Value("SELECT count(*) > 0 FROM auth.secrets WHERE text = 'kept'"), "t");
}

TEST_F(RolesTest, PasswordsAreStoredAsScramVerifiers) {
  pqxx::connection connection(database_.Url(""));
  const pqxx::row row = pqxx::nontransaction(connection)
                            .exec1(
                                "SELECT count(*), count(*) FILTER (WHERE rolpassword LIKE "
                                "'SCRAM-SHA-256$%') FROM pg_authid"
                                " WHERE rolname LIKE 'gatehouse\\_%'");
  EXPECT_EQ(row[0].as<int>(), 10);
  EXPECT_EQ(row[1].as<int>(), 10);
}

TEST_F(RolesTest, ParametersStayOutOfTheServersLog) {
  pqxx::connection connection(database_.Url("gatehouse_auth"));
  pqxx::nontransaction tx(connection);
  EXPECT_STREQ(tx.exec1("SHOW log_parameter_max_length")[0].c_str(), "0");
  EXPECT_STREQ(tx.exec1("SHOW log_parameter_max_length_on_error")[0].c_str(), "0");
}

}  // namespace
}  // namespace gatehouse::pg::testing
