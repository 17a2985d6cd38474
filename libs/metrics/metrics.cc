#include "libs/metrics/metrics.h"

#include <netdb.h>
#include <prometheus/collectable.h>
#include <prometheus/counter.h>
#include <prometheus/exposer.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/metric_family.h>
#include <prometheus/registry.h>
#include <sys/socket.h>

#include <atomic>
#include <chrono>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>

#include "libs/base/unique_fd.h"

namespace gatehouse::metrics {
namespace {

// Scrapes are rare; the second thread keeps a slow reader from blocking the next.
constexpr std::size_t kThreads = 2;

using Key = std::pair<std::string, Labels>;

std::atomic<bool> is_enabled{true};

bool IsEnabled() { return is_enabled.load(std::memory_order_relaxed); }

// What a scrape gets: nothing while metrics are off.
class Gate final : public prometheus::Collectable {
 public:
  explicit Gate(std::shared_ptr<prometheus::Registry> registry) : registry_(std::move(registry)) {}
  std::vector<prometheus::MetricFamily> Collect() const override {
    return IsEnabled() ? registry_->Collect() : std::vector<prometheus::MetricFamily>();
  }

 private:
  const std::shared_ptr<prometheus::Registry> registry_;
};

// Lives as long as the process: handles are used until the last thread ends.
struct Registry {
  std::shared_ptr<prometheus::Registry> registry = std::make_shared<prometheus::Registry>();
  // The listener holds it weakly.
  std::shared_ptr<Gate> gate = std::make_shared<Gate>(registry);
  std::mutex mutex;
  std::map<Key, Counter> counters;      // guarded by mutex
  std::map<Key, Gauge> gauges;          // guarded by mutex
  std::map<Key, Histogram> histograms;  // guarded by mutex
};

Registry& Shared() {
  static Registry& registry = *new Registry();
  return registry;
}

// 0.5 ms to 10 s.
const std::vector<double>& LatencyBounds() {
  static const std::vector<double>& bounds = *new std::vector<double>{
      0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10};
  return bounds;
}

// Connects to a listener of this machine and leaves. `host` may be the wildcard
// address, which Linux takes for the loopback.
void Knock(std::string host, int port) {
  if (host.size() > 2 && host.front() == '[') host = host.substr(1, host.size() - 2);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const std::string service = std::to_string(port);
  if (::getaddrinfo(host.empty() ? nullptr : host.c_str(), service.c_str(), &hints, &found) != 0) {
    return;
  }
  const UniqueFd socket(::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  // Only to wake the listener: one that has ended refuses, and that is well.
  (void)::connect(socket.get(), found->ai_addr, found->ai_addrlen);
  ::freeaddrinfo(found);
}

}  // namespace

void SetEnabled(bool enabled) { is_enabled.store(enabled, std::memory_order_relaxed); }

void Counter::Increment(double by) {
  if (IsEnabled()) static_cast<prometheus::Counter*>(counter_)->Increment(by);
}

void Gauge::Set(double value) { static_cast<prometheus::Gauge*>(gauge_)->Set(value); }
void Gauge::Add(double by) { static_cast<prometheus::Gauge*>(gauge_)->Increment(by); }

void Histogram::Observe(double value) {
  if (IsEnabled()) static_cast<prometheus::Histogram*>(histogram_)->Observe(value);
}

Counter& GetCounter(const std::string& name, const std::string& help, const Labels& labels) {
  Registry& shared = Shared();
  const std::lock_guard lock(shared.mutex);
  const auto [entry, added] = shared.counters.try_emplace({name, labels});
  if (added) {
    auto& family = prometheus::BuildCounter().Name(name).Help(help).Register(*shared.registry);
    entry->second.counter_ = &family.Add(labels);
  }
  return entry->second;
}

Gauge& GetGauge(const std::string& name, const std::string& help, const Labels& labels) {
  Registry& shared = Shared();
  const std::lock_guard lock(shared.mutex);
  const auto [entry, added] = shared.gauges.try_emplace({name, labels});
  if (added) {
    auto& family = prometheus::BuildGauge().Name(name).Help(help).Register(*shared.registry);
    entry->second.gauge_ = &family.Add(labels);
  }
  return entry->second;
}

Histogram& GetHistogram(const std::string& name, const std::string& help, const Labels& labels,
                        const std::vector<double>& bounds) {
  Registry& shared = Shared();
  const std::lock_guard lock(shared.mutex);
  const auto [entry, added] = shared.histograms.try_emplace({name, labels});
  if (added) {
    auto& family = prometheus::BuildHistogram().Name(name).Help(help).Register(*shared.registry);
    entry->second.histogram_ = &family.Add(labels, bounds.empty() ? LatencyBounds() : bounds);
  }
  return entry->second;
}

std::vector<Sample> Samples(const std::string& name) {
  std::vector<Sample> samples;
  for (const prometheus::MetricFamily& family : Shared().registry->Collect()) {
    if (family.name != name) continue;
    for (const prometheus::ClientMetric& metric : family.metric) {
      Sample& sample = samples.emplace_back();
      for (const auto& label : metric.label) sample.labels[label.name] = label.value;
      switch (family.type) {
        case prometheus::MetricType::Counter:
          sample.value = metric.counter.value;
          break;
        case prometheus::MetricType::Gauge:
          sample.value = metric.gauge.value;
          break;
        default:
          sample.value = static_cast<double>(metric.histogram.sample_count);
      }
    }
  }
  return samples;
}

struct Exposer::Impl {
  // The listener looks whether it shall stop every two seconds, or when a client
  // comes: clients come until it has stopped.
  ~Impl() {
    if (exposer == nullptr) return;
    std::atomic<bool> stopped{false};
    std::thread clients([&] {
      while (!stopped) {
        Knock(host, port);
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
      }
    });
    exposer.reset();
    stopped = true;
    clients.join();
  }

  std::string host;
  int port = 0;
  std::unique_ptr<prometheus::Exposer> exposer;
};

absl::StatusOr<std::unique_ptr<Exposer>> Exposer::Start(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  if (colon == std::string::npos) {
    return Error(absl::StatusCode::kInvalidArgument, "METRICS_ADDRESS_INVALID",
                 "\"" + address + "\" is not host:port");
  }
  auto impl = std::make_unique<Impl>();
  impl->host = address.substr(0, colon);
  // The library reports a port that is taken by an exception; it ends here.
  try {
    impl->exposer = std::make_unique<prometheus::Exposer>(address, kThreads);
  } catch (const std::exception& failure) {
    return Error(absl::StatusCode::kUnavailable, "METRICS_ADDRESS_UNAVAILABLE",
                 "cannot serve metrics at " + address + ": " + failure.what());
  }
  const std::vector<int> ports = impl->exposer->GetListeningPorts();
  if (ports.empty()) {
    return Error(absl::StatusCode::kInternal, "METRICS_ADDRESS_UNAVAILABLE",
                 "the metrics listener at " + address + " has no port");
  }
  impl->exposer->RegisterCollectable(Shared().gate);
  std::unique_ptr<Exposer> exposer(new Exposer());
  impl->port = ports.front();
  exposer->impl_ = std::move(impl);
  exposer->address_ = address.substr(0, colon + 1) + std::to_string(ports.front());
  return exposer;
}

Exposer::~Exposer() = default;

}  // namespace gatehouse::metrics
