// Prometheus metrics of the process: pre-resolved counters, gauges and
// histograms, served on a private port. Resolve at start, keep the pointer:
// looking a label up per call costs twenty times an increment. Not for label
// values from outside (they would be unbounded).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "libs/status/status.h"

namespace gatehouse::metrics {

using Labels = std::map<std::string, std::string>;

// Thread-safe handles that live as long as the process.
class Counter {
 public:
  void Increment(double by = 1);

 private:
  friend Counter& GetCounter(const std::string&, const std::string&, const Labels&);
  void* counter_ = nullptr;
};

class Gauge {
 public:
  void Set(double value);
  void Add(double by);

 private:
  friend Gauge& GetGauge(const std::string&, const std::string&, const Labels&);
  void* gauge_ = nullptr;
};

class Histogram {
 public:
  void Observe(double value);

 private:
  friend Histogram& GetHistogram(const std::string&, const std::string&, const Labels&,
                                 const std::vector<double>&);
  void* histogram_ = nullptr;
};

// The same name and labels give the same handle. `name` follows Prometheus'
// rules (gatehouse_…_total, …_seconds); `help` is one sentence.
Counter& GetCounter(const std::string& name, const std::string& help, const Labels& labels = {});
Gauge& GetGauge(const std::string& name, const std::string& help, const Labels& labels = {});
// `bounds` in the metric's unit; empty: 0.5 ms … 10 s for latencies in seconds.
Histogram& GetHistogram(const std::string& name, const std::string& help, const Labels& labels = {},
                        const std::vector<double>& bounds = {});

// Off: histograms and counters stand still, and GET /metrics has none of the above.
// Gauges go on, so that they are right afterwards. On at start; thread-safe.
void SetEnabled(bool enabled);

// What one series of a metric says now; of a histogram, how much it has observed.
struct Sample {
  Labels labels;
  double value = 0;
};

// Every series of the metric `name`. Walks over all metrics: not for each request.
std::vector<Sample> Samples(const std::string& name);

// Serves GET /metrics until destroyed.
class Exposer {
 public:
  // `address` is "host:port"; port 0 lets the system choose.
  static absl::StatusOr<std::unique_ptr<Exposer>> Start(const std::string& address);
  ~Exposer();

  // "127.0.0.1:9464": where it really listens.
  const std::string& address() const { return address_; }

 private:
  Exposer() = default;
  struct Impl;
  std::unique_ptr<Impl> impl_;
  std::string address_;
};

}  // namespace gatehouse::metrics
