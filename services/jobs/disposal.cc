#include "services/jobs/disposal.h"

#include "services/jobs/activity.h"
#include "services/jobs/job_store.h"
#include "services/jobs/json_text.h"
#include "services/jobs/settle.h"
#include "services/jobs/timeline.h"

namespace gatehouse::jobs {
namespace {

constexpr std::size_t kErrorBytesMax = 2000;

constexpr char kQueueAgain[] = R"(
UPDATE jobs.jobs
SET state = 'queued', lease_session = NULL, attempts = $2,
    run_time = now() + $3::bigint * interval '1 millisecond',
    tokens_in = tokens_in + $4, tokens_out = tokens_out + $5
WHERE id = $1::uuid)";

absl::Status QueueAgain(pg::Tx& tx, Job& job, const Failure& failure, const Next& next) {
  const std::int64_t delay =
      next.delayed ? RetryDelay(failure.retry, job.attempts, failure.jitter).count() : 0;
  const int number = job.attempts;
  if (!next.counts) --job.attempts;
  // Counted with the message that owes them to billing, under the attempt's lock: once,
  // however often that is delivered.
  const Tokens tokens = TokensOf(failure.usage);
  tx.exec_params(kQueueAgain, job.id, job.attempts, delay, tokens.in, tokens.out);
  if (!failure.usage.empty()) {
    GH_RETURN_IF_ERROR(AppendMessage(tx, job.id, PartMessage(job, failure.usage)));
  }
  GH_RETURN_IF_ERROR(AppendTimeline(
      tx, job.id, job.tenant_id,
      {.level = next.counts ? "warning" : "info",
       .source = "queue",
       .message = "queued again: " + job.error,
       .data_json = JsonObject({{"attempt", std::int64_t{number}}, {"delay_millis", delay}})}));
  return AppendExecution(tx, job);
}

}  // namespace

constexpr char kLockAttempt[] = R"(
 FROM jobs.jobs WHERE id = $1::uuid AND fencing_token = $2 AND state = 'running'
FOR NO KEY UPDATE)";

absl::StatusOr<std::optional<Job>> LockAttempt(pg::Tx& tx, const Attempt& attempt) {
  static const std::string kSql = "SELECT " + JobHeadColumns() + kLockAttempt;
  const pqxx::result rows = tx.exec_params(kSql, attempt.job_id, attempt.fencing_token);
  if (rows.empty()) return std::optional<Job>();
  return std::optional<Job>(FromRow(rows[0]));
}

// In order of id, so that two of these can never wait for each other.
constexpr char kLockJobsOfSessions[] = R"(
 FROM jobs.jobs WHERE lease_session = ANY ($1::uuid[]) ORDER BY id FOR NO KEY UPDATE)";

absl::StatusOr<std::vector<Job>> LockJobsOfSessions(pg::Tx& tx,
                                                    const std::vector<std::string>& session_ids) {
  static const std::string kSql = "SELECT " + JobHeadColumns() + kLockJobsOfSessions;
  std::vector<Job> jobs;
  for (const pqxx::row& row : tx.exec_params(kSql, pg::TextArray(session_ids))) {
    jobs.push_back(FromRow(row));
  }
  return jobs;
}

constexpr char kEndJob[] = R"(
UPDATE jobs.jobs
SET state = $2, result = $3, error = $4, lease_session = NULL, end_time = now(),
    settle_state = 'pending', settle_kind = $5, settle_payload = $6,
    tokens_in = tokens_in + $7, tokens_out = tokens_out + $8
WHERE id = $1::uuid)";

absl::Status EndJob(pg::Tx& tx, const Job& job, const std::vector<UsageLine>& usage) {
  const BillingMessage message = SettleMessage(job, usage);
  const std::string error = job.state == State::kSuccess ? "" : job.error;
  const Tokens tokens = TokensOf(usage);
  tx.exec_params(kEndJob, job.id, std::string(StateName(job.state)), job.result, error,
                 message.kind, pg::ToBytea(message.payload), tokens.in, tokens.out);
  GH_RETURN_IF_ERROR(AppendMessage(tx, job.id, message));
  return AppendExecution(tx, job);
}

absl::StatusOr<State> DisposeOfAttempt(pg::Tx& tx, Job& job, const Failure& failure) {
  const Next next = AfterAttempt(job, failure.ending);
  job.state = next.state;
  job.error = CleanText(failure.error, kErrorBytesMax);
  if (next.state == State::kQueued) {
    GH_RETURN_IF_ERROR(QueueAgain(tx, job, failure, next));
    return job.state;
  }
  if (next.state == State::kCancelled) job.error.clear();
  GH_RETURN_IF_ERROR(EndJob(tx, job, failure.usage));
  const bool cancelled = job.state == State::kCancelled;
  GH_RETURN_IF_ERROR(
      AppendTimeline(tx, job.id, job.tenant_id,
                     {.level = cancelled ? "info" : "error",
                      .source = "queue",
                      .message = cancelled ? "cancelled" : "failed: " + job.error,
                      .data_json = JsonObject({{"attempt", std::int64_t{job.attempts}}})}));
  return job.state;
}

absl::Status CancelQueued(pg::Tx& tx, Job& job) {
  job.state = State::kCancelled;
  GH_RETURN_IF_ERROR(EndJob(tx, job, {}));
  return AppendTimeline(tx, job.id, job.tenant_id, {.source = "queue", .message = "cancelled"});
}

}  // namespace gatehouse::jobs
