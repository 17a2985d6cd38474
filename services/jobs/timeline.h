// What is told about a job: lines of its timeline (jobs.job_events) and events of
// the feed (jobs.events). Written in the transaction of the change they tell of,
// after the job's row is locked. Not the log.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "libs/pg/database.h"
#include "services/jobs/job.h"

namespace gatehouse::jobs {

struct TimelineLine {
  std::string level = "info";  // debug, info, warning, error
  std::string source;          // api, queue, worker, billing
  std::string message;
  std::string data_json = "{}";  // JSON object without NUL
};

struct TimelineEvent {
  std::int64_t sequence = 0;
  Time create_time;
  TimelineLine line;
};

absl::Status AppendTimeline(pg::Tx& tx, const std::string& job_id, std::int64_t tenant_id,
                            const TimelineLine& line);

// Oldest first, after `after_sequence`.
absl::StatusOr<std::vector<TimelineEvent>> ReadTimeline(pg::Tx& tx, const std::string& job_id,
                                                        std::int64_t after_sequence, int limit);

// The feed's event of a job that is now in `job.state`: execution.queued,
// .started, .completed, or .failed (a cancelled job: status and reason
// "cancelled").
absl::Status AppendExecution(pg::Tx& tx, const Job& job);

// execution.progress.
absl::Status AppendProgress(pg::Tx& tx, const Job& job, int percent);

}  // namespace gatehouse::jobs
