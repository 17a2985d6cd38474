// Access to one PostgreSQL database: a bounded pool and transactions that return
// absl::Status. The only place where pqxx's exceptions are caught. Not an ORM.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <pqxx/pqxx>
#include <string>
#include <utility>
#include <vector>

#include "libs/base/clock.h"
#include "libs/status/status.h"

namespace gatehouse::pg {

class Probe;
class Session;
struct Failure;

// What statements run in. Tx: BEGIN…COMMIT. Statement: one statement, on its
// own (2.4 times as fast as a transaction around it).
using Tx = pqxx::transaction_base;

struct Options {
  std::string url{};  // postgresql://… or key=value; secret
  int connections_max = 8;
  std::chrono::milliseconds acquire_timeout{2000};
  std::chrono::milliseconds statement_timeout{5000};
  std::string probe_table{};  // "schema.table" that Ping writes; see probe.h. Empty: none.
};

// Reasons of the errors that come from here, beside those of the callback:
// DATABASE_UNAVAILABLE (UNAVAILABLE), DATABASE_CONFLICT (ABORTED, after 3
// attempts), DATABASE_BUSY (RESOURCE_EXHAUSTED, no connection in time),
// DATABASE_TIMEOUT (DEADLINE_EXCEEDED: a statement or a lock took too long; nothing
// was stored), COMMIT_IN_DOUBT (UNKNOWN: it may have happened; ask by the idempotency
// key, never repeat blindly), DATABASE_ERROR (INTERNAL; the text is in the log).
// Thread-safe.
class Database {
 public:
  explicit Database(Options options);
  ~Database();

  // Runs `fn(Tx&)` in one READ COMMITTED transaction; commits when it returns
  // OK, rolls back otherwise. On a serialization failure, deadlock, or a
  // connection that was dead before COMMIT, runs `fn` again, so `fn` must have
  // no effect outside the transaction. `fn` returns absl::Status or StatusOr<T>.
  template <typename Fn>
  auto InTransaction(Fn&& fn) -> std::invoke_result_t<Fn&, Tx&> {
    return RunTyped(Mode::kTransaction, fn);
  }

  // The same for `fn` that executes exactly one statement. A connection that is
  // lost under the statement leaves it in doubt, for it commits itself.
  template <typename Fn>
  auto Statement(Fn&& fn) -> std::invoke_result_t<Fn&, Tx&> {
    return RunTyped(Mode::kStatement, fn);
  }

  // The same for statements that change nothing: never in doubt, run again after a
  // connection was lost at any point. Several statements see several snapshots.
  template <typename Fn>
  auto Read(Fn&& fn) -> std::invoke_result_t<Fn&, Tx&> {
    return RunTyped(Mode::kRead, fn);
  }

  // OK when the database answers on a connection outside the pool, and writes the
  // row of `probe_table`, within one second, also when it hangs. Else UNAVAILABLE /
  // DATABASE_UNAVAILABLE or DATABASE_READ_ONLY. One at a time.
  absl::Status Ping();

  const Options& options() const { return options_; }

 private:
  class Lease;
  struct Metrics;
  enum class Mode { kTransaction, kStatement, kRead };
  struct Connection {
    std::unique_ptr<Session> handle;
    SteadyTime born;
    SteadyTime used;
  };

  template <typename Fn>
  auto RunTyped(Mode mode, Fn& fn) -> std::invoke_result_t<Fn&, Tx&> {
    using Result = std::invoke_result_t<Fn&, Tx&>;
    Result result = absl::UnknownError("transaction did not run");
    absl::Status status = Run(mode, [&](Tx& tx) {
      result = fn(tx);
      return result.ok();
    });
    if (!status.ok()) return status;
    return result;
  }
  absl::Status Run(Mode mode, const std::function<bool(Tx&)>& fn);
  std::optional<Failure> Attempt(Mode mode, const std::function<bool(Tx&)>& fn);

  const Options options_;
  const absl::StatusOr<std::string> connection_string_;
  const std::unique_ptr<Metrics> metrics_;
  const std::unique_ptr<Probe> probe_;
  std::mutex mutex_;
  std::condition_variable slot_freed_;
  int free_slots_;                // guarded by mutex_
  std::vector<Connection> idle_;  // guarded by mutex_; last in, first out
};

// Whether the reason is COMMIT_IN_DOUBT.
bool InDoubt(const absl::Status& status);
template <typename T>
bool InDoubt(const absl::StatusOr<T>& result) {
  return InDoubt(result.status());
}

// Whether the status comes from here rather than from the callback: nothing was decided.
bool IsDatabaseFailure(const absl::Status& status);
template <typename T>
bool IsDatabaseFailure(const absl::StatusOr<T>& result) {
  return IsDatabaseFailure(result.status());
}

// Calls `call` again, once, when its first outcome is COMMIT_IN_DOUBT. Only for a
// call that first looks its idempotency key up, or that may simply happen twice. While
// the database cannot be asked, the outcome stays in doubt.
template <typename Call>
auto RepeatInDoubt(Call&& call) -> std::invoke_result_t<Call&> {
  auto result = call();
  if (!InDoubt(result)) return result;
  auto again = call();
  return IsDatabaseFailure(again) ? std::move(result) : std::move(again);
}

// SQL NULL as std::nullopt. (pqxx 6.4's field::get<> breaks on NULL strings.)
template <typename T>
std::optional<T> Optional(const pqxx::field& field) {
  if (field.is_null()) return std::nullopt;
  return field.as<T>();
}

// timestamptz crosses as whole microseconds. To select column t: MicrosOf("t"), a
// bigint (gatehouse::FromMicros); to pass one: to_timestamp($n::bigint / 1000000.0).
std::string MicrosOf(const std::string& column);

// Executes `sql`, prepared once per connection: to plan a join costs more than to run
// it. For constant texts on hot paths.
std::string PreparedName(Tx& tx, const std::string& sql);
template <typename... Args>
pqxx::result ExecPrepared(Tx& tx, const std::string& sql, const Args&... args) {
  return tx.exec_prepared(PreparedName(tx, sql), args...);
}

// bytea both ways.
std::string Bytes(const pqxx::field& field);
pqxx::binarystring ToBytea(const std::string& bytes);

// '{…}' literals for array parameters, to be cast: $1::text[], $1::bigint[].
std::string TextArray(const std::vector<std::string>& values);
std::string BigintArray(const std::vector<std::int64_t>& values);

// The elements of a text[] column; of NULL, none.
std::vector<std::string> Texts(const pqxx::field& field);

}  // namespace gatehouse::pg
