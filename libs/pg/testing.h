// PostgreSQL for tests: one private cluster per test program (unix socket in a
// short directory of its own, fsync off unless asked), the suite's roles with
// SCRAM passwords, and a fresh database per test from a migrated template. Never
// used by a service.
#pragma once

#include <sys/types.h>

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "libs/pg/database.h"
#include "libs/pg/migrate.h"

typedef struct pg_conn PGconn;

namespace gatehouse::pg::testing {

// Starts the cluster at the first use and stops it when the program ends, also
// when the program is killed. Works as root (drops to `postgres`) and as an
// ordinary user.
class Cluster {
 public:
  static Cluster& Get();

  // URL of `database` for a role ("gatehouse_auth", "gatehouse_auth_owner") or,
  // for "", the superuser.
  std::string Url(const std::string& database, const std::string& role) const;

  // Runs SQL as the superuser. Aborts the test on an error.
  void Execute(const std::string& database, const std::string& sql);

  // kill -9 of the whole server and start again (for fault tests). CrashAndStayDown
  // leaves it down until Restart. Keeps what was committed.
  void Crash();
  void CrashAndStayDown();
  void Restart();

  // The name of a database with the suite's roles and these migrations, to be used
  // as a template. Made at the first use, nobody may connect to it.
  std::string Template(const std::string& schema, const std::vector<Migration>& migrations);

  // Runs deploy/postgres/roles.sql in `database`.
  void PrepareRoles(const std::string& database);

  // Where the sockets are, and the server's process.
  const std::string& directory() const { return directory_; }
  pid_t postmaster() const { return postmaster_; }

 private:
  Cluster();
  ~Cluster();
  void StartKeeper();
  void Initialize();
  bool TryStart();
  std::unique_ptr<PGconn, void (*)(PGconn*)> Connect(const std::string& database) const;
  std::string Password(const std::string& role) const;

  const std::string secret_;  // Makes every role's password.
  std::string directory_;
  std::vector<std::string> as_server_;  // The command that steps down from root.
  std::string binaries_;
  int keeper_ = -1;  // A pipe: its end tells the keeper to clean up.
  pid_t keeper_pid_ = -1;
  pid_t postmaster_ = -1;
  std::mutex mutex_;
  std::map<std::string, std::string> templates_;  // guarded by mutex_
  std::mutex admin_mutex_;
  std::unique_ptr<PGconn, void (*)(PGconn*)> admin_;  // guarded by admin_mutex_
};

// A database of its own, migrated, dropped at the end.
class TestDatabase {
 public:
  TestDatabase(const std::string& schema, const std::vector<Migration>& migrations);
  ~TestDatabase();
  TestDatabase(const TestDatabase&) = delete;
  TestDatabase& operator=(const TestDatabase&) = delete;

  // As the service's runtime role.
  Database& db() { return *db_; }
  std::string Url(const std::string& role) const;
  const std::string& name() const { return name_; }

 private:
  std::string name_;
  std::unique_ptr<Database> db_;
};

}  // namespace gatehouse::pg::testing
