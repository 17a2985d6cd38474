#include "services/jobs/job_store.h"

#include "libs/base/time_text.h"

namespace gatehouse::jobs {
namespace {

std::optional<Time> TimeOf(const pqxx::field& micros) {
  if (micros.is_null()) return std::nullopt;
  return FromMicros(micros.as<std::int64_t>());
}

std::optional<Job> FirstJob(const pqxx::result& rows) {
  if (rows.empty()) return std::nullopt;
  return FromRow(rows[0]);
}

std::string OtherColumns() {
  return ", id, tenant_id, user_id, type, state, trigger, error, priority, attempts, attempts_max,"
         " request_hash, cancel_requested, trace_id, fencing_token,"
         " CASE settle_state WHEN 'settled' THEN cost_nanos END AS cost_nanos, " +
         pg::MicrosOf("create_time") + " AS create_micros, " + pg::MicrosOf("run_time") +
         " AS run_micros, " + pg::MicrosOf("start_time") + " AS start_micros, " +
         pg::MicrosOf("end_time") + " AS end_micros";
}

}  // namespace

const std::string& JobColumns() {
  static const std::string kColumns = "payload, result" + OtherColumns();
  return kColumns;
}

const std::string& JobHeadColumns() {
  static const std::string kColumns = "'' AS payload, '' AS result" + OtherColumns();
  return kColumns;
}

Job FromRow(const pqxx::row& row) {
  Job job;
  job.id = row["id"].c_str();
  job.tenant_id = row["tenant_id"].as<std::int64_t>();
  job.user_id = row["user_id"].c_str();
  job.type = row["type"].c_str();
  job.state = ParseState(row["state"].c_str());
  job.trigger = row["trigger"].c_str();
  job.payload = row["payload"].c_str();
  job.result = row["result"].c_str();
  job.error = row["error"].c_str();
  job.priority = row["priority"].as<int>();
  job.attempts = row["attempts"].as<int>();
  job.attempts_max = row["attempts_max"].as<int>();
  job.request_hash = pg::Bytes(row["request_hash"]);
  job.cancel_requested = row["cancel_requested"].as<bool>();
  job.trace_id = row["trace_id"].c_str();
  job.fencing_token = row["fencing_token"].as<std::int64_t>();
  job.cost_nanos = pg::Optional<std::int64_t>(row["cost_nanos"]);
  job.create_time = FromMicros(row["create_micros"].as<std::int64_t>());
  job.run_time = FromMicros(row["run_micros"].as<std::int64_t>());
  job.start_time = TimeOf(row["start_micros"]);
  job.end_time = TimeOf(row["end_micros"]);
  return job;
}

// A time in the past would let a job overtake those that wait already.
constexpr char kInsertJob[] = R"(
INSERT INTO jobs.jobs (id, tenant_id, user_id, type, state, trigger, payload, priority,
  attempts_max, idempotency_key, request_hash, unique_key, trace_id, run_time)
VALUES ($1::uuid, $2, $3, $4, 'queued', 'api', $5, $6, $7, nullif($8, ''), $9, nullif($10, ''),
  $11, greatest(now(), 'epoch'::timestamptz + $12::bigint * interval '1 microsecond'))
ON CONFLICT DO NOTHING RETURNING )";

absl::StatusOr<std::optional<Job>> InsertJob(pg::Tx& tx, const NewJob& job) {
  static const std::string kSql = kInsertJob + JobColumns();
  std::optional<std::int64_t> run_micros;
  if (job.run_time) run_micros = ToMicros(*job.run_time);
  return FirstJob(tx.exec_params(kSql, job.id, job.tenant_id, job.user_id, job.type, job.payload,
                                 job.priority, job.attempts_max, job.idempotency_key,
                                 pg::ToBytea(job.request_hash), job.unique_key, job.trace_id,
                                 run_micros));
}

constexpr char kWhereJob[] = R"(
FROM jobs.jobs WHERE id = $1::uuid AND ($2::bigint = 0 OR tenant_id = $2))";

absl::StatusOr<std::optional<Job>> FindJob(pg::Tx& tx, const std::string& id,
                                           std::int64_t tenant_id) {
  static const std::string kSql = "SELECT " + JobColumns() + kWhereJob;
  return FirstJob(tx.exec_params(kSql, id, tenant_id));
}

absl::StatusOr<std::optional<Job>> LockJob(pg::Tx& tx, const std::string& id,
                                           std::int64_t tenant_id) {
  static const std::string kSql = "SELECT " + JobColumns() + kWhereJob + " FOR NO KEY UPDATE";
  return FirstJob(tx.exec_params(kSql, id, tenant_id));
}

constexpr char kFindByUniqueKey[] = R"(
SELECT id FROM jobs.jobs
WHERE tenant_id = $1 AND unique_key = $2 AND state IN ('queued', 'running'))";

absl::StatusOr<std::optional<std::string>> FindByUniqueKey(pg::Tx& tx, std::int64_t tenant_id,
                                                           const std::string& unique_key) {
  const pqxx::result rows = tx.exec_params(kFindByUniqueKey, tenant_id, unique_key);
  if (rows.empty()) return std::optional<std::string>();
  return std::optional<std::string>(rows[0][0].c_str());
}

// The window sums sizes without reading the texts; pages stay below the limit of
// a message even if every payload is as large as it may be.
constexpr char kListPage[] = R"(
FROM (
  SELECT candidate.*, count(*) OVER () AS found,
         sum(octet_length(payload) + octet_length(result)) OVER newest AS bytes,
         row_number() OVER newest AS place
  FROM (
    SELECT * FROM jobs.jobs
    WHERE ($1::bigint = 0 OR tenant_id = $1) AND ($2 = '' OR state = $2) AND ($3 = '' OR type = $3)
      AND ($4::bigint IS NULL OR (create_time, id) <
           ('epoch'::timestamptz + $4::bigint * interval '1 microsecond', $5::uuid))
    ORDER BY create_time DESC, id DESC LIMIT $6) AS candidate
  WINDOW newest AS (ORDER BY create_time DESC, id DESC ROWS UNBOUNDED PRECEDING)) AS page
WHERE place = 1 OR (bytes <= 2097152 AND place < $6)
ORDER BY create_time DESC, id DESC)";

absl::StatusOr<JobPage> ListPage(pg::Tx& tx, const JobFilter& filter,
                                 const std::optional<rpc::PagePosition>& after, int limit) {
  static const std::string kSql = "SELECT found, " + JobColumns() + kListPage;
  const std::string state = filter.state ? StateName(*filter.state) : "";
  std::optional<std::int64_t> micros;
  std::optional<std::string> id;
  if (after) {
    micros = ToMicros(after->time);
    id = after->id;
  }
  const pqxx::result rows =
      tx.exec_params(kSql, filter.tenant_id, state, filter.type, micros, id, limit + 1);
  JobPage page;
  for (const pqxx::row& row : rows) page.jobs.push_back(FromRow(row));
  page.more = !rows.empty() && rows[0]["found"].as<std::size_t>() > rows.size();
  return page;
}

constexpr char kSaveCancelRequest[] = R"(
UPDATE jobs.jobs SET cancel_requested = true WHERE id = $1::uuid)";

absl::Status SaveCancelRequest(pg::Tx& tx, const std::string& id) {
  tx.exec_params(kSaveCancelRequest, id);
  return absl::OkStatus();
}

}  // namespace gatehouse::jobs
