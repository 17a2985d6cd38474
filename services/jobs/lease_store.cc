#include "services/jobs/lease_store.h"

#include "libs/base/failpoint.h"
#include "libs/base/uuid.h"
#include "services/jobs/disposal.h"
#include "services/jobs/job_store.h"
#include "services/jobs/json_text.h"
#include "services/jobs/settle.h"
#include "services/jobs/timeline.h"

namespace gatehouse::jobs {
namespace {

absl::Status Stale() {
  return Error(absl::StatusCode::kFailedPrecondition, "ATTEMPT_STALE",
               "the attempt has ended or the job was given to another worker");
}

}  // namespace

constexpr char kOpenSession[] = R"(
INSERT INTO jobs.worker_sessions (id, name, lease_expire_time)
VALUES ($1::uuid, $2, now() + $3::bigint * interval '1 millisecond'))";

absl::StatusOr<std::string> OpenSession(pg::Database& db, const std::string& worker_name,
                                        std::chrono::milliseconds lease) {
  const std::string id = UuidV7();
  const std::int64_t millis = lease.count();
  GH_RETURN_IF_ERROR(db.Statement([&](pg::Tx& tx) -> absl::Status {
    tx.exec_params(kOpenSession, id, worker_name, millis);
    return absl::OkStatus();
  }));
  return id;
}

constexpr char kRenewSession[] = R"(
WITH renewed AS (
  UPDATE jobs.worker_sessions
  SET heartbeat_time = now(), lease_expire_time = now() + $2::bigint * interval '1 millisecond'
  WHERE id = $1::uuid RETURNING id)
SELECT job.id AS job_id, job.fencing_token FROM renewed
LEFT JOIN jobs.jobs AS job ON job.lease_session = renewed.id AND job.cancel_requested)";

absl::StatusOr<Renewal> RenewSession(pg::Database& db, const std::string& session_id,
                                     std::chrono::milliseconds lease) {
  const std::int64_t millis = lease.count();
  return db.Statement([&](pg::Tx& tx) -> absl::StatusOr<Renewal> {
    const pqxx::result rows = tx.exec_params(kRenewSession, session_id, millis);
    Renewal renewal;
    renewal.alive = !rows.empty();
    for (const pqxx::row& row : rows) {
      if (row["job_id"].is_null()) continue;
      renewal.cancelled.push_back({row["job_id"].c_str(), row["fencing_token"].as<std::int64_t>()});
    }
    return renewal;
  });
}

constexpr char kListAttempts[] = R"(
SELECT id, fencing_token FROM jobs.jobs WHERE lease_session = $1::uuid ORDER BY id)";

absl::StatusOr<std::vector<Attempt>> ListAttempts(pg::Database& db, const std::string& session_id) {
  return db.Read([&](pg::Tx& tx) -> absl::StatusOr<std::vector<Attempt>> {
    std::vector<Attempt> attempts;
    for (const pqxx::row& row : tx.exec_params(kListAttempts, session_id)) {
      attempts.push_back({row["id"].c_str(), row["fencing_token"].as<std::int64_t>()});
    }
    return attempts;
  });
}

// The session's row is locked against the reaper for the length of the claim:
// either the reaper sees the claimed jobs, or the claim sees no session. A claim
// without a lease must not be, or nobody would ever rescue its jobs.
constexpr char kClaimJobs[] = R"(
WITH session AS (
  SELECT id, name FROM jobs.worker_sessions
  WHERE id = $1::uuid AND lease_expire_time > now() FOR KEY SHARE),
ready AS (
  SELECT job.id FROM jobs.jobs AS job
  WHERE job.state = 'queued' AND job.run_time <= now() AND job.type = ANY ($2::text[])
    AND EXISTS (SELECT FROM session)
  ORDER BY job.priority DESC, job.run_time, job.id LIMIT $3 FOR NO KEY UPDATE OF job SKIP LOCKED),
claimed AS (
  UPDATE jobs.jobs AS job
  SET state = 'running', lease_session = $1::uuid, attempts = job.attempts + 1,
      fencing_token = nextval('jobs.fencing_tokens'), start_time = now()
  FROM ready WHERE job.id = ready.id
  RETURNING job.id, job.tenant_id, job.user_id, job.type, job.payload, job.attempts, job.trace_id,
            job.fencing_token, job.priority, job.run_time),
told AS (
  INSERT INTO jobs.job_events (job_id, tenant_id, level, source, message, data)
  SELECT id, tenant_id, 'info', 'queue', 'started',
         jsonb_build_object('attempt', attempts, 'fencing_token', fencing_token,
                            'worker', (SELECT name FROM session))
  FROM claimed),
fed AS (
  INSERT INTO jobs.events (tenant_id, user_id, type, subject, data)
  SELECT tenant_id, user_id, 'execution.started', 'job/' || id,
         jsonb_build_object('execution_id', id, 'type', type, 'status', 'running')
  FROM claimed)
SELECT id, tenant_id, type, payload, attempts, trace_id, fencing_token FROM claimed
ORDER BY priority DESC, run_time, id)";

absl::StatusOr<std::vector<Claim>> ClaimJobs(pg::Database& db, const std::string& session_id,
                                             const std::vector<std::string>& types, int limit) {
  return db.Statement([&](pg::Tx& tx) -> absl::StatusOr<std::vector<Claim>> {
    std::vector<Claim> claims;
    for (const pqxx::row& row :
         tx.exec_params(kClaimJobs, session_id, pg::TextArray(types), limit)) {
      claims.push_back({.attempt = {row["id"].c_str(), row["fencing_token"].as<std::int64_t>()},
                        .tenant_id = row["tenant_id"].as<std::int64_t>(),
                        .type = row["type"].c_str(),
                        .payload = row["payload"].c_str(),
                        .number = row["attempts"].as<int>(),
                        .trace_id = row["trace_id"].c_str()});
    }
    return claims;
  });
}

absl::Status SaveProgress(pg::Database& db, const Attempt& attempt, int percent,
                          const std::string& message) {
  return db.InTransaction([&](pg::Tx& tx) -> absl::Status {
    GH_ASSIGN_OR_RETURN(const std::optional<Job> job, LockAttempt(tx, attempt));
    if (!job) return Stale();
    GH_RETURN_IF_ERROR(
        AppendTimeline(tx, job->id, job->tenant_id,
                       {.source = "worker",
                        .message = message,
                        .data_json = JsonObject({{"attempt", std::int64_t{job->attempts}},
                                                 {"percent", std::int64_t{percent}}})}));
    return AppendProgress(tx, *job, percent);
  });
}

absl::Status CompleteAttempt(pg::Database& db, const Attempt& attempt,
                             const std::string& result_json, const std::vector<UsageLine>& usage) {
  absl::Status status = db.InTransaction([&](pg::Tx& tx) -> absl::Status {
    GH_ASSIGN_OR_RETURN(std::optional<Job> job, LockAttempt(tx, attempt));
    if (!job) {
      // A repeat by the same attempt, whose first answer was lost, is no stranger.
      GH_ASSIGN_OR_RETURN(const std::optional<Job> ended, FindJob(tx, attempt.job_id, 0));
      const bool repeat =
          ended && ended->state == State::kSuccess && ended->fencing_token == attempt.fencing_token;
      return repeat ? absl::OkStatus() : Stale();
    }
    job->state = State::kSuccess;
    job->result = result_json;
    GH_RETURN_IF_ERROR(EndJob(tx, *job, usage));
    GH_RETURN_IF_ERROR(
        AppendTimeline(tx, job->id, job->tenant_id,
                       {.source = "worker",
                        .message = "succeeded",
                        .data_json = JsonObject({{"attempt", std::int64_t{job->attempts}}})}));
    if (Failpoint("jobs.complete.commit")) return absl::UnavailableError("failpoint");
    return absl::OkStatus();
  });
  if (status.ok() && Failpoint("jobs.complete.committed")) {
    return absl::UnavailableError("failpoint");
  }
  return status;
}

absl::StatusOr<State> FailAttempt(pg::Database& db, const Attempt& attempt,
                                  const Failure& failure) {
  return db.InTransaction([&](pg::Tx& tx) -> absl::StatusOr<State> {
    GH_ASSIGN_OR_RETURN(std::optional<Job> job, LockAttempt(tx, attempt));
    if (!job) return Stale();
    return DisposeOfAttempt(tx, *job, failure);
  });
}

namespace {

constexpr char kLockSession[] = R"(
SELECT id FROM jobs.worker_sessions WHERE id = $1::uuid FOR UPDATE)";

// Whoever locks one of them is claiming with it or renewing it; the next look
// decides. now() is when the transaction began: a lease that ended while this
// waited for a stalled database is not over. A hundred bound the transaction.
constexpr char kLockOverdue[] = R"(
SELECT id FROM jobs.worker_sessions WHERE lease_expire_time < now()
ORDER BY lease_expire_time LIMIT 100 FOR UPDATE SKIP LOCKED)";

constexpr char kDeleteSessions[] = R"(
DELETE FROM jobs.worker_sessions WHERE id = ANY ($1::uuid[]))";

// Ends the sessions in `locked` and disposes of what they run.
absl::StatusOr<int> EndSessions(pg::Tx& tx, const pqxx::result& locked, const Failure& failure) {
  std::vector<std::string> ids;
  for (const pqxx::row& row : locked) ids.push_back(row[0].c_str());
  if (ids.empty()) return 0;
  GH_ASSIGN_OR_RETURN(std::vector<Job> jobs, LockJobsOfSessions(tx, ids));
  for (Job& job : jobs) GH_RETURN_IF_ERROR(DisposeOfAttempt(tx, job, failure).status());
  tx.exec_params(kDeleteSessions, pg::TextArray(ids));
  return static_cast<int>(jobs.size());
}

}  // namespace

absl::StatusOr<int> CloseSession(pg::Database& db, const std::string& session_id) {
  return db.InTransaction([&](pg::Tx& tx) -> absl::StatusOr<int> {
    return EndSessions(tx, tx.exec_params(kLockSession, session_id),
                       {.ending = Ending::kReturned, .error = "the worker is shutting down"});
  });
}

absl::StatusOr<int> ReapSessions(pg::Database& db) {
  return db.InTransaction([&](pg::Tx& tx) -> absl::StatusOr<int> {
    return EndSessions(tx, tx.exec(kLockOverdue),
                       {.ending = Ending::kLost, .error = "the worker's lease ended"});
  });
}

}  // namespace gatehouse::jobs
