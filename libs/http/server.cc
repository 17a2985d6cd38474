#include "libs/http/server.h"

#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <utility>

#include "libs/http/listener.h"
#include "libs/http/reactor.h"
#include "libs/http/worker.h"

namespace gatehouse::http {
namespace {

constexpr rlim_t kOtherDescriptors = 1024;

// Connections need a descriptor each, and another one towards an upstream while they
// are proxied; the soft limit is often 1024.
void RaiseDescriptorLimit(int connections_max) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  const rlim_t wanted = 2 * static_cast<rlim_t>(connections_max) + kOtherDescriptors;
  if (limit.rlim_cur >= wanted) return;
  limit.rlim_cur = std::min(wanted, limit.rlim_max);
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

struct Server::Impl {
  // The order matters: the reactor's threads end first, the settings last.
  WorkerSettings settings;
  std::atomic<int> open = 0;
  UniqueFd port_lock;
  std::vector<std::unique_ptr<Worker>> workers;
  std::unique_ptr<Reactor> reactor;

  std::mutex drain_mutex;  // One Drain at a time.
  std::mutex mutex;
  std::condition_variable one_drained;
  std::size_t drained = 0;

  void OnDrained() {
    std::lock_guard<std::mutex> lock(mutex);
    ++drained;
    one_drained.notify_all();
  }

  bool AllDrained() const { return drained == workers.size(); }
};

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const ServerOptions& options,
                                                      Handler handler) {
  GH_ASSIGN_OR_RETURN(Listeners listeners, Listen(options.address, std::max(options.workers, 1)));
  RaiseDescriptorLimit(options.connections_max);
  std::unique_ptr<Server> server(new Server());
  server->address_ = listeners.address;
  server->impl_ = std::make_unique<Impl>();
  Impl* impl = server->impl_.get();
  impl->settings = {options, std::move(handler), [impl] { impl->OnDrained(); }};
  impl->port_lock = std::move(listeners.lock);
  std::vector<Loop*> loops;
  for (UniqueFd& socket : listeners.sockets) {
    impl->workers.push_back(std::make_unique<Worker>(impl->settings, std::move(socket), &impl->open,
                                                     static_cast<int>(impl->workers.size())));
    loops.push_back(impl->workers.back().get());
  }
  GH_ASSIGN_OR_RETURN(impl->reactor, Reactor::Start(loops));
  return server;
}

Server::~Server() {
  if (impl_) Drain(std::chrono::milliseconds(0));
}

void Server::Drain(std::chrono::milliseconds grace) {
  std::lock_guard<std::mutex> one_at_a_time(impl_->drain_mutex);
  if (!impl_->reactor) return;
  for (const auto& worker : impl_->workers) worker->PostDrain(grace);
  {
    std::unique_lock<std::mutex> lock(impl_->mutex);
    impl_->one_drained.wait_for(lock, grace, [this] { return impl_->AllDrained(); });
  }
  for (const auto& worker : impl_->workers) worker->PostEnd();
  {
    std::unique_lock<std::mutex> lock(impl_->mutex);
    impl_->one_drained.wait(lock, [this] { return impl_->AllDrained(); });
  }
  impl_->reactor.reset();
  impl_->port_lock.Reset();
}

int Server::workers() const { return static_cast<int>(impl_->workers.size()); }

void Server::Post(int worker, std::function<void()> work) {
  impl_->workers.at(static_cast<std::size_t>(worker))->Post(std::move(work));
}

Server::Stats Server::stats() const {
  Stats stats;
  stats.connections_open = static_cast<std::uint64_t>(impl_->open.load());
  for (const auto& worker : impl_->workers) stats.requests += worker->requests();
  return stats;
}

}  // namespace gatehouse::http
