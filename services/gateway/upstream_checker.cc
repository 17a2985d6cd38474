#include "services/gateway/upstream_checker.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "libs/log/log.h"
#include "services/gateway/upstream_metrics.h"
#include "services/gateway/upstream_names.h"
#include "services/gateway/upstream_probe.h"

namespace gatehouse::gateway {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kProbePatience{1000};
constexpr milliseconds kStepMax{500};     // How old the breakers' metrics may be.
constexpr milliseconds kWhileNaming{50};  // Between looks at a resolution under way.
constexpr std::size_t kEndpointSeriesMax = 500;

// The gauge of an address; null behind kEndpointSeriesMax of them.
metrics::Gauge* UpGauge(const std::string& upstream, const std::string& endpoint) {
  static std::map<std::pair<std::string, std::string>, metrics::Gauge*>& known =
      *new std::map<std::pair<std::string, std::string>, metrics::Gauge*>();
  const auto key = std::pair(upstream, endpoint);
  const auto found = known.find(key);
  if (found != known.end()) return found->second;
  if (known.size() >= kEndpointSeriesMax) return nullptr;
  return known[key] = &metrics::GetGauge("gatehouse_upstream_endpoint_up",
                                         "Whether an address of an upstream answers its probes.",
                                         {{"upstream", upstream}, {"endpoint", endpoint}});
}

double NumberOf(http::UpstreamGroup::Breaker breaker) {
  switch (breaker) {
    case http::UpstreamGroup::Breaker::kClosed:
      return 0;
    case http::UpstreamGroup::Breaker::kHalfOpen:
      return 1;
    case http::UpstreamGroup::Breaker::kOpen:
      return 2;
  }
  return 0;
}

}  // namespace

// An address as the probes find it.
struct WatchedEndpoint {
  std::shared_ptr<http::Endpoint> endpoint;
  int failures = 0;  // In a row.
  metrics::Gauge* up = nullptr;

  // The outcome of a probe.
  void Note(const std::string& upstream, bool is_well) {
    failures = is_well ? 0 : std::min(failures + 1, UpstreamChecker::kFailuresMax);
    const bool was_up = endpoint->is_up.load(std::memory_order_relaxed);
    const bool is_up = is_well || (was_up && failures < UpstreamChecker::kFailuresMax);
    if (up != nullptr) up->Set(is_up ? 1 : 0);
    if (is_up == was_up) return;
    endpoint->is_up.store(is_up, std::memory_order_relaxed);
    if (is_up) {
      log::Info("an address of an upstream is up",
                {{"upstream", upstream}, {"endpoint", endpoint->name}});
    } else {
      log::Warning("an address of an upstream is down",
                   {{"upstream", upstream}, {"endpoint", endpoint->name}});
    }
  }
};

// What is known of one group.
struct UpstreamChecker::Watched {
  std::vector<std::string> urls;
  std::shared_ptr<http::UpstreamGroup> group;  // The latest of that name.
  std::optional<Resolution> resolution;        // Under way.
  bool was_found = true;                       // At the last resolution.
  SteadyTime resolve_at;
  SteadyTime probe_at;
  std::vector<WatchedEndpoint> endpoints;

  void TakeEndpoints(const std::string& name) {
    std::vector<WatchedEndpoint> next;
    for (const auto& endpoint : group->endpoints()) {
      const auto known = std::find_if(endpoints.begin(), endpoints.end(), [&](const auto& other) {
        return other.endpoint == endpoint;
      });
      next.push_back(known != endpoints.end()
                         ? *known
                         : WatchedEndpoint{endpoint, 0, UpGauge(name, endpoint->name)});
    }
    for (const WatchedEndpoint& old : endpoints) {
      const bool stays = std::any_of(next.begin(), next.end(), [&](const auto& other) {
        return other.endpoint == old.endpoint;
      });
      if (!stays && old.up != nullptr) old.up->Set(0);
    }
    endpoints = std::move(next);
  }
};

namespace {

bool IsNew(const UpstreamConfig& upstream, const Snapshot* previous) {
  if (previous == nullptr) return true;
  return std::ranges::none_of(previous->config.upstreams, [&](const UpstreamConfig& one) {
    return one.options.name == upstream.options.name && one.urls == upstream.urls;
  });
}

}  // namespace

void ResolveNewGroups(const Snapshot& snapshot, const Snapshot* previous, milliseconds patience) {
  std::vector<std::pair<http::UpstreamGroup*, std::unique_ptr<Resolution>>> under_way;
  for (const UpstreamConfig& config : snapshot.config.upstreams) {
    const auto group = snapshot.groups.find(config.options.name);
    if (group == snapshot.groups.end() || !IsNew(config, previous)) continue;
    under_way.emplace_back(group->second.get(), std::make_unique<Resolution>(config.urls));
  }
  const SteadyTime end = steady_clock::now() + patience;
  for (auto& [group, resolution] : under_way) {
    const auto left = std::chrono::ceil<milliseconds>(end - steady_clock::now());
    if (resolution->IsDone(std::max(left, milliseconds(0)))) {
      group->SetEndpoints(resolution->Take());
    }
  }
}

UpstreamChecker::UpstreamChecker(const LiveConfig& live)
    : live_(live), stop_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  ticker_ = std::make_unique<exec::Ticker>("upstreams", [this] { return Step(); });
}

UpstreamChecker::~UpstreamChecker() {
  const std::uint64_t one = 1;
  // Cannot fail: nobody else has written.
  [[maybe_unused]] const ssize_t written = ::write(stop_.get(), &one, sizeof one);
  ticker_.reset();
}

void UpstreamChecker::Wake() {
  woken_ = true;
  ticker_->Wake();
}

milliseconds UpstreamChecker::Step() {
  const SnapshotPtr snapshot = live_.Get();
  const SteadyTime now = steady_clock::now();
  const bool was_woken = woken_.exchange(false);
  milliseconds wait = kStepMax;
  for (const UpstreamConfig& config : snapshot->config.upstreams) {
    const auto group = snapshot->groups.find(config.options.name);
    if (group == snapshot->groups.end()) continue;
    std::unique_ptr<Watched>& watched = watched_[config.options.name];
    // With other options or addresses it is another group. A resolution under way is for
    // it, too, unless the names are others: their thread cannot be stopped.
    if (!watched || watched->urls != config.urls) {
      watched = std::make_unique<Watched>();
      watched->urls = config.urls;
    }
    watched->group = group->second;
    if (was_woken) watched->resolve_at = watched->probe_at = now;
    Resolve(config, watched.get(), now);
    if (watched->resolution) wait = std::min(wait, kWhileNaming);
    if (config.health_interval.count() > 0) wait = std::min(wait, config.health_interval);
  }
  ForgetOthers(*snapshot);
  ProbeDue(*snapshot, now);
  ShowStates(*snapshot, now);
  return wait;
}

void UpstreamChecker::Resolve(const UpstreamConfig& config, Watched* watched, SteadyTime now) {
  if (!watched->resolution) {
    if (now < watched->resolve_at) return;
    watched->resolution.emplace(config.urls);
    watched->resolve_at = now + kResolveInterval;
  }
  if (!watched->resolution->IsDone()) return;
  Endpoints found = watched->resolution->Take();
  watched->resolution.reset();
  const bool was_found = !found.empty();
  // An old address is better than none.
  if (was_found) {
    watched->group->SetEndpoints(std::move(found));
  } else {
    watched->resolve_at = now + std::chrono::seconds(1);
  }
  if (was_found != watched->was_found) {
    if (was_found) {
      log::Info("the names of an upstream resolve again", {{"upstream", config.options.name}});
    } else {
      log::Warning("no name of an upstream resolves", {{"upstream", config.options.name}});
    }
  }
  watched->was_found = was_found;
  watched->TakeEndpoints(config.options.name);
}

void UpstreamChecker::ForgetOthers(const Snapshot& snapshot) {
  for (auto at = watched_.begin(); at != watched_.end();) {
    if (snapshot.groups.contains(at->first)) {
      ++at;
      continue;
    }
    for (const WatchedEndpoint& endpoint : at->second->endpoints) {
      if (endpoint.up != nullptr) endpoint.up->Set(0);
    }
    at = watched_.erase(at);
  }
}

void UpstreamChecker::ProbeDue(const Snapshot& snapshot, SteadyTime now) {
  std::vector<ProbeTarget> targets;
  std::vector<std::pair<const std::string*, WatchedEndpoint*>> asked;
  for (const UpstreamConfig& config : snapshot.config.upstreams) {
    const auto found = watched_.find(config.options.name);
    if (found == watched_.end() || config.urls.empty() || now < found->second->probe_at) continue;
    if (config.health_interval.count() == 0) continue;  // Requests alone tell.
    found->second->probe_at = now + config.health_interval;
    for (WatchedEndpoint& endpoint : found->second->endpoints) {
      targets.push_back(
          {endpoint.endpoint, AuthorityOfUrl(config.urls.front()), config.health_path});
      asked.emplace_back(&config.options.name, &endpoint);
    }
  }
  if (targets.empty()) return;
  const std::vector<bool> well = Probe(targets, kProbePatience, stop_.get());
  for (std::size_t i = 0; i < well.size(); ++i) asked[i].second->Note(*asked[i].first, well[i]);
}

void UpstreamChecker::ShowStates(const Snapshot& snapshot, SteadyTime now) {
  for (const auto& [name, group] : snapshot.groups) {
    UpstreamMetricsOf(name).breaker_state->Set(NumberOf(group->breaker(now)));
  }
}

}  // namespace gatehouse::gateway
