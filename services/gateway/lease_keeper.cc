#include "services/gateway/lease_keeper.h"

#include <array>
#include <atomic>
#include <cstdlib>
#include <deque>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "libs/exec/pool.h"
#include "libs/log/log.h"
#include "libs/metrics/metrics.h"
#include "services/gateway/lease_store.h"

namespace gatehouse::gateway {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::size_t kShards = 16;
constexpr std::size_t kBatchMax = 256;
constexpr milliseconds kCheckInterval{1000};

redis::Url UrlOf(const std::string& text) {
  absl::StatusOr<redis::Url> url = redis::ParseUrl(text);
  if (!url.ok()) std::abort();  // The setting was checked.
  return *std::move(url);
}

metrics::Counter& LeaseCounter(const std::string& result) {
  return metrics::GetCounter("gatehouse_gateway_leases_total",
                             "Answers of the shared store of limits, by bucket.",
                             {{"result", result}});
}

}  // namespace

struct LeaseKeeper::Impl {
  // A lease and those that wait for the store to tell of it.
  struct Entry {
    Lease lease;
    std::deque<Later> waiting;
    std::uint64_t id = 0;  // An answer to another one's question is not this one's.
    bool is_queued = false;
  };
  struct Shard {
    std::mutex mutex;
    std::unordered_map<std::string, Entry> entries;  // guarded by mutex
    std::size_t prune_at = 1024;                     // guarded by mutex
  };
  struct Question {
    std::string key;
    std::uint64_t id;
  };

  Impl(const std::string& redis_url, const std::string& ca_file, const std::string& name_space)
      : store_name(UrlOf(redis_url).ToText()),
        store(UrlOf(redis_url), {.ca_file = ca_file, .timeout = kTimeout},
              "ghrl:" + name_space + ":"),
        up_gauge(metrics::GetGauge("gatehouse_gateway_limit_store_up",
                                   "Whether the shared store of limits answers.")),
        granted(LeaseCounter("granted")),
        refused(LeaseCounter("refused")),
        failed(LeaseCounter("failed")) {
    up_gauge.Set(0);
    thread = std::make_unique<exec::Ticker>("leases", [this] { return Step(); });
  }

  Taking Take(const std::string& key, const BucketRate& rate, SteadyTime now, const Later& later);
  Entry& EntryOf(Shard& shard, const std::string& key, SteadyTime now);
  void Queue(const std::string& key, Entry& entry);
  milliseconds Step();
  bool TellFlushes();
  bool Ask();
  void Collect(std::vector<Question>* questions, std::vector<StoreRequest>* requests);
  void Answer(const Question& question, const LeaseGrant& grant);
  bool Note(const absl::Status& status);
  void Forget(bool tells_waiting);

  Shard& ShardOf(const std::string& key) { return shards[std::hash<std::string>()(key) % kShards]; }
  // Whether the store has been silent for so long that nobody should wait for it.
  bool IsSlow(SteadyTime now) const {
    const SteadyTime::rep since = asking_since.load(std::memory_order_relaxed);
    return since != 0 && now - SteadyTime(SteadyTime::duration(since)) > kPatience;
  }

  const std::string store_name;
  LeaseStore store;  // Of the thread only.
  metrics::Gauge& up_gauge;
  metrics::Counter& granted;
  metrics::Counter& refused;
  metrics::Counter& failed;
  std::array<Shard, kShards> shards;
  std::atomic<std::uint64_t> next_id{1};
  std::atomic<bool> is_up{false};
  std::atomic<bool> is_stopped{false};
  std::atomic<SteadyTime::rep> asking_since{0};  // 0: no answer is outstanding.
  std::mutex step_mutex;  // Held by a step; who has it knows that none is under way.
  std::mutex queue_mutex;
  std::deque<std::string> queue;  // guarded by queue_mutex
  std::mutex flush_mutex;
  std::optional<std::int64_t> last_flush;  // guarded by flush_mutex
  std::vector<LimitFlush> untold_flushes;  // guarded by flush_mutex
  std::optional<bool> was_up;              // Of the thread only, as told in the log.
  SteadyTime heard{};                      // Of the thread only.
  std::unique_ptr<exec::Ticker> thread;    // Last: it calls Step.
};

LeaseKeeper::Taking LeaseKeeper::Impl::Take(const std::string& key, const BucketRate& rate,
                                            SteadyTime now, const Later& later) {
  if (!is_up.load(std::memory_order_acquire)) return {};
  Shard& shard = ShardOf(key);
  std::lock_guard lock(shard.mutex);
  // Under the lock: what Forget has emptied gets nobody who waits.
  if (!is_up.load(std::memory_order_acquire)) return {};
  Entry& entry = EntryOf(shard, key, now);
  if (IsSlow(now)) {
    entry.lease.TakeAnyway(rate, now);
    Queue(key, entry);
    return {};
  }
  const Lease::Answer answer = entry.lease.Take(rate, now);
  if (answer == Lease::Answer::kWait) entry.waiting.push_back(later);
  Queue(key, entry);
  switch (answer) {
    case Lease::Answer::kWait:
      return {Outcome::kLater};
    case Lease::Answer::kTaken:
      return {Outcome::kTaken, entry.lease.Verdict(true)};
    case Lease::Answer::kRefused:
      return {Outcome::kRefused, entry.lease.Verdict(false)};
  }
  return {};
}

LeaseKeeper::Impl::Entry& LeaseKeeper::Impl::EntryOf(Shard& shard, const std::string& key,
                                                     SteadyTime now) {
  constexpr std::size_t kMax = kLeasesMax / kShards;
  if (shard.entries.size() >= shard.prune_at && !shard.entries.contains(key)) {
    std::erase_if(shard.entries, [now](const auto& entry) {
      return !entry.second.is_queued && entry.second.lease.IsIdle(now);
    });
    // Still too many: those that nobody waits for. They owe a token or two at most.
    if (shard.entries.size() >= kMax) {
      std::erase_if(shard.entries, [](const auto& entry) { return entry.second.waiting.empty(); });
    }
    shard.prune_at = std::clamp<std::size_t>(shard.entries.size() * 2, 1024, kMax);
  }
  const auto [found, is_new] = shard.entries.try_emplace(key);
  if (is_new) found->second.id = next_id.fetch_add(1, std::memory_order_relaxed);
  return found->second;
}

void LeaseKeeper::Impl::Queue(const std::string& key, Entry& entry) {
  if (entry.is_queued || !entry.lease.NeedsStore()) return;
  entry.is_queued = true;
  {
    std::lock_guard lock(queue_mutex);
    queue.push_back(key);
  }
  thread->Wake();
}

milliseconds LeaseKeeper::Impl::Step() {
  std::lock_guard lock(step_mutex);
  if (is_stopped) return kCheckInterval;
  const bool is_due = !is_up || steady_clock::now() - heard >= kCheckInterval;
  const bool has_more = (!is_due || Note(store.Check())) && TellFlushes() && Ask();
  if (is_up) return has_more ? milliseconds(0) : kCheckInterval;
  // Connected and down: Redis lives, and will not do what it is asked.
  const milliseconds left = store.back_off_left();
  return left > milliseconds(0) ? left : kCheckInterval;
}

// Before anything is asked: what comes after a flush is of full buckets. Whether it went
// well.
bool LeaseKeeper::Impl::TellFlushes() {
  std::vector<LimitFlush> flushes;
  {
    std::lock_guard lock(flush_mutex);
    flushes = untold_flushes;
  }
  if (flushes.empty()) return true;
  if (!Note(store.Tell(flushes))) return false;
  std::lock_guard lock(flush_mutex);
  untold_flushes.erase(untold_flushes.begin(),
                       untold_flushes.begin() + static_cast<std::ptrdiff_t>(flushes.size()));
  return true;
}

// Whether there is more to ask.
bool LeaseKeeper::Impl::Ask() {
  std::vector<Question> questions;
  std::vector<StoreRequest> requests;
  Collect(&questions, &requests);
  if (requests.empty()) return false;
  asking_since = steady_clock::now().time_since_epoch().count();
  const auto grants = store.Book(requests);
  asking_since = 0;
  if (!Note(grants.status())) {
    failed.Increment(static_cast<double>(requests.size()));
    return false;
  }
  for (std::size_t i = 0; i < questions.size(); ++i) Answer(questions[i], (*grants)[i]);
  std::lock_guard lock(queue_mutex);
  return !queue.empty();
}

void LeaseKeeper::Impl::Collect(std::vector<Question>* questions,
                                std::vector<StoreRequest>* requests) {
  std::vector<std::string> keys;
  {
    std::lock_guard lock(queue_mutex);
    while (!queue.empty() && keys.size() < kBatchMax) {
      keys.push_back(std::move(queue.front()));
      queue.pop_front();
    }
  }
  const SteadyTime now = steady_clock::now();
  for (std::string& key : keys) {
    Shard& shard = ShardOf(key);
    std::lock_guard lock(shard.mutex);
    const auto found = shard.entries.find(key);
    if (found == shard.entries.end()) continue;
    Entry& entry = found->second;
    entry.is_queued = false;
    if (!entry.lease.NeedsStore()) continue;
    requests->push_back({key, entry.lease.rate(), entry.lease.Ask(now)});
    questions->push_back({std::move(key), entry.id});
  }
}

void LeaseKeeper::Impl::Answer(const Question& question, const LeaseGrant& grant) {
  std::vector<std::pair<Later, Taking>> answered;
  {
    Shard& shard = ShardOf(question.key);
    std::lock_guard lock(shard.mutex);
    const auto found = shard.entries.find(question.key);
    if (found == shard.entries.end() || found->second.id != question.id) return;
    Entry& entry = found->second;
    const Lease::Outcome outcome = entry.lease.Apply(grant, steady_clock::now());
    for (int i = 0; i < outcome.taken + outcome.refused; ++i) {
      const bool is_taken = i < outcome.taken;
      answered.emplace_back(
          std::move(entry.waiting.front()),
          Taking{is_taken ? Outcome::kTaken : Outcome::kRefused, entry.lease.Verdict(is_taken)});
      entry.waiting.pop_front();
    }
    (outcome.refused > 0 ? refused : granted).Increment();
    Queue(question.key, entry);
  }
  for (const auto& [later, taking] : answered) later(taking);
}

// Takes note of how the store does; says so in the log when it is another way than
// before. Whether it does well.
bool LeaseKeeper::Impl::Note(const absl::Status& status) {
  if (status.ok()) {
    heard = steady_clock::now();
    if (was_up != true) {
      log::Info("limits are shared with the other gateways", {{"store", store_name}});
    }
    was_up = true;
    up_gauge.Set(1);
    is_up.store(true, std::memory_order_release);
    return true;
  }
  if (was_up != false) {
    log::Warning("the shared store of limits is down; limits are this process's own",
                 {{"store", store_name},
                  {"reason", Reason(status)},
                  {"cause", std::string(status.message())}});
  }
  was_up = false;
  up_gauge.Set(0);
  is_up.store(false, std::memory_order_release);
  Forget(/*tells_waiting=*/true);
  return false;
}

// What is known of the store's buckets is worth nothing any more.
void LeaseKeeper::Impl::Forget(bool tells_waiting) {
  for (Shard& shard : shards) {
    std::unordered_map<std::string, Entry> entries;
    {
      std::lock_guard lock(shard.mutex);
      entries.swap(shard.entries);
    }
    if (!tells_waiting) continue;
    for (auto& [key, entry] : entries) {
      for (const Later& later : entry.waiting) later({});
    }
  }
}

LeaseKeeper::LeaseKeeper(const std::string& redis_url, const std::string& ca_file,
                         const std::string& name_space)
    : impl_(std::make_unique<Impl>(redis_url, ca_file, name_space)) {}

LeaseKeeper::~LeaseKeeper() { Stop(); }

LeaseKeeper::Taking LeaseKeeper::Take(const std::string& key, const BucketRate& rate,
                                      SteadyTime now, const Later& later) {
  return impl_->Take(key, rate, now, later);
}

void LeaseKeeper::Clear(std::int64_t sequence, std::int64_t head) {
  {
    std::lock_guard lock(impl_->flush_mutex);
    if (impl_->last_flush == sequence) return;
    impl_->last_flush = sequence;
    impl_->untold_flushes.push_back({sequence, head});
  }
  impl_->Forget(/*tells_waiting=*/true);
  impl_->thread->Wake();
}

bool LeaseKeeper::IsUp() const { return impl_->is_up.load(std::memory_order_acquire); }

void LeaseKeeper::Stop() {
  impl_->is_stopped = true;
  std::lock_guard lock(impl_->step_mutex);
  impl_->is_up = false;
  impl_->Forget(/*tells_waiting=*/false);
}

}  // namespace gatehouse::gateway
