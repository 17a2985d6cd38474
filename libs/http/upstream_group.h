// The addresses behind one name of the configuration, and how well they do: who is
// next, who is left out, whether anybody is asked at all. Counts and judges;
// opens no connection and does not look at names. Thread-safe.
#pragma once

#include <sys/socket.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "libs/base/clock.h"

namespace gatehouse::http {

struct UpstreamOptions {
  std::string name;                                  // "core-manager"
  std::string authority;                             // Host of requests, "10.0.0.7:8080"
  std::chrono::milliseconds connect_timeout{10000};  // For one attempt
  std::chrono::milliseconds head_timeout{30000};     // From the request's end to the head
  std::chrono::milliseconds idle_timeout{30000};     // Without a byte either way; not for SSE
  std::chrono::milliseconds tunnel_idle_timeout{600000};
  std::chrono::milliseconds pool_idle{4000};  // Below the 5 s of Node's servers
  int pool_max = 64;                          // Idle connections per worker and endpoint
  bool retries = true;
  int attempts_max = 3;                              // Connects for one request, the first included
  std::chrono::milliseconds retry_backoff{50};       // Before an address is tried again
  bool breaks = true;                                // The circuit breaker
  int breaker_threshold = 5;                         // Failures in a row that open it
  std::chrono::milliseconds breaker_timeout{30000};  // Until one request probes

  bool operator==(const UpstreamOptions&) const = default;
};

// One address. Shared by workers; lives as long as anybody holds it.
struct Endpoint {
  std::string name;  // "10.0.0.7:8080", for logs and metrics
  sockaddr_storage address{};
  socklen_t address_size = 0;
  std::uint64_t id = 0;  // Never given twice in one process.

  std::atomic<bool> is_up{true};              // As the active check last found it.
  std::atomic<int> failures{0};               // In a row, as requests found it.
  std::atomic<SteadyTime::rep> out_until{0};  // Left out after too many.
};

class UpstreamGroup {
 public:
  // Failures in a row after which an endpoint is passed over, and for how long.
  static constexpr int kFailuresMax = 3;
  static constexpr std::chrono::milliseconds kOutTime{10000};

  enum class Breaker { kClosed, kOpen, kHalfOpen };

  explicit UpstreamGroup(UpstreamOptions options);

  const UpstreamOptions& options() const { return options_; }

  // Replaces the endpoints; those whose address stays keep their object and state.
  void SetEndpoints(std::vector<std::shared_ptr<Endpoint>> endpoints);
  std::vector<std::shared_ptr<Endpoint>> endpoints() const;

  // The next endpoint in turn that does well; when none does, any. None of those `tried`
  // (their ids) while there is another. nullptr: there is none, or the breaker is open
  // (then *retry_after says for how long; else it is 0). In half-open state exactly one
  // caller at a time gets an endpoint; it must report. *is_probe: the caller is that
  // one. When it takes longer than connecting and waiting for a head may, the next
  // caller is one too.
  std::shared_ptr<Endpoint> Pick(SteadyTime now, std::span<const std::uint64_t> tried,
                                 std::chrono::milliseconds* retry_after, bool* is_probe = nullptr);

  // How it went: a failure is a refused, reset or late connection, a late or broken
  // head. Statuses of the upstream's own, 5xx included, are successes: they pass.
  // `was_probe` as Pick said: what others began before the breaker opened does not
  // move it. Who has not asked Pick leaves it true.
  void ReportSuccess(Endpoint& endpoint, bool was_probe = true);
  void ReportFailure(Endpoint& endpoint, SteadyTime now, bool was_probe = true);
  // Neither: the client left first. Gives back what Pick gave in half-open state.
  void ReportNothing(bool was_probe = true);

  Breaker breaker(SteadyTime now) const;

 private:
  using Endpoints = std::vector<std::shared_ptr<Endpoint>>;

  const UpstreamOptions options_;
  mutable std::mutex mutex_;
  std::shared_ptr<const Endpoints> endpoints_;  // guarded by mutex_
  std::atomic<std::uint64_t> turn_{0};
  std::atomic<int> failures_{0};  // In a row, of the group.
  // Written under mutex_; 0: closed.
  std::atomic<SteadyTime::rep> open_until_{0};
  bool is_probing_ = false;  // guarded by mutex_
  SteadyTime probe_until_;   // guarded by mutex_; with is_probing_.
};

// "http://host:port" or "http://host" into host and port; an error text, or "".
std::string ParseUpstreamUrl(const std::string& url, std::string* host, std::string* port);

// The endpoints of a name, by getaddrinfo: blocks. Empty when it cannot be resolved.
std::vector<std::shared_ptr<Endpoint>> ResolveEndpoints(const std::string& host,
                                                        const std::string& port);

}  // namespace gatehouse::http
