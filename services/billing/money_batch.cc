#include "services/billing/money_batch.h"

#include <pthread.h>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <utility>

namespace gatehouse::billing {
namespace {

constexpr long kOverloadRetryMillis = 1000;
// So many batches wait for the commit before them when one has met its accounts: on one
// hot tenant a batch that begins sooner has to wait all the same, and is smaller.
constexpr int kApartBatches = 64;

absl::Status Overloaded() {
  return WithRetryDelay(
      Error(absl::StatusCode::kResourceExhausted, "OVERLOADED", "too many calls are waiting"),
      kOverloadRetryMillis);
}

}  // namespace

MoneyBatch::MoneyBatch(pg::Database& db, PriceBooks& books, Options options)
    : options_(options),
      runner_(db, books, [this](std::vector<Told> told) { Tell(std::move(told)); }) {
  Start(&answers_, "money-answers", &MoneyBatch::RunAnswers);
  Start(&prompt_, "money-prompt", &MoneyBatch::RunPrompt);
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
  while (true) {
    Turn turn{.lock = std::unique_lock(turn_), .passes_early = false};
    std::vector<Task> tasks = Take(&prompt_, options_.orders_max);
    if (tasks.empty()) return;
    bool overlaps = false;
    {
      std::unique_lock lock(mutex_);
      if (apart_ > 0) committed_.wait(lock, [&] { return running_ == 0; });
      turn.passes_early = apart_ == 0;
      if (apart_ > 0) --apart_;
      overlaps = running_++ > 0;
    }
    const std::size_t size = tasks.size();
    std::vector<Task> busy = runner_.Run(std::move(tasks), 0, &turn);
    PutBack(std::move(busy), size, overlaps);
  }
}

void MoneyBatch::PutBack(std::vector<Task> busy, std::size_t batch_size, bool overlapped) {
  const auto again = std::partition(busy.begin(), busy.end(), [&](const Task& task) {
    return !overlapped || task.busy_count > 1;
  });
  {
    const std::lock_guard lock(mutex_);
    if (overlapped && busy.size() * 4 > batch_size) apart_ = kApartBatches;
    if (--running_ == 0) committed_.notify_all();
    prompt_.queue.insert(prompt_.queue.begin(), std::make_move_iterator(again),
                         std::make_move_iterator(busy.end()));
    if (again != busy.end()) prompt_.ready.notify_one();
  }
  busy.erase(again, busy.end());
  Put(std::move(busy), &patient_);
}

void MoneyBatch::RunPatient() {
  while (true) {
    std::vector<Task> tasks = Take(&patient_, options_.orders_max);
    if (tasks.empty()) return;
    Turn turn{.lock = std::unique_lock(turn_, std::defer_lock), .passes_early = false};
    const std::int64_t awaited = tasks.front().tenant_id;
    Put(runner_.Run(std::move(tasks), awaited, &turn), &patient_);
  }
}

void MoneyBatch::Tell(std::vector<Told> told) { Put(std::move(told), &answers_); }

void MoneyBatch::RunAnswers() {
  while (true) {
    const std::vector<Told> told = Take(&answers_, SIZE_MAX);
    if (told.empty()) return;
    for (const Told& one : told) one.done(one.answer);
  }
}

template <typename Item>
std::vector<Item> MoneyBatch::Take(Lane<Item>* lane, std::size_t limit) {
  std::unique_lock lock(mutex_);
  lane->ready.wait(lock, [&] { return lane->stopping || !lane->queue.empty(); });
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
  lane->threads.emplace_back([this, run] { (this->*run)(); });
  ::pthread_setname_np(lane->threads.back().native_handle(), name);
}

template <typename Item>
void MoneyBatch::Stop(Lane<Item>* lane) {
  {
    const std::lock_guard lock(mutex_);
    lane->stopping = true;
    lane->ready.notify_all();
  }
  for (std::thread& thread : lane->threads) thread.join();
}

}  // namespace gatehouse::billing
