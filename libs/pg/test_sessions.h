// The server's sessions as tests of libs/pg see and end them. Not for services.
#pragma once

#include <string>

#include "libs/pg/eventually.h"
#include "libs/pg/testing.h"

namespace gatehouse::pg::testing {

// A superuser's view of one test database.
class Sessions {
 public:
  explicit Sessions(const TestDatabase& database)
      : connection_(database.Url("")), name_(database.name()) {}

  // One value, by a query about this database only.
  std::string Value(const std::string& sql) {
    return pqxx::nontransaction(connection_).exec1(sql)[0].c_str();
  }

  void Run(const std::string& sql) { pqxx::nontransaction(connection_).exec(sql); }

  // How many client sessions match `condition` (on pg_stat_activity), but for this one.
  int Count(const std::string& condition = "true") {
    return std::stoi(Value("SELECT count(*) FROM pg_stat_activity WHERE " + Mine(condition)));
  }

  // Ends the sessions that match and waits until they are gone; returns how many.
  int Terminate(const std::string& condition = "true") {
    const int count = std::stoi(Value(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE " + Mine(condition)));
    Eventually([&] { return Count(condition) == 0; });
    return count;
  }

 private:
  std::string Mine(const std::string& condition) const {
    return "datname = '" + name_ + "' AND pid <> pg_backend_pid() AND " + condition;
  }

  pqxx::connection connection_;
  const std::string name_;
};

}  // namespace gatehouse::pg::testing
