#include "services/auth/janitor.h"

#include "libs/log/log.h"

namespace gatehouse::auth {
namespace {

constexpr std::chrono::minutes kPause{1};

// What goes from a table, $1 rows at a time. Rows that somebody holds are left for
// the next round.
struct Rule {
  const char* table;
  const char* sql;
};

constexpr Rule kRules[] = {
    {"credentials", R"(
  DELETE FROM auth.credentials WHERE id IN (
    SELECT id FROM auth.credentials
    WHERE (revoke_time IS NOT NULL OR expire_time IS NOT NULL)
      AND coalesce(revoke_time, expire_time) < now() - interval '30 days'
    ORDER BY coalesce(revoke_time, expire_time) LIMIT $1 FOR UPDATE SKIP LOCKED))"},
    // A day old failures count no more; a network is known for 90 days.
    {"login_attempts", R"(
  DELETE FROM auth.login_attempts WHERE (account, network) IN (
    SELECT account, network FROM auth.login_attempts
    WHERE attempt_time < now() - interval '25 hours'
      AND (success_time IS NULL
           OR greatest(success_time, attempt_time) < now() - interval '90 days')
    ORDER BY attempt_time LIMIT $1 FOR UPDATE SKIP LOCKED))"},
    {"password_resets", R"(
  DELETE FROM auth.password_resets WHERE id IN (
    SELECT id FROM auth.password_resets WHERE expire_time < now() - interval '1 day'
    ORDER BY expire_time LIMIT $1 FOR UPDATE SKIP LOCKED))"},
    // Snapshots go back 25 hours. The newest row stays, so that the log still shows how
    // far the counter had come.
    {"control_log", R"(
  DELETE FROM auth.control_log WHERE sequence IN (
    SELECT sequence FROM auth.control_log
    WHERE create_time < now() - interval '26 hours'
      AND sequence < (SELECT max(sequence) FROM auth.control_log)
    ORDER BY create_time LIMIT $1))"},
    // Nothing that such a key has signed is good any more.
    {"signing_keys", R"(
  DELETE FROM auth.signing_keys WHERE kid IN (
    SELECT kid FROM auth.signing_keys WHERE retire_time < now() - interval '1 day'
    ORDER BY retire_time LIMIT $1 FOR UPDATE SKIP LOCKED))"},
};

absl::StatusOr<int> DeleteBatch(pg::Database& db, const Rule& rule, int batch) {
  return db.Statement([&](pg::Tx& tx) -> absl::StatusOr<int> {
    return static_cast<int>(tx.exec_params(rule.sql, batch).affected_rows());
  });
}

}  // namespace

absl::StatusOr<std::map<std::string, int>> Clean(pg::Database& db, const CleanOptions& options) {
  std::map<std::string, int> deleted;
  for (const Rule& rule : kRules) {
    for (int i = 0; i < options.batches_max; ++i) {
      if (options.stopping != nullptr && *options.stopping) return deleted;
      GH_ASSIGN_OR_RETURN(const int rows, DeleteBatch(db, rule, options.batch));
      if (rows > 0) deleted[rule.table] += rows;
      if (rows < options.batch) break;
    }
  }
  return deleted;
}

Janitor::Janitor(pg::Database& db) : db_(db), ticker_("janitor", [this] { return Step(); }) {}

Janitor::~Janitor() { stopping_ = true; }

std::chrono::milliseconds Janitor::Step() {
  CleanOptions options;
  options.stopping = &stopping_;
  const auto deleted = Clean(db_, options);
  if (!deleted.ok()) {
    log::Warning("what has ended could not be deleted", {{"reason", Reason(deleted.status())}});
    return kPause;
  }
  for (const auto& [table, rows] : *deleted) {
    log::Info("deleted what had ended", {{"table", table}, {"rows", rows}});
  }
  return kPause;
}

}  // namespace gatehouse::auth
