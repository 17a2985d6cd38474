#include "services/gateway/event_hub.h"

#include <pthread.h>

#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <set>
#include <thread>
#include <utility>

#include "libs/base/time_text.h"
#include "libs/rpc/timestamp.h"
#include "services/gateway/event_log.h"
#include "services/gateway/event_watch.h"

namespace gatehouse::gateway {
namespace {

constexpr std::size_t kBytesMax = 16 << 20;
constexpr std::chrono::milliseconds kStep{50};

struct Subscription {
  std::mutex mutex;     // Held while the sink runs.
  EventHub::Sink sink;  // guarded by mutex
  std::atomic<bool> is_live = true;
  std::atomic<std::thread::id> caller;  // Who is inside the sink.
};

LiveEvent ToLive(const event::v1::Event& event) {
  LiveEvent live;
  live.tenant_id = event.tenant_id();
  live.user_id = event.user_id();
  live.type = event.type();
  live.data_json = event.data_json();
  live.time = FormatTime(rpc::FromTimestamp(event.create_time()));
  return live;
}

}  // namespace

struct EventHub::Impl final : FeedListener {
  explicit Impl(const std::vector<rpc::Client*>& services);
  ~Impl() override;

  void OnBegin(char feed, const FeedPosition& position, bool is_gap) override {
    std::lock_guard lock(mutex);
    Hand(events.Begin(feed, position, is_gap, FormatTime(SystemClock().Now())));
  }
  void OnEvent(char feed, const FeedPosition& position, const event::v1::Event& event) override {
    LiveEvent live = ToLive(event);
    std::lock_guard lock(mutex);
    Hand(events.Add(feed, position, std::move(live)));
  }
  void OnGap(char feed, const FeedPosition& resumed_at) override {
    std::lock_guard lock(mutex);
    Hand(events.AddGap(feed, resumed_at, FormatTime(SystemClock().Now())));
  }
  void OnPosition(char feed, const FeedPosition& position) override {
    std::lock_guard lock(mutex);
    events.Advance(feed, position);
  }

  void Hand(LiveEventPtr event);
  void Run();
  void Deliver(const std::vector<LiveEventPtr>& batch);

  mutable std::mutex mutex;
  std::condition_variable wake;
  EventLog events{kKept, kBytesMax};                         // guarded by mutex
  std::vector<LiveEventPtr> outgoing;                        // guarded by mutex
  std::vector<std::shared_ptr<Subscription>> subscriptions;  // guarded by mutex
  bool is_stopping = false;                                  // guarded by mutex
  std::vector<std::unique_ptr<EventWatch>> watches;          // The thread's.
  std::thread thread;
};

EventHub::Impl::Impl(const std::vector<rpc::Client*>& services) {
  std::set<char> letters;
  for (rpc::Client* service : services) {
    if (!letters.insert(service->name().at(0)).second) std::abort();  // A position needs them.
    watches.push_back(std::make_unique<EventWatch>(*service, *this));
  }
  thread = std::thread([this] { Run(); });
}

EventHub::Impl::~Impl() {
  {
    std::lock_guard lock(mutex);
    is_stopping = true;
  }
  wake.notify_all();
  thread.join();
  watches.clear();  // While there is something to call.
}

// Called with the mutex held; nullptr is nothing.
void EventHub::Impl::Hand(LiveEventPtr event) {
  if (!event) return;
  // More than the log keeps waits for sinks that do not return: what is older is lost.
  if (outgoing.size() >= kKept) {
    LiveEvent gap = *event;
    gap.is_gap = true;
    outgoing.clear();
    event = std::make_shared<const LiveEvent>(std::move(gap));
  }
  outgoing.push_back(std::move(event));
  wake.notify_one();
}

void EventHub::Impl::Run() {
  ::pthread_setname_np(::pthread_self(), "event-hub");
  while (true) {
    for (const std::unique_ptr<EventWatch>& watch : watches) {
      watch->Step(std::chrono::steady_clock::now());
    }
    std::vector<LiveEventPtr> batch;
    {
      std::unique_lock lock(mutex);
      wake.wait_for(lock, kStep, [this] { return is_stopping || !outgoing.empty(); });
      if (is_stopping) return;
      batch.swap(outgoing);
    }
    Deliver(batch);
  }
}

void EventHub::Impl::Deliver(const std::vector<LiveEventPtr>& batch) {
  if (batch.empty()) return;
  std::vector<std::shared_ptr<Subscription>> targets;
  {
    std::lock_guard lock(mutex);
    std::erase_if(subscriptions, [](const auto& one) { return !one->is_live; });
    targets = subscriptions;
  }
  for (const std::shared_ptr<Subscription>& target : targets) {
    for (const LiveEventPtr& event : batch) {
      std::lock_guard lock(target->mutex);
      if (!target->is_live) break;
      target->caller = std::this_thread::get_id();
      target->sink(event);
      target->caller = std::thread::id();
    }
  }
}

EventHub::EventHub(std::vector<rpc::Client*> services) : impl_(std::make_unique<Impl>(services)) {}

EventHub::~EventHub() = default;

std::shared_ptr<void> EventHub::Subscribe(Sink sink) {
  auto subscription = std::make_shared<Subscription>();
  subscription->sink = std::move(sink);
  {
    std::lock_guard lock(impl_->mutex);
    impl_->subscriptions.push_back(subscription);
  }
  // The handle refers to the subscription alone, so it may outlive the hub.
  const auto end = [subscription](void*) {
    subscription->is_live = false;
    if (subscription->caller.load() == std::this_thread::get_id()) return;  // From its own sink.
    std::lock_guard lock(subscription->mutex);
    subscription->sink = nullptr;
  };
  return std::shared_ptr<void>(subscription.get(), end);
}

std::optional<std::vector<LiveEventPtr>> EventHub::After(const std::string& position) const {
  std::lock_guard lock(impl_->mutex);
  return impl_->events.After(position);
}

std::string EventHub::position() const {
  std::lock_guard lock(impl_->mutex);
  return impl_->events.position();
}

}  // namespace gatehouse::gateway
