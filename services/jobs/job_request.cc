#include "services/jobs/job_request.h"

#include <cstdlib>

#include "libs/base/secret.h"
#include "libs/base/uuid.h"
#include "libs/rpc/timestamp.h"

namespace gatehouse::jobs {
namespace {

constexpr std::size_t kKeyBytesMax = 255;
constexpr std::int64_t kLastSecond = 253402300799;  // 9999-12-31T23:59:59Z

absl::Status Invalid(const std::string& field, const std::string& description) {
  return WithFieldViolation(
      Error(absl::StatusCode::kInvalidArgument, "REQUEST_INVALID", field + " " + description),
      field, description);
}

absl::Status CheckKey(const std::string& field, const std::string& key) {
  if (key.size() > kKeyBytesMax) return Invalid(field, "must have at most 255 bytes");
  // A text column cannot hold it.
  if (key.find('\0') != std::string::npos) return Invalid(field, "must not contain NUL");
  return absl::OkStatus();
}

absl::Status CheckFields(const v1::SubmitJobRequest& request) {
  if (request.tenant_id() <= 0) return Invalid("tenant_id", "is required");
  if (!request.user_id().empty() && !IsUuid(request.user_id())) {
    return Invalid("user_id", "must be a UUID");
  }
  if (request.has_priority() && (request.priority() < 0 || request.priority() > 9)) {
    return Invalid("priority", "must be from 0 to 9");
  }
  if (request.attempts_max() < 0 || request.attempts_max() > 25) {
    return Invalid("attempts_max", "must be from 1 to 25");
  }
  if (request.has_run_time() &&
      (request.run_time().seconds() < 0 || request.run_time().seconds() > kLastSecond ||
       request.run_time().nanos() < 0 || request.run_time().nanos() > 999999999)) {
    return Invalid("run_time", "must be from 1970 to 9999");
  }
  GH_RETURN_IF_ERROR(CheckKey("idempotency_key", request.idempotency_key()));
  return CheckKey("unique_key", request.unique_key());
}

v1::Job::State ToProto(State state) {
  switch (state) {
    case State::kQueued:
      return v1::Job::STATE_QUEUED;
    case State::kRunning:
      return v1::Job::STATE_RUNNING;
    case State::kSuccess:
      return v1::Job::STATE_SUCCESS;
    case State::kFailed:
      return v1::Job::STATE_FAILED;
    case State::kCancelled:
      return v1::Job::STATE_CANCELLED;
  }
  std::abort();
}

}  // namespace

absl::StatusOr<NewJob> CheckSubmit(const v1::SubmitJobRequest& request, const JobTypes& types,
                                   Time now) {
  GH_RETURN_IF_ERROR(CheckFields(request));
  GH_RETURN_IF_ERROR(types.Check(request.type(), request.payload_json()).status());
  NewJob job;
  job.tenant_id = request.tenant_id();
  job.user_id = request.user_id();
  job.type = request.type();
  job.payload = request.payload_json();
  if (request.has_priority()) job.priority = request.priority();
  if (request.attempts_max() > 0) job.attempts_max = request.attempts_max();
  if (request.has_run_time()) job.run_time = rpc::FromTimestamp(request.run_time());
  job.idempotency_key = request.idempotency_key();
  job.unique_key = request.unique_key();
  job.id = JobId(job.tenant_id, job.idempotency_key, now);
  job.request_hash = RequestHash(job);
  return job;
}

absl::Status CheckTenant(const type::v1::Principal& principal, std::int64_t tenant_id) {
  const bool staff = principal.role() == "admin";
  const bool process = principal.user_id().empty();
  const bool allowed = staff || (tenant_id != 0 && (process || tenant_id == principal.tenant_id()));
  if (allowed && tenant_id >= 0) return absl::OkStatus();
  return Error(absl::StatusCode::kPermissionDenied, "TENANT_FORBIDDEN",
               "only staff may name another tenant");
}

absl::StatusOr<std::optional<State>> FromProto(v1::Job::State state) {
  switch (state) {
    case v1::Job::STATE_UNSPECIFIED:
      return std::optional<State>();
    case v1::Job::STATE_QUEUED:
      return std::optional<State>(State::kQueued);
    case v1::Job::STATE_RUNNING:
      return std::optional<State>(State::kRunning);
    case v1::Job::STATE_SUCCESS:
      return std::optional<State>(State::kSuccess);
    case v1::Job::STATE_FAILED:
      return std::optional<State>(State::kFailed);
    case v1::Job::STATE_CANCELLED:
      return std::optional<State>(State::kCancelled);
    default:
      return Invalid("state", "is unknown");
  }
}

v1::Job ToProto(const Job& job) {
  v1::Job proto;
  proto.set_id(job.id);
  proto.set_tenant_id(job.tenant_id);
  proto.set_type(job.type);
  proto.set_state(ToProto(job.state));
  proto.set_trigger(job.trigger);
  proto.set_payload_json(job.payload);
  proto.set_result_json(job.result);
  proto.set_error(job.error);
  proto.set_priority(job.priority);
  proto.set_attempts(job.attempts);
  proto.set_attempts_max(job.attempts_max);
  if (job.cost_nanos) {
    proto.mutable_cost()->set_currency_code("USD");
    proto.mutable_cost()->set_amount_nanos(*job.cost_nanos);
  }
  *proto.mutable_create_time() = rpc::ToTimestamp(job.create_time);
  *proto.mutable_run_time() = rpc::ToTimestamp(job.run_time);
  if (job.start_time) *proto.mutable_start_time() = rpc::ToTimestamp(*job.start_time);
  if (job.end_time) *proto.mutable_end_time() = rpc::ToTimestamp(*job.end_time);
  proto.set_trace_id(job.trace_id);
  proto.set_user_id(job.user_id);
  return proto;
}

v1::JobEvent ToProto(const TimelineEvent& event) {
  v1::JobEvent proto;
  proto.set_sequence(event.sequence);
  *proto.mutable_create_time() = rpc::ToTimestamp(event.create_time);
  proto.set_level(event.line.level);
  proto.set_source(event.line.source);
  proto.set_message(event.line.message);
  proto.set_data_json(event.line.data_json);
  return proto;
}

}  // namespace gatehouse::jobs
