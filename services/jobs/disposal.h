// Writes what becomes of a job when an attempt or the job itself ends, in the
// caller's transaction: state, timeline, feed, debts to billing. The rule is
// AfterAttempt's; LockAttempt checks the fencing token.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "libs/pg/database.h"
#include "services/jobs/job.h"
#include "services/jobs/lease_store.h"

namespace gatehouse::jobs {

// Locks the job if it runs under exactly this fencing token; nullopt otherwise.
absl::StatusOr<std::optional<Job>> LockAttempt(pg::Tx& tx, const Attempt& attempt);

// Locks the jobs that these sessions run.
absl::StatusOr<std::vector<Job>> LockJobsOfSessions(pg::Tx& tx,
                                                    const std::vector<std::string>& session_ids);

// Saves the end of a locked job, `job.state` being the final one, with its feed
// event and its last message to billing.
absl::Status EndJob(pg::Tx& tx, const Job& job, const std::vector<UsageLine>& usage);

// Queues a locked running job again or ends it. Returns its new state.
absl::StatusOr<State> DisposeOfAttempt(pg::Tx& tx, Job& job, const Failure& failure);

// Cancels a locked job that is queued.
absl::Status CancelQueued(pg::Tx& tx, Job& job);

}  // namespace gatehouse::jobs
