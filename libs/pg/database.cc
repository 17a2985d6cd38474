#include "libs/pg/database.h"

#include <algorithm>
#include <map>
#include <random>
#include <thread>

#include "libs/log/log.h"
#include "libs/metrics/metrics.h"
#include "libs/pg/connection.h"
#include "libs/pg/failure.h"
#include "libs/pg/probe.h"

namespace gatehouse::pg {
namespace {

constexpr int kAttemptsMax = 3;
constexpr std::chrono::milliseconds kLockTimeoutMax{3000};
constexpr std::chrono::seconds kIdleInTransactionTimeout{10};
constexpr std::chrono::minutes kAgeMax{30};
constexpr std::chrono::seconds kTrustedIdleTime{5};

SessionLimits LimitsOf(const Options& options) {
  return {.statement_timeout = options.statement_timeout,
          .lock_timeout = std::min(options.statement_timeout, kLockTimeoutMax),
          .idle_in_transaction_timeout = kIdleInTransactionTimeout};
}

// Spreads attempts that collided, so that they do not collide again.
void SleepBefore(int attempt) {
  thread_local std::minstd_rand random(std::random_device{}());
  const int micros_max = 4000 << attempt;
  std::this_thread::sleep_for(std::chrono::microseconds(500 + random() % micros_max));
}

// Whether a session that was idle for a while, or that spoke while idle, still answers.
bool StillAnswers(pqxx::connection& connection) {
  try {
    pqxx::nontransaction(connection).exec("SELECT 1");
    return true;
  } catch (const std::exception&) {
    return false;
  }
}

// Calls `fn` in BEGIN…COMMIT, or rolls back when it returns false.
void RunTransaction(pqxx::connection& connection, const std::function<bool(Tx&)>& fn) {
  pqxx::transaction<pqxx::read_committed> tx(connection);
  if (!fn(tx)) {
    tx.abort();
    return;
  }
  // A session that ended under `fn` is noticed here, where it is still certain
  // that nothing was committed and all can be run again.
  if (SpokeUnasked(connection)) tx.exec("SELECT 1");
  tx.commit();
}

}  // namespace

struct Database::Metrics {
  metrics::Gauge& in_use = metrics::GetGauge("gatehouse_pg_connections_in_use",
                                             "Database connections that work is using now.");
  std::map<FailureKind, metrics::Counter*> errors;

  Metrics() {
    for (const FailureKind kind :
         {FailureKind::kUnavailable, FailureKind::kConflict, FailureKind::kBusy,
          FailureKind::kTimeout, FailureKind::kInDoubt, FailureKind::kError}) {
      errors[kind] = &metrics::GetCounter(
          "gatehouse_pg_errors_total", "Failed attempts to use the database, also repeated ones.",
          {{"reason", ReasonOf(kind)}});
    }
  }
};

// The right to use one connection. Declare it before the transaction object: else
// another thread could get the connection while the transaction still ends on it.
class Database::Lease {
 public:
  explicit Lease(Database& db) : db_(db) {}
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;
  ~Lease();

  // False when no slot became free in time. Throws when connecting fails.
  bool Acquire();
  pqxx::connection& connection() { return *connection_.handle; }
  void Discard() { connection_.handle.reset(); }

 private:
  bool Usable();

  Database& db_;
  bool has_slot_ = false;
  Connection connection_;
};

bool Database::Lease::Acquire() {
  std::unique_lock lock(db_.mutex_);
  const bool free = db_.slot_freed_.wait_for(lock, db_.options_.acquire_timeout,
                                             [this] { return db_.free_slots_ > 0; });
  if (!free) return false;
  --db_.free_slots_;
  has_slot_ = true;
  db_.metrics_->in_use.Add(1);
  while (!db_.idle_.empty()) {
    connection_ = std::move(db_.idle_.back());
    db_.idle_.pop_back();
    lock.unlock();
    if (Usable()) return true;
    Discard();
    lock.lock();
  }
  lock.unlock();
  if (!db_.connection_string_.ok()) throw pqxx::broken_connection("the database URL is not valid");
  connection_.handle = std::make_unique<Session>(*db_.connection_string_);
  connection_.born = std::chrono::steady_clock::now();
  return true;
}

bool Database::Lease::Usable() {
  const SteadyTime now = std::chrono::steady_clock::now();
  if (!connection().is_open() || now - connection_.born > kAgeMax) return false;
  if (now - connection_.used < kTrustedIdleTime && !SpokeUnasked(connection())) return true;
  return StillAnswers(connection());
}

Database::Lease::~Lease() {
  if (!has_slot_) return;
  const bool keep = connection_.handle != nullptr && connection().is_open();
  connection_.used = std::chrono::steady_clock::now();
  if (!keep) Discard();
  db_.metrics_->in_use.Add(-1);
  std::lock_guard lock(db_.mutex_);
  if (keep) db_.idle_.push_back(std::move(connection_));
  ++db_.free_slots_;
  // Under the lock: a waiter may destroy the database as soon as it has its turn.
  db_.slot_freed_.notify_one();
}

Database::Database(Options options)
    : options_(std::move(options)),
      connection_string_(ConnectionString(options_.url, LimitsOf(options_))),
      metrics_(std::make_unique<Metrics>()),
      probe_(std::make_unique<Probe>(connection_string_.ok() ? *connection_string_ : "",
                                     options_.probe_table)),
      free_slots_(options_.connections_max) {
  if (!connection_string_.ok()) log::Error("the database URL is not valid");
}

Database::~Database() = default;

std::optional<Failure> Database::Attempt(Mode mode, const std::function<bool(Tx&)>& fn) {
  Lease lease(*this);
  bool committing = false;
  try {
    if (!lease.Acquire()) return Failure{FailureKind::kBusy, "the pool is exhausted"};
    if (mode == Mode::kTransaction) {
      RunTransaction(lease.connection(), fn);
    } else {
      committing = mode == Mode::kStatement;
      pqxx::nontransaction tx(lease.connection());
      fn(tx);
    }
    return std::nullopt;
  } catch (const std::exception& error) {
    Failure failure = Classify(error);
    // A server that refused did answer; one that is gone may have stored it before.
    if (failure.kind == FailureKind::kUnavailable && committing && !lease.connection().is_open()) {
      failure.kind = FailureKind::kInDoubt;
    }
    if (failure.kind == FailureKind::kUnavailable || failure.kind == FailureKind::kInDoubt) {
      lease.Discard();
    }
    return failure;
  }
}

absl::Status Database::Run(Mode mode, const std::function<bool(Tx&)>& fn) {
  for (int attempt = 1;; ++attempt) {
    const std::optional<Failure> failure = Attempt(mode, fn);
    if (!failure.has_value()) return absl::OkStatus();
    metrics_->errors.at(failure->kind)->Increment();
    const bool again = attempt < kAttemptsMax && (failure->kind == FailureKind::kUnavailable ||
                                                  failure->kind == FailureKind::kConflict);
    log::Write(again ? log::Level::kInfo : log::Level::kError, "database attempt failed",
               {{"reason", ReasonOf(failure->kind)},
                {"text", failure->text},
                {"attempt", attempt},
                {"again", again}});
    if (!again) return ToStatus(failure->kind);
    SleepBefore(attempt);
  }
}

absl::Status Database::Ping() {
  if (!connection_string_.ok()) return ToStatus(FailureKind::kUnavailable);
  return probe_->Ask(std::chrono::seconds(1));
}

bool InDoubt(const absl::Status& status) { return Reason(status) == "COMMIT_IN_DOUBT"; }

bool IsDatabaseFailure(const absl::Status& status) {
  return InDoubt(status) || Reason(status).rfind("DATABASE_", 0) == 0;
}

}  // namespace gatehouse::pg
