// SQL for worker sessions and what they hold: claims by lease, and the guarded
// ways in which an attempt ends. A worker of any kind passes through these same
// functions. All times are the database's. Each function is one transaction.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "libs/pg/database.h"
#include "services/jobs/attempt_context.h"
#include "services/jobs/job.h"

namespace gatehouse::jobs {

// Names one attempt of a job. What is said under an older token of the same job
// is refused with FAILED_PRECONDITION / ATTEMPT_STALE.
struct Attempt {
  std::string job_id;
  std::int64_t fencing_token = 0;
};

// A job given to a session.
struct Claim {
  Attempt attempt;
  std::int64_t tenant_id = 0;
  std::string type;
  std::string payload;
  int number = 1;  // Of this attempt, from 1.
  std::string trace_id;
};

// Opens a session whose lease ends after `lease` unless renewed. Its UUID.
absl::StatusOr<std::string> OpenSession(pg::Database& db, const std::string& worker_name,
                                        std::chrono::milliseconds lease);

struct Renewal {
  bool alive = false;              // False: the reaper has ended the session.
  std::vector<Attempt> cancelled;  // Running attempts whose job is to be cancelled.
};
// A session that is late but was not reaped lives on: its jobs are still its own.
absl::StatusOr<Renewal> RenewSession(pg::Database& db, const std::string& session_id,
                                     std::chrono::milliseconds lease);

// Ends a session and queues its unfinished jobs again at once, without counting
// the attempts. Returns how many jobs. Idempotent.
absl::StatusOr<int> CloseSession(pg::Database& db, const std::string& session_id);

// The attempts that a session holds, for a worker that is not sure.
absl::StatusOr<std::vector<Attempt>> ListAttempts(pg::Database& db, const std::string& session_id);

// Gives up to `limit` ready jobs of `types` to a session whose lease has not
// ended; the most urgent first. Durable when it returns. After COMMIT_IN_DOUBT
// the session may hold jobs that the worker does not know: see ListAttempts.
absl::StatusOr<std::vector<Claim>> ClaimJobs(pg::Database& db, const std::string& session_id,
                                             const std::vector<std::string>& types, int limit);

// Tells how far an attempt is.
absl::Status SaveProgress(pg::Database& db, const Attempt& attempt, int percent,
                          const std::string& message);

// Success: result, timeline, feed and the final capture in one transaction. OK
// again when this very attempt has completed already.
absl::Status CompleteAttempt(pg::Database& db, const Attempt& attempt,
                             const std::string& result_json, const std::vector<UsageLine>& usage);

// An attempt that ended otherwise: queued again, failed or cancelled by
// AfterAttempt. `delay` is the back-off. Returns the job's new state.
struct Failure {
  Ending ending = Ending::kFailed;
  std::string error = "";
  std::vector<UsageLine> usage = {};
  RetryPolicy retry = {};
  int jitter = 0;  // As for RetryDelay.
};
absl::StatusOr<State> FailAttempt(pg::Database& db, const Attempt& attempt, const Failure& failure);

// Ends sessions whose lease is over and disposes of their jobs as lost. Returns
// how many jobs. Call only as HealthWatch allows.
absl::StatusOr<int> ReapSessions(pg::Database& db);

}  // namespace gatehouse::jobs
