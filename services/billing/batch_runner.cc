#include "services/billing/batch_runner.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <iterator>
#include <optional>
#include <string>
#include <utility>

#include "libs/base/failpoint.h"
#include "services/billing/account_store.h"
#include "services/billing/batch_store.h"

namespace gatehouse::billing {
namespace {

constexpr char kNothingToStore[] = "NOTHING_TO_STORE";

// Before and after COMMIT, by the kind of order. Armed with "error", the first one
// fails calls undone and the second one loses the answers of calls that were done.
struct Failpoints {
  const char* commit;
  const char* committed;
};
constexpr std::array<Failpoints, std::variant_size_v<Order>> kFailpoints = {{
    {"billing.reserve.commit", "billing.reserve.committed"},
    {"billing.bind.commit", "billing.bind.committed"},
    {"billing.capture.commit", "billing.capture.committed"},
    {"billing.release.commit", "billing.release.committed"},
}};

absl::Status Lost() {
  return Error(absl::StatusCode::kUnavailable, "FAILPOINT", "a failpoint failed this call");
}

// Which kinds of order have one that was done.
using Kinds = std::array<bool, kFailpoints.size()>;
Kinds DoneKinds(const std::vector<Task>& tasks,
                const std::vector<std::optional<absl::StatusOr<Answer>>>& answers) {
  Kinds kinds{};
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    if (answers[i] && answers[i]->ok()) kinds[tasks[i].order.index()] = true;
  }
  return kinds;
}

bool AnyFails(const Kinds& kinds, const char* Failpoints::*point) {
  bool fails = false;
  for (std::size_t kind = 0; kind < kinds.size(); ++kind) {
    if (kinds[kind] && Failpoint(kFailpoints[kind].*point)) fails = true;
  }
  return fails;
}

// What to lock and to read for some tasks.
struct Needs {
  std::vector<std::int64_t> tenant_ids;  // Of those that name theirs.
  std::vector<std::string> keys;         // Of the holds of the others.
  std::vector<std::string> all_keys;
};

Needs NeedsOf(const std::vector<Task>& tasks) {
  Needs needs;
  for (const Task& task : tasks) {
    const auto* reserve = std::get_if<ReserveOrder>(&task.order);
    if (reserve != nullptr) {
      needs.tenant_ids.push_back(reserve->tenant_id);
    } else {
      needs.keys.push_back(KeyOf(task.order));
    }
    needs.all_keys.push_back(KeyOf(task.order));
  }
  return needs;
}

// Captures that may have been made before.
std::vector<const CaptureOrder*> PerhapsRepeated(const std::vector<Task>& tasks,
                                                 const BatchPlan& plan) {
  std::vector<const CaptureOrder*> orders;
  for (const Task& task : tasks) {
    const auto* capture = std::get_if<CaptureOrder>(&task.order);
    if (capture == nullptr) continue;
    const Hold* hold = plan.FindHold(capture->key);
    if (hold != nullptr && hold->capture_count > 0) orders.push_back(capture);
  }
  return orders;
}

// Whether the failure may be one order's alone.
bool MayBeOneOrders(const absl::Status& status) {
  const std::string reason = Reason(status);
  return reason == "DATABASE_ERROR" || reason == "DATABASE_CONFLICT";
}

void Append(std::vector<Task> more, std::vector<Task>* tasks) {
  tasks->insert(tasks->end(), std::make_move_iterator(more.begin()),
                std::make_move_iterator(more.end()));
}

}  // namespace

void FairMutex::lock() {
  std::unique_lock lock(mutex_);
  const std::uint64_t number = asked_++;
  next_.wait(lock, [&] { return served_ == number; });
}

void FairMutex::unlock() {
  const std::lock_guard lock(mutex_);
  ++served_;
  next_.notify_all();
}

BatchRunner::BatchRunner(pg::Database& db, PriceBooks& books,
                         std::function<void(std::vector<Told>)> tell)
    : db_(db),
      books_(books),
      tell_(std::move(tell)),
      orders_(metrics::GetHistogram("gatehouse_billing_batch_orders",
                                    "Calls on holds in one transaction.", {},
                                    {1, 2, 5, 10, 20, 50, 100, 200, 500})),
      seconds_(metrics::GetHistogram("gatehouse_billing_batch_seconds",
                                     "Time of one transaction of calls on holds.")) {}

std::vector<Task> BatchRunner::Run(std::vector<Task> tasks, std::int64_t awaited_tenant_id,
                                   Turn* turn) {
  Batch batch{std::move(tasks), awaited_tenant_id, *turn};
  // A second run finds by its keys what the first one has done.
  const auto run = [&] { return pg::RepeatInDoubt([&] { return Transact(batch); }); };
  absl::StatusOr<Answers> answers = run();
  // Alone, it may have met a twin under another tenant's account: now that one is there.
  if (batch.tasks.size() == 1 && MayBeOneOrders(answers.status())) answers = run();
  if (!answers.ok() && awaited_tenant_id != 0 && Reason(answers.status()) == "DATABASE_TIMEOUT") {
    return TellThoseOfAwaited(std::move(batch), answers.status());
  }
  if (!answers.ok() && batch.tasks.size() > 1 && MayBeOneOrders(answers.status())) {
    return RunHalves(std::move(batch));
  }
  if (!answers.ok()) {
    TellAll(std::move(batch.tasks), answers.status());
    return {};
  }
  std::vector<Task> busy;
  std::vector<Told> told;
  for (std::size_t i = 0; i < batch.tasks.size(); ++i) {
    if ((*answers)[i]) {
      told.push_back({std::move(batch.tasks[i].done), *std::move((*answers)[i])});
    } else {
      busy.push_back(std::move(batch.tasks[i]));
    }
  }
  tell_(std::move(told));
  return busy;
}

void BatchRunner::TellAll(std::vector<Task> tasks, const absl::Status& status) {
  std::vector<Told> told;
  told.reserve(tasks.size());
  for (Task& task : tasks) told.push_back({std::move(task.done), status});
  tell_(std::move(told));
}

std::vector<Task> BatchRunner::TellThoseOfAwaited(Batch batch, const absl::Status& status) {
  std::vector<Task>& tasks = batch.tasks;
  const auto others = std::partition(tasks.begin(), tasks.end(), [&](const Task& task) {
    return task.tenant_id == batch.awaited_tenant_id;
  });
  std::vector<Task> rest(std::make_move_iterator(others), std::make_move_iterator(tasks.end()));
  tasks.erase(others, tasks.end());
  TellAll(std::move(tasks), status);
  return rest;
}

std::vector<Task> BatchRunner::RunHalves(Batch batch) {
  std::vector<Task>& first = batch.tasks;
  const auto middle = first.begin() + static_cast<std::ptrdiff_t>(first.size() / 2);
  std::vector<Task> second(std::make_move_iterator(middle), std::make_move_iterator(first.end()));
  first.erase(middle, first.end());
  std::vector<Task> busy = Run(std::move(first), batch.awaited_tenant_id, &batch.turn);
  Append(Run(std::move(second), batch.awaited_tenant_id, &batch.turn), &busy);
  return busy;
}

absl::StatusOr<BatchRunner::Answers> BatchRunner::Transact(Batch& batch) {
  const auto start = std::chrono::steady_clock::now();
  Answers answers;
  const absl::Status status =
      db_.InTransaction([&](pg::Tx& tx) { return Work(tx, batch, &answers); });
  const bool stored = status.ok();
  if (!stored && Reason(status) != kNothingToStore) return status;
  orders_.Observe(static_cast<double>(batch.tasks.size()));  // A count, not money.
  using Seconds = std::chrono::duration<double>;             // A time, not money.
  seconds_.Observe(Seconds(std::chrono::steady_clock::now() - start).count());
  if (AnyFails(DoneKinds(batch.tasks, answers), &Failpoints::committed)) return Lost();
  return answers;
}

absl::Status BatchRunner::Work(pg::Tx& tx, Batch& batch, Answers* answers) {
  std::vector<Task>& tasks = batch.tasks;
  PlanByIndex(tx);
  const Needs needs = NeedsOf(tasks);
  if (batch.awaited_tenant_id != 0) {
    // Nobody else's turn may wait for this account.
    if (batch.turn.owns_lock()) batch.turn.unlock();
    MakeAccounts(tx, needs.tenant_ids);
    LockAccount(tx, batch.awaited_tenant_id);
    batch.turn.lock();
  }
  const LockedAccounts locked = LockAccounts(tx, needs.tenant_ids, needs.keys);
  const ReadHolds read = FindHolds(tx, needs.all_keys);
  const std::shared_ptr<const PriceBook> book = books_.Find(tx, locked.price_version);
  BatchPlan plan(read.now, *book, [&](int version) { return books_.Find(tx, version); });
  for (const Account& account : locked.accounts) plan.AddAccount(account);
  for (const Hold& hold : read.holds) plan.AddHold(hold);
  const std::vector<const CaptureOrder*> repeated = PerhapsRepeated(tasks, plan);
  if (!repeated.empty()) AddCaptures(tx, repeated, &plan);

  answers->clear();
  for (Task& task : tasks) {
    answers->push_back(plan.Decide(task.order));
    if (!answers->back()) task.tenant_id = plan.TenantOf(task.order);
  }
  if (!plan.empty()) GH_RETURN_IF_ERROR(SavePlan(tx, plan));
  if (AnyFails(DoneKinds(tasks, *answers), &Failpoints::commit)) return Lost();
  // Nothing to commit spares the write to disk.
  if (plan.empty()) return Error(absl::StatusCode::kCancelled, kNothingToStore, "");
  return absl::OkStatus();
}

}  // namespace gatehouse::billing
