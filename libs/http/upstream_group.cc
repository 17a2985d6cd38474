#include "libs/http/upstream_group.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace gatehouse::http {
namespace {

using std::chrono::milliseconds;

// What is said while somebody else probes.
constexpr milliseconds kProbeTime{1000};

SteadyTime::rep Ticks(SteadyTime time) { return time.time_since_epoch().count(); }

bool SameAddress(const Endpoint& a, const Endpoint& b) {
  return a.address_size == b.address_size &&
         std::memcmp(&a.address, &b.address, a.address_size) == 0;
}

bool DoesWell(const Endpoint& endpoint, SteadyTime now) {
  return endpoint.is_up.load(std::memory_order_relaxed) &&
         endpoint.out_until.load(std::memory_order_relaxed) <= Ticks(now);
}

// The first from `turn` on that was not tried and does well, else one that was not tried,
// else one that does well, else any.
std::shared_ptr<Endpoint> Choose(const std::vector<std::shared_ptr<Endpoint>>& endpoints,
                                 std::uint64_t turn, std::span<const std::uint64_t> tried,
                                 SteadyTime now) {
  const std::size_t count = endpoints.size();
  const std::shared_ptr<Endpoint>* best = nullptr;
  int least_against_it = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const std::shared_ptr<Endpoint>& next = endpoints[(turn + i) % count];
    const bool was_tried = std::find(tried.begin(), tried.end(), next->id) != tried.end();
    const int against_it = (was_tried ? 2 : 0) + (DoesWell(*next, now) ? 0 : 1);
    if (against_it == 0) return next;
    if (best != nullptr && against_it >= least_against_it) continue;
    best = &next;
    least_against_it = against_it;
  }
  return *best;
}

}  // namespace

UpstreamGroup::UpstreamGroup(UpstreamOptions options)
    : options_(std::move(options)), endpoints_(std::make_shared<Endpoints>()) {}

void UpstreamGroup::SetEndpoints(std::vector<std::shared_ptr<Endpoint>> endpoints) {
  const std::shared_ptr<Endpoints> next = std::make_shared<Endpoints>();
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto find = [](const Endpoints& among, const Endpoint& endpoint) {
    return std::find_if(among.begin(), among.end(),
                        [&](const auto& other) { return SameAddress(*other, endpoint); });
  };
  for (const std::shared_ptr<Endpoint>& endpoint : endpoints) {
    if (find(*next, *endpoint) != next->end()) continue;
    const auto known = find(*endpoints_, *endpoint);
    next->push_back(known != endpoints_->end() ? *known : endpoint);
  }
  endpoints_ = next;
}

std::vector<std::shared_ptr<Endpoint>> UpstreamGroup::endpoints() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return *endpoints_;
}

std::shared_ptr<Endpoint> UpstreamGroup::Pick(SteadyTime now, std::span<const std::uint64_t> tried,
                                              milliseconds* retry_after, bool* is_probe) {
  *retry_after = milliseconds(0);
  if (is_probe != nullptr) *is_probe = false;
  const std::lock_guard<std::mutex> lock(mutex_);
  if (endpoints_->empty()) return nullptr;
  const SteadyTime::rep open_until = open_until_.load(std::memory_order_relaxed);
  if (open_until != 0) {
    if (Ticks(now) < open_until) {
      const SteadyTime::duration left(open_until - Ticks(now));
      *retry_after = std::chrono::ceil<milliseconds>(left);
      return nullptr;
    }
    // A probe that is an upload may take for ever, and nobody else would be served.
    if (is_probing_ && now < probe_until_) {
      *retry_after = kProbeTime;
      return nullptr;
    }
    is_probing_ = true;
    probe_until_ = now + options_.connect_timeout + options_.head_timeout;
    if (is_probe != nullptr) *is_probe = true;
  }
  return Choose(*endpoints_, turn_.fetch_add(1, std::memory_order_relaxed), tried, now);
}

void UpstreamGroup::ReportSuccess(Endpoint& endpoint, bool was_probe) {
  // Written only when they change: they are read by all workers.
  if (endpoint.failures.load(std::memory_order_relaxed) != 0) endpoint.failures = 0;
  if (endpoint.out_until.load(std::memory_order_relaxed) != 0) endpoint.out_until = 0;
  if (open_until_.load() == 0) {
    if (failures_.load(std::memory_order_relaxed) != 0) failures_ = 0;
    return;
  }
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!was_probe || !std::exchange(is_probing_, false)) return;
  failures_ = 0;
  open_until_ = 0;
}

void UpstreamGroup::ReportFailure(Endpoint& endpoint, SteadyTime now, bool was_probe) {
  if (endpoint.failures.fetch_add(1) + 1 >= kFailuresMax)
    endpoint.out_until = Ticks(now + kOutTime);
  if (!options_.breaks) return;
  const std::lock_guard<std::mutex> lock(mutex_);
  if (open_until_.load() == 0) {
    if (failures_.fetch_add(1) + 1 < options_.breaker_threshold) return;
  } else if (!was_probe || !std::exchange(is_probing_, false)) {
    return;
  }
  open_until_ = Ticks(now + options_.breaker_timeout);
}

void UpstreamGroup::ReportNothing(bool was_probe) {
  if (!was_probe || open_until_.load() == 0) return;
  const std::lock_guard<std::mutex> lock(mutex_);
  is_probing_ = false;
}

UpstreamGroup::Breaker UpstreamGroup::breaker(SteadyTime now) const {
  const SteadyTime::rep open_until = open_until_.load();
  if (open_until == 0) return Breaker::kClosed;
  return Ticks(now) < open_until ? Breaker::kOpen : Breaker::kHalfOpen;
}

}  // namespace gatehouse::http
