#include "services/billing/money_batch.h"

#include <pthread.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <iterator>
#include <utility>
#include <variant>

namespace gatehouse::billing {
namespace {

constexpr long kOverloadRetryMillis = 1000;

absl::Status Overloaded() {
  return WithRetryDelay(
      Error(absl::StatusCode::kResourceExhausted, "OVERLOADED", "too many calls are waiting"),
      kOverloadRetryMillis);
}

absl::Status Overdue() {
  return Error(absl::StatusCode::kDeadlineExceeded, "EXPIRED_IN_QUEUE",
               "the deadline passed before the reservation was made");
}

}  // namespace

MoneyBatch::MoneyBatch(pg::Database& db, PriceBooks& books, Options options)
    : options_(options),
      runner_(db, books, [this](std::vector<Told> told) { Tell(std::move(told)); }) {
  Start(&answers_, "money-answers", &MoneyBatch::RunAnswers);
  Start(&prompt_, "money-prompt", &MoneyBatch::RunPrompt);
  Start(&patient_, "money-patient", &MoneyBatch::RunPatient);
}

MoneyBatch::~MoneyBatch() {
  Stop(&prompt_);  // Then nothing comes to the next one any more.
  Stop(&patient_);
  Stop(&answers_);
}

void MoneyBatch::Submit(Task task) {
  {
    const std::lock_guard lock(mutex_);
    if (prompt_.queue.size() + patient_.queue.size() < options_.queue_max) {
      prompt_.queue.push_back(std::move(task));
      // A lane that works looks again by itself.
      if (prompt_.queue.size() == 1) prompt_.ready.notify_one();
      return;
    }
  }
  task.done(Overloaded());
}

void MoneyBatch::RunPrompt() {
  while (Await(&prompt_)) {
    Turn turn(turn_);
    std::vector<Task> tasks = TakeTasks(&prompt_);
    if (tasks.empty()) continue;
    Put(runner_.Run(std::move(tasks), 0, &turn), &patient_);
  }
}

void MoneyBatch::RunPatient() {
  while (Await(&patient_)) {
    std::vector<Task> tasks = TakeTasks(&patient_);
    if (tasks.empty()) continue;
    Turn turn(turn_, std::defer_lock);
    const std::int64_t awaited = tasks.front().tenant_id;
    PutBack(runner_.Run(std::move(tasks), awaited, &turn), &patient_);
  }
}

std::vector<Task> MoneyBatch::TakeTasks(Lane<Task>* lane) {
  std::vector<Task> tasks = Take(lane, options_.orders_max);
  const SteadyTime now = std::chrono::steady_clock::now();
  const auto overdue = std::stable_partition(tasks.begin(), tasks.end(), [&](const Task& task) {
    return now < task.deadline || !std::holds_alternative<ReserveOrder>(task.order);
  });
  std::vector<Told> told;
  for (auto task = overdue; task != tasks.end(); ++task) {
    told.push_back({std::move(task->done), Overdue()});
  }
  tasks.erase(overdue, tasks.end());
  Tell(std::move(told));
  return tasks;
}

void MoneyBatch::PutBack(std::vector<Task> tasks, Lane<Task>* lane) {
  const std::lock_guard lock(mutex_);
  lane->queue.insert(lane->queue.begin(), std::make_move_iterator(tasks.begin()),
                     std::make_move_iterator(tasks.end()));
}

void MoneyBatch::Tell(std::vector<Told> told) { Put(std::move(told), &answers_); }

void MoneyBatch::RunAnswers() {
  while (Await(&answers_)) {
    for (const Told& one : Take(&answers_, SIZE_MAX)) one.done(one.answer);
  }
}

template <typename Item>
bool MoneyBatch::Await(Lane<Item>* lane) {
  std::unique_lock lock(mutex_);
  lane->ready.wait(lock, [&] { return lane->stopping || !lane->queue.empty(); });
  return !lane->queue.empty();
}

template <typename Item>
std::vector<Item> MoneyBatch::Take(Lane<Item>* lane, std::size_t limit) {
  const std::lock_guard lock(mutex_);
  const auto end =
      lane->queue.begin() + static_cast<std::ptrdiff_t>(std::min(lane->queue.size(), limit));
  std::vector<Item> items(std::make_move_iterator(lane->queue.begin()),
                          std::make_move_iterator(end));
  lane->queue.erase(lane->queue.begin(), end);
  return items;
}

template <typename Item>
void MoneyBatch::Put(std::vector<Item> items, Lane<Item>* lane) {
  if (items.empty()) return;
  const std::lock_guard lock(mutex_);
  std::move(items.begin(), items.end(), std::back_inserter(lane->queue));
  lane->ready.notify_one();
}

template <typename Item>
void MoneyBatch::Start(Lane<Item>* lane, const char* name, void (MoneyBatch::*run)()) {
  lane->thread = std::thread([this, run] { (this->*run)(); });
  ::pthread_setname_np(lane->thread.native_handle(), name);
}

template <typename Item>
void MoneyBatch::Stop(Lane<Item>* lane) {
  {
    const std::lock_guard lock(mutex_);
    lane->stopping = true;
    lane->ready.notify_one();
  }
  lane->thread.join();
}

}  // namespace gatehouse::billing
