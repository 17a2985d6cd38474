#include "libs/pg/migrate.h"

#include <map>

#include "libs/base/secret.h"
#include "libs/log/log.h"
#include "libs/pg/connection.h"
#include "libs/pg/failure.h"

namespace gatehouse::pg {
namespace {

// A migration that waits for a busy table blocks everybody behind it: better fail.
constexpr char kSetLockTimeout[] = "SET lock_timeout = '10s'";

// Migrators wait for each other without a limit.
constexpr char kLock[] = R"(
SELECT pg_advisory_lock(hashtextextended($1, 0)))";

// Name and checksum of what the database has.
std::map<std::string, std::string> ReadApplied(pqxx::connection& connection,
                                               const std::string& table) {
  pqxx::work tx(connection);
  tx.exec("CREATE TABLE IF NOT EXISTS " + table +
          " (name text CONSTRAINT migrations_pkey PRIMARY KEY, checksum text NOT NULL,"
          " apply_time timestamptz NOT NULL DEFAULT now())");
  std::map<std::string, std::string> applied;
  for (const pqxx::row& row : tx.exec("SELECT name, checksum FROM " + table)) {
    applied[row[0].as<std::string>()] = row[1].as<std::string>();
  }
  tx.commit();
  return applied;
}

absl::Status CheckApplied(const std::string& schema,
                          const std::map<std::string, std::string>& applied,
                          const std::vector<Migration>& migrations) {
  std::map<std::string, std::string> unknown = applied;
  for (const Migration& migration : migrations) {
    const auto found = applied.find(migration.name);
    if (found != applied.end() && found->second != Sha256Hex(migration.sql)) {
      return Error(absl::StatusCode::kFailedPrecondition, "MIGRATION_CHANGED",
                   "migration " + migration.name + " of " + schema +
                       " was applied with another content; add a new migration instead");
    }
    unknown.erase(migration.name);
  }
  if (unknown.empty()) return absl::OkStatus();
  return Error(absl::StatusCode::kFailedPrecondition, "MIGRATION_UNKNOWN",
               "the database has migration " + unknown.begin()->first + " of " + schema +
                   ", which this program does not know");
}

void Apply(pqxx::connection& connection, const std::string& table, const Migration& migration) {
  pqxx::work tx(connection);
  tx.exec(migration.sql);
  tx.exec_params("INSERT INTO " + table + " (name, checksum) VALUES ($1, $2)", migration.name,
                 Sha256Hex(migration.sql));
  tx.commit();
}

absl::Status Failed(const std::string& what, const std::exception& error) {
  if (Classify(error).kind == FailureKind::kUnavailable) {
    log::Error("migrating lost the database", {{"text", error.what()}});
    return ToStatus(FailureKind::kUnavailable);
  }
  return Error(absl::StatusCode::kInternal, "MIGRATION_FAILED", what + ": " + error.what());
}

}  // namespace

absl::StatusOr<std::vector<std::string>> Migrate(const std::string& owner_url,
                                                 const std::string& schema,
                                                 const std::vector<Migration>& migrations) {
  GH_ASSIGN_OR_RETURN(const std::string connection_string,
                      ConnectionString(owner_url, SessionLimits{}));
  std::string what = "preparing schema " + schema;
  try {
    // The lock goes with the session, so also when this program dies.
    Session session(connection_string);
    session.set_verbosity(pqxx::connection_base::normal);
    pqxx::nontransaction(session).exec_params(kLock, schema + ".migrate");
    pqxx::nontransaction(session).exec(kSetLockTimeout);
    const std::string table = Identifier(schema) + ".migrations";
    const std::map<std::string, std::string> applied = ReadApplied(session, table);
    GH_RETURN_IF_ERROR(CheckApplied(schema, applied, migrations));
    std::vector<std::string> names;
    for (const Migration& migration : migrations) {
      if (applied.count(migration.name) != 0) continue;
      what = "migration " + migration.name;
      Apply(session, table, migration);
      names.push_back(migration.name);
    }
    return names;
  } catch (const std::exception& error) {
    return Failed(what, error);
  }
}

}  // namespace gatehouse::pg
