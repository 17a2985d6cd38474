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

// The prompt lane never waits for an account. It has two threads, with a connection
// each, that take turns: while the commit of one is written to disk the other one gathers
// and does the next batch, unless that would want the same accounts. Calls on accounts
// that others work on go to the patient lane, which waits for one account at a time and
// holds none meanwhile. So a tenant that is stuck delays no other. One more thread tells
// the answers. Thread-safe.
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
  // What waits for some threads, and these.
  template <typename Item>
  struct Lane {
    std::condition_variable ready;
    std::deque<Item> queue;  // guarded by mutex_
    bool stopping = false;   // guarded by mutex_
    std::vector<std::thread> threads;
  };

  void Tell(std::vector<Told> told);
  void RunAnswers();
  void RunPrompt();
  void RunPatient();
  // Where busy tasks of a prompt batch go: once more to the head of the queue, when it may
  // have been a batch of this process that they met, else to the patient lane.
  void PutBack(std::vector<Task> busy, std::size_t batch_size, bool overlapped);
  // Waits for items and takes at most `limit`; none when the lane is to end.
  template <typename Item>
  std::vector<Item> Take(Lane<Item>* lane, std::size_t limit);
  template <typename Item>
  void Put(std::vector<Item> items, Lane<Item>* lane);
  template <typename Item>
  void Start(Lane<Item>* lane, const char* name, void (MoneyBatch::*run)());
  template <typename Item>
  void Stop(Lane<Item>* lane);

  const Options options_;
  BatchRunner runner_;
  std::mutex turn_;  // See Turn. Taken before mutex_.
  std::mutex mutex_;
  std::condition_variable committed_;
  int running_ = 0;  // guarded by mutex_; prompt batches, of which all but one commit
  int apart_ = 0;    // guarded by mutex_; batches to come that wait for all commits
  Lane<Task> prompt_;
  Lane<Task> patient_;
  Lane<Told> answers_;
};

}  // namespace gatehouse::billing
