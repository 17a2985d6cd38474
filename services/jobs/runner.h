// The worker inside the jobs process: claims jobs of the registered types under
// one leased session and runs them on a few threads. It reaches jobs only through
// lease_store, as every worker does. Not the plug-in host.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>

#include "libs/exec/pool.h"
#include "libs/metrics/metrics.h"
#include "libs/pg/database.h"
#include "services/jobs/attempt_context.h"
#include "services/jobs/job_type.h"
#include "services/jobs/lease_store.h"

namespace gatehouse::jobs {

class Runner {
 public:
  struct Options {
    std::string name = "builtin";  // Of the worker, for people.
    int slots = 4;                 // Jobs at once.
    std::chrono::milliseconds lease{3000};
    std::chrono::milliseconds heartbeat{1000};
    std::chrono::milliseconds poll_idle{1000};
    std::chrono::milliseconds poll_busy{200};
    RetryPolicy retry = {};
  };

  // `changed` is called after an attempt has ended; it must not block. `db` and
  // `types` must outlive this; `db` needs `slots` + 2 connections of its own, or
  // a busy pool would cost the lease.
  Runner(pg::Database& db, const JobTypes& types, Options options, std::function<void()> changed);
  ~Runner();

  // Once.
  void Start();

  // Gives every lease back at once, stops the handlers and joins. Idempotent.
  void Stop();

  // Looks for jobs and cancellations now. A hint; thread-safe.
  void Wake();

 private:
  using Contexts = std::map<std::int64_t, std::shared_ptr<AttemptContext>>;  // By fencing token.

  std::chrono::milliseconds ClaimStep();
  std::chrono::milliseconds HeartbeatStep();
  // The current session, opened if there is none; "" when that failed.
  std::string Session();
  void LoseSession(const std::string& session);
  // Gives up attempts that the session holds and no thread knows: a claim whose
  // answer was lost, an end that could not be saved. They would stay leased as
  // long as this lives. True when there is none left.
  bool DropStrays(const std::string& session);
  void Launch(const Claim& claim);
  void Execute(const Claim& claim, AttemptContext& context);
  void Count(const absl::StatusOr<std::string>& result, const absl::Status& said);
  absl::Status Report(const Claim& claim, const AttemptContext& context,
                      const absl::StatusOr<std::string>& result);
  // Repeats `say` while the database does not answer; the token guards it.
  absl::Status Persist(const AttemptContext& context, const std::function<absl::Status()>& say);

  pg::Database& db_;
  const JobTypes& types_;
  const Options options_;
  const std::function<void()> changed_;

  metrics::Gauge& running_now_;
  metrics::Counter& succeeded_;
  metrics::Counter& failed_;
  metrics::Counter& refused_;

  std::mutex mutex_;
  std::string session_;                       // guarded by mutex_
  bool strays_ = false;                       // There may be; guarded by mutex_
  Contexts running_;                          // guarded by mutex_
  std::minstd_rand jitter_;                   // guarded by mutex_
  std::unique_ptr<exec::Ticker> heartbeats_;  // guarded by mutex_
  std::unique_ptr<exec::Ticker> claims_;      // guarded by mutex_
  std::unique_ptr<exec::Pool> pool_;          // Set by Start, before the tickers.
};

}  // namespace gatehouse::jobs
