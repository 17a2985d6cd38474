#include "services/gateway/live_sockets.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <deque>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

namespace gatehouse::gateway {
namespace {

constexpr std::size_t kWorkersMax = 64;  // As many as HTTP_WORKERS may be.
constexpr std::size_t kTurnBytes = 64 * 1024;
constexpr std::size_t kFrameBytes = 256;  // Of a frame beside its data, about.
constexpr char kRetrySeconds[] = "10";    // Nobody can tell when one of the user's ends.

// For a worker that has not come to its events for a long time.
LiveEventPtr GapBefore(const LiveEvent& event) {
  auto gap = std::make_shared<LiveEvent>();
  gap->number = event.number;
  gap->is_gap = true;
  gap->time = event.time;
  gap->position = event.position;
  return gap;
}

}  // namespace

struct LiveSockets::Impl {
  // What one worker holds. The listeners are its thread's own.
  struct Worker {
    std::vector<EventListener*> listeners;  // Null: removed while events are handed out.
    bool is_handing_out = false;
    std::atomic<int> count = 0;        // Of listeners; read by the hub's thread.
    std::deque<LiveEventPtr> waiting;  // guarded by mutex
    bool is_called = false;            // guarded by mutex; HandOut will come.
  };

  std::mutex mutex;
  http::Server* server = nullptr;  // guarded by mutex
  // Those of the server are the first. A request may come before Attach.
  std::array<Worker, kWorkersMax> workers;
  std::mutex places_mutex;
  std::unordered_map<std::string, int> places;  // guarded by places_mutex
  std::atomic<std::uint64_t> latest = 0;
  std::shared_ptr<void> subscription;

  static void TakeEvent(const std::shared_ptr<Impl>& self, const LiveEventPtr& event);
  static void Call(const std::shared_ptr<Impl>& self, int worker);
  static std::vector<LiveEventPtr> TakeTurn(Worker& worker);
  static void HandOut(const std::shared_ptr<Impl>& self, int index);
};

// On a thread of the hub's. The first event that waits for a worker calls it; those
// that come until then go with it.
void LiveSockets::Impl::TakeEvent(const std::shared_ptr<Impl>& self, const LiveEventPtr& event) {
  std::lock_guard lock(self->mutex);
  self->latest.store(event->number, std::memory_order_release);
  if (self->server == nullptr) return;
  for (std::size_t i = 0; i < kWorkersMax; ++i) {
    Worker& worker = self->workers[i];
    if (worker.count.load(std::memory_order_acquire) == 0) continue;
    if (worker.waiting.size() >= EventHub::kKept) worker.waiting = {GapBefore(*event)};
    worker.waiting.push_back(event);
    if (!std::exchange(worker.is_called, true)) Call(self, static_cast<int>(i));
  }
}

// With the mutex held.
void LiveSockets::Impl::Call(const std::shared_ptr<Impl>& self, int worker) {
  if (self->server == nullptr) return;
  self->server->Post(worker, [self, worker] { HandOut(self, worker); });
}

// A turn's worth: between turns the sockets send what they were given, so that a burst
// fills no queue of a client that takes it.
std::vector<LiveEventPtr> LiveSockets::Impl::TakeTurn(Worker& worker) {
  std::vector<LiveEventPtr> events;
  for (std::size_t bytes = 0; bytes < kTurnBytes && !worker.waiting.empty();) {
    events.push_back(std::move(worker.waiting.front()));
    worker.waiting.pop_front();
    bytes += kFrameBytes + events.back()->data_json.size();
  }
  return events;
}

void LiveSockets::Impl::HandOut(const std::shared_ptr<Impl>& self, int index) {
  Worker& worker = self->workers.at(static_cast<std::size_t>(index));
  std::vector<LiveEventPtr> events;
  {
    std::lock_guard lock(self->mutex);
    events = TakeTurn(worker);
    worker.is_called = !worker.waiting.empty();
    if (worker.is_called) Call(self, index);
  }
  worker.is_handing_out = true;
  for (const LiveEventPtr& event : events) {
    // Listeners come and go meanwhile.
    for (std::size_t i = 0; i < worker.listeners.size(); ++i) {
      if (worker.listeners[i] != nullptr) worker.listeners[i]->OnEvent(event);
    }
  }
  worker.is_handing_out = false;
  std::erase(worker.listeners, nullptr);
}

LiveSockets::LiveSockets(EventHub& hub) : hub_(hub), impl_(std::make_shared<Impl>()) {
  impl_->subscription = hub_.Subscribe([weak = std::weak_ptr(impl_)](const LiveEventPtr& event) {
    if (const std::shared_ptr<Impl> impl = weak.lock()) Impl::TakeEvent(impl, event);
  });
}

LiveSockets::~LiveSockets() {
  impl_->subscription.reset();
  Attach(nullptr);
}

void LiveSockets::Attach(http::Server* server) {
  std::lock_guard lock(impl_->mutex);
  impl_->server = server;
}

std::shared_ptr<void> LiveSockets::TakePlace(const std::string& user_id, int most) {
  {
    std::lock_guard lock(impl_->places_mutex);
    int& taken = impl_->places[user_id];
    if (taken >= most) {
      if (taken == 0) impl_->places.erase(user_id);
      return nullptr;
    }
    ++taken;
  }
  const auto leave = [impl = impl_, user_id](void*) {
    std::lock_guard lock(impl->places_mutex);
    const auto found = impl->places.find(user_id);
    if (--found->second == 0) impl->places.erase(found);
  };
  return {impl_.get(), leave};
}

void LiveSockets::Add(int worker, EventListener* listener) {
  Impl::Worker& at = impl_->workers.at(static_cast<std::size_t>(worker));
  at.listeners.push_back(listener);
  at.count.fetch_add(1, std::memory_order_release);
}

void LiveSockets::Remove(int worker, EventListener* listener) {
  Impl::Worker& at = impl_->workers.at(static_cast<std::size_t>(worker));
  const auto found = std::find(at.listeners.begin(), at.listeners.end(), listener);
  if (found == at.listeners.end()) return;
  at.count.fetch_sub(1, std::memory_order_release);
  if (at.is_handing_out) {
    *found = nullptr;
  } else {
    *found = at.listeners.back();
    at.listeners.pop_back();
  }
}

std::uint64_t LiveSockets::latest() const { return impl_->latest.load(std::memory_order_acquire); }

Problem SocketsTooMany() {
  Problem problem = ProblemOf(429);
  problem.code = "TOO_MANY_SOCKETS";
  problem.message = "too many sockets and event streams of this user are open";
  problem.headers.push_back({"Retry-After", kRetrySeconds});
  return problem;
}

}  // namespace gatehouse::gateway
