#include "services/jobs/timeline.h"

#include <cstdlib>

#include "libs/base/time_text.h"
#include "libs/pg/feed.h"
#include "services/jobs/json_text.h"

namespace gatehouse::jobs {
namespace {

constexpr std::size_t kMessageBytesMax = 2000;

const char* EventType(State state) {
  switch (state) {
    case State::kQueued:
      return "execution.queued";
    case State::kRunning:
      return "execution.started";
    case State::kSuccess:
      return "execution.completed";
    case State::kFailed:
    case State::kCancelled:
      return "execution.failed";
  }
  std::abort();
}

absl::Status Append(pg::Tx& tx, const Job& job, const char* type, const std::string& data_json) {
  pg::Event event;
  event.tenant_id = job.tenant_id;
  event.user_id = job.user_id;
  event.type = type;
  event.subject = "job/" + job.id;
  event.data_json = data_json;
  return pg::AppendEvent(tx, "jobs", event);
}

}  // namespace

constexpr char kAppendTimeline[] = R"(
INSERT INTO jobs.job_events (job_id, tenant_id, level, source, message, data)
VALUES ($1::uuid, $2, $3, $4, $5, $6::jsonb))";

absl::Status AppendTimeline(pg::Tx& tx, const std::string& job_id, std::int64_t tenant_id,
                            const TimelineLine& line) {
  tx.exec_params(kAppendTimeline, job_id, tenant_id, line.level, line.source,
                 CleanText(line.message, kMessageBytesMax), line.data_json);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<TimelineEvent>> ReadTimeline(pg::Tx& tx, const std::string& job_id,
                                                        std::int64_t after_sequence, int limit) {
  static const std::string kReadTimeline =
      "SELECT sequence, " + pg::MicrosOf("create_time") +
      " AS create_micros, level, source, message, data FROM jobs.job_events"
      " WHERE job_id = $1::uuid AND sequence > $2 ORDER BY sequence LIMIT $3";
  std::vector<TimelineEvent> events;
  for (const pqxx::row& row : tx.exec_params(kReadTimeline, job_id, after_sequence, limit)) {
    TimelineEvent event;
    event.sequence = row["sequence"].as<std::int64_t>();
    event.create_time = FromMicros(row["create_micros"].as<std::int64_t>());
    event.line = {row["level"].c_str(), row["source"].c_str(), row["message"].c_str(),
                  row["data"].c_str()};
    events.push_back(std::move(event));
  }
  return events;
}

absl::Status AppendExecution(pg::Tx& tx, const Job& job) {
  const bool failed = job.state == State::kFailed;
  const bool cancelled = job.state == State::kCancelled;
  return Append(tx, job, EventType(job.state),
                JsonObject({{"execution_id", job.id},
                            {"type", job.type},
                            {"status", StateName(job.state)},
                            {"error", failed ? JsonValue(job.error) : JsonValue(std::nullopt)},
                            {"reason", cancelled ? JsonValue(std::string("cancelled"))
                                                 : JsonValue(std::nullopt)}}));
}

absl::Status AppendProgress(pg::Tx& tx, const Job& job, int percent) {
  return Append(tx, job, "execution.progress",
                JsonObject({{"execution_id", job.id},
                            {"type", job.type},
                            {"status", StateName(job.state)},
                            {"progress", std::int64_t{percent}}}));
}

}  // namespace gatehouse::jobs
