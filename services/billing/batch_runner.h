// Runs the calls of a batch in one transaction and answers each when that has been
// committed. A call that makes the transaction fail hurts no other: the batch is run in
// halves. Not the queue (money_batch.h).
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <vector>

#include "libs/metrics/metrics.h"
#include "libs/pg/database.h"
#include "services/billing/batch_plan.h"
#include "services/billing/price_book.h"

namespace gatehouse::billing {

// A call and whom to tell.
struct Task {
  Order order;
  std::function<void(const absl::StatusOr<Answer>&)> done;
  std::int64_t tenant_id = 0;  // Whose account it waits for; 0 while it has not been busy.
  // When the caller stops waiting. A reservation that is not begun by then is not made:
  // nobody would use it.
  SteadyTime deadline = SteadyTime::max();
};

// A task with what it is to be told.
struct Told {
  std::function<void(const absl::StatusOr<Answer>&)> done;
  absl::StatusOr<Answer> answer;
};

// A lock that is given in the order of asking: who works without a pause must not keep
// the others out.
class FairMutex {
 public:
  void lock();
  void unlock();

 private:
  std::mutex mutex_;
  std::condition_variable next_;
  std::uint64_t asked_ = 0;   // guarded by mutex_
  std::uint64_t served_ = 0;  // guarded by mutex_
};

// The right to work on accounts. Batches of one process take turns, so that they do not
// meet each other's locks.
using Turn = std::unique_lock<FairMutex>;

// Thread-safe.
class BatchRunner {
 public:
  // `tell` gets the answers of each transaction. All must outlive this.
  BatchRunner(pg::Database& db, PriceBooks& books, std::function<void(std::vector<Told>)> tell);

  // Answers `tasks`, except those whose account is busy or has no row: these come back,
  // with its tenant. Waits for the account of `awaited_tenant_id` only, when not 0, and
  // gives `turn` up meanwhile; the tasks must then have been busy before, and at least
  // its own are answered.
  std::vector<Task> Run(std::vector<Task> tasks, std::int64_t awaited_tenant_id, Turn* turn);

 private:
  using Answers = std::vector<std::optional<absl::StatusOr<Answer>>>;

  // What the parts of a run have in common.
  struct Batch {
    std::vector<Task> tasks;
    const std::int64_t awaited_tenant_id;
    Turn& turn;
  };

  // The answers of one committed transaction; nullopt for a busy task.
  absl::StatusOr<Answers> Transact(Batch& batch);
  absl::Status Work(pg::Tx& tx, Batch& batch, Answers* answers);
  void TellAll(std::vector<Task> tasks, const absl::Status& status);
  // Tells those that wait for the batch's account, and returns the others.
  std::vector<Task> TellThoseOfAwaited(Batch batch, const absl::Status& status);
  std::vector<Task> RunHalves(Batch batch);

  pg::Database& db_;
  PriceBooks& books_;
  const std::function<void(std::vector<Told>)> tell_;
  metrics::Histogram& orders_;
  metrics::Histogram& seconds_;
};

}  // namespace gatehouse::billing
