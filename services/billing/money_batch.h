// Gathers calls on holds and has them done together: a call waits until the batch
// before it has been committed, and is answered when its own has been. Not what a batch
// does (batch_runner.h) nor what it decides (batch_plan.h).
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "libs/pg/database.h"
#include "services/billing/batch_runner.h"
#include "services/billing/price_book.h"

namespace gatehouse::billing {

// Two lanes, a thread and a connection each. The prompt lane never waits for an account;
// calls on accounts that others work on, or that have no row yet, go to the patient lane,
// which waits for one account at a time and holds none meanwhile. So a tenant that is
// stuck delays no other that is known. A third thread tells the answers while the next
// batch is under way. Thread-safe.
class MoneyBatch {
 public:
  struct Options {
    std::size_t orders_max = 500;  // In one batch.
    std::size_t queue_max = 4096;  // Waiting for one.
  };
  MoneyBatch(pg::Database& db, PriceBooks& books, Options options);
  MoneyBatch(pg::Database& db, PriceBooks& books) : MoneyBatch(db, books, Options()) {}
  // Does what is queued first.
  ~MoneyBatch();

  // Calls task.done once: from another thread, with what came of it; or at once with
  // RESOURCE_EXHAUSTED / OVERLOADED when too many wait. `done` must not block.
  void Submit(Task task);

 private:
  // What waits for a thread, and the thread.
  template <typename Item>
  struct Lane {
    std::condition_variable ready;
    std::deque<Item> queue;  // guarded by mutex_
    bool stopping = false;   // guarded by mutex_
    std::thread thread;
  };

  void Tell(std::vector<Told> told);
  void RunAnswers();
  void RunPrompt();
  void RunPatient();
  // Waits until there are items; false when the lane is to end.
  template <typename Item>
  bool Await(Lane<Item>* lane);
  // At most `limit` of the items that are there.
  template <typename Item>
  std::vector<Item> Take(Lane<Item>* lane, std::size_t limit);
  // The same of tasks; tells the callers of overdue reservations so.
  std::vector<Task> TakeTasks(Lane<Task>* lane);
  // Puts tasks back in front, so that those that waited longest are next.
  void PutBack(std::vector<Task> tasks, Lane<Task>* lane);
  template <typename Item>
  void Put(std::vector<Item> items, Lane<Item>* lane);
  template <typename Item>
  void Start(Lane<Item>* lane, const char* name, void (MoneyBatch::*run)());
  template <typename Item>
  void Stop(Lane<Item>* lane);

  const Options options_;
  BatchRunner runner_;
  FairMutex turn_;  // See Turn. Taken before mutex_.
  std::mutex mutex_;
  Lane<Task> prompt_;
  Lane<Task> patient_;
  Lane<Told> answers_;
};

}  // namespace gatehouse::billing
