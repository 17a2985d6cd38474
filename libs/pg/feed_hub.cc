#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>

#include "libs/log/log.h"
#include "libs/pg/connection.h"
#include "libs/pg/feed.h"
#include "libs/pg/listener.h"

namespace gatehouse::pg {
namespace {

constexpr int kBatch = 500;
constexpr std::chrono::milliseconds kPoll{1000};
// While events wait for an older transaction to end.
constexpr std::chrono::milliseconds kUnsettledPoll{20};
constexpr std::chrono::seconds kStartPatience{2};

struct Subscription {
  std::mutex mutex;    // Held while the sink runs.
  FeedHub::Sink sink;  // guarded by mutex
  std::atomic<bool> live = true;
};

// Whether an event is committed that may not be read yet.
absl::StatusOr<bool> Unsettled(Database& db, const std::string& schema) {
  const std::string sql = "SELECT EXISTS (SELECT FROM " + Identifier(schema) +
                          ".events WHERE transaction_id >="
                          " pg_snapshot_xmin(pg_current_snapshot()))";
  return db.Read([&](Tx& tx) -> absl::StatusOr<bool> { return tx.exec1(sql)[0].as<bool>(); });
}

}  // namespace

struct FeedHub::Impl {
  Impl(Database& database, std::string name)
      : db(database), schema(std::move(name)), listener(db.options().url, schema + "_events") {}

  void Run();
  bool Start();
  bool ReadAndFanOut();
  void FanOut(const std::vector<Event>& events);

  Database& db;
  const std::string schema;
  Listener listener;  // Of the hub's thread, but for Wake.
  std::atomic<bool> stopping = false;
  std::atomic<bool> notify = false;
  std::optional<Cursor> cursor;  // Of the hub's thread.

  std::mutex mutex;
  std::condition_variable started_changed;
  bool started = false;                                      // guarded by mutex
  std::vector<std::shared_ptr<Subscription>> subscriptions;  // guarded by mutex
  std::thread thread;
};

// Finds where to begin. False while the database cannot be asked.
bool FeedHub::Impl::Start() {
  if (cursor.has_value()) return true;
  const absl::StatusOr<Cursor> head = FeedHead(db, schema);
  if (!head.ok()) return false;
  cursor = *head;
  {
    std::lock_guard lock(mutex);
    started = true;
  }
  started_changed.notify_all();
  return true;
}

void FeedHub::Impl::FanOut(const std::vector<Event>& events) {
  std::vector<std::shared_ptr<Subscription>> targets;
  {
    std::lock_guard lock(mutex);
    std::erase_if(subscriptions, [](const auto& one) { return !one->live; });
    targets = subscriptions;
  }
  for (const Event& event : events) {
    for (const std::shared_ptr<Subscription>& target : targets) {
      std::lock_guard lock(target->mutex);
      if (target->live) target->sink(event);
    }
  }
}

// Whether all that was committed could be read.
bool FeedHub::Impl::ReadAndFanOut() {
  while (!stopping) {
    const absl::StatusOr<std::vector<Event>> events = ReadFeed(db, schema, *cursor, kBatch);
    if (Reason(events.status()) == "FEED_INCARNATION_CHANGED") {
      log::Warning("the feed was restored; starting again from its head", {{"schema", schema}});
      cursor.reset();
      return false;
    }
    if (Reason(events.status()) == "FEED_EVENTS_GONE") {
      log::Warning("events were deleted unread; starting again from the head",
                   {{"schema", schema}});
      cursor.reset();
      return false;
    }
    if (!events.ok()) return true;
    if (!events->empty()) {
      FanOut(*events);
      cursor = events->back().cursor;
    }
    if (events->size() < kBatch) break;
  }
  return !Unsettled(db, schema).value_or(false);
}

void FeedHub::Impl::Run() {
  while (!stopping) {
    // Listening comes first: what is committed after the read below then wakes.
    listener.Ensure();
    if (notify.exchange(false)) listener.Notify();
    const bool settled = !Start() || ReadAndFanOut();
    listener.Await(settled ? kPoll : kUnsettledPoll);
  }
}

FeedHub::FeedHub(Database& db, std::string schema)
    : impl_(std::make_unique<Impl>(db, std::move(schema))) {
  impl_->thread = std::thread([this] { impl_->Run(); });
}

FeedHub::~FeedHub() {
  impl_->stopping = true;
  impl_->listener.Wake();
  impl_->thread.join();
}

std::shared_ptr<void> FeedHub::Subscribe(Sink sink) {
  auto subscription = std::make_shared<Subscription>();
  subscription->sink = std::move(sink);
  {
    std::unique_lock lock(impl_->mutex);
    const bool started =
        impl_->started_changed.wait_for(lock, kStartPatience, [this] { return impl_->started; });
    if (!started) return nullptr;
    impl_->subscriptions.push_back(subscription);
  }
  // The handle refers to the subscription alone, so it may outlive the hub.
  const auto end = [subscription, hub = impl_->thread.get_id()](void*) {
    subscription->live = false;
    if (std::this_thread::get_id() == hub) return;
    std::lock_guard lock(subscription->mutex);
    subscription->sink = nullptr;
  };
  return std::shared_ptr<void>(subscription.get(), end);
}

void FeedHub::Notify() {
  impl_->notify = true;
  impl_->listener.Wake();
}

}  // namespace gatehouse::pg
