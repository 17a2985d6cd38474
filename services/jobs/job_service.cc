#include "services/jobs/job_service.h"

#include <algorithm>
#include <utility>

#include "gatehouse/jobs/v1/job.methods.h"
#include "libs/base/failpoint.h"
#include "libs/base/uuid.h"
#include "libs/log/log.h"
#include "libs/rpc/page.h"
#include "libs/trace/trace.h"
#include "services/jobs/activity.h"
#include "services/jobs/disposal.h"
#include "services/jobs/job_request.h"
#include "services/jobs/job_store.h"
#include "services/jobs/json_text.h"
#include "services/jobs/settle.h"
#include "services/jobs/timeline.h"

namespace gatehouse::jobs {
namespace {

constexpr std::int64_t kHoldSeconds = 60;
constexpr int kCommitTries = 3;
// What is left of the deadline for the commit after the reservation.
constexpr std::chrono::milliseconds kCommitTime{500};
constexpr std::chrono::milliseconds kReserveTimeMax{3000};

absl::Status NotFound() {
  return Error(absl::StatusCode::kNotFound, "JOB_NOT_FOUND", "there is no such job");
}

absl::Status UniqueKeyTaken(const std::string& job_id) {
  return Error(absl::StatusCode::kAlreadyExists, "UNIQUE_KEY_TAKEN",
               "an unfinished job has this unique key", {{"job_id", job_id}});
}

// Whether billing has decided; anything else leaves the outcome open.
bool IsRefusal(const absl::Status& status) {
  return absl::IsFailedPrecondition(status) || absl::IsInvalidArgument(status) ||
         absl::IsAlreadyExists(status);
}

billing::v1::ReserveRequest ReserveRequestFor(const NewJob& job, const JobType& type) {
  billing::v1::ReserveRequest request;
  request.set_key(job.id);
  request.set_tenant_id(job.tenant_id);
  request.set_ttl_seconds(kHoldSeconds);
  request.set_tool(job.type);
  for (const UsageLine& line : type.estimate(job.payload)) {
    billing::v1::UsageLine& added = *request.add_estimate();
    added.set_line_type(line.line_type);
    added.set_resource(line.resource);
    added.set_quantity(line.quantity);
  }
  return request;
}

// Everything that a new job brings along, in the transaction that inserts it.
absl::Status AppendBirth(pg::Tx& tx, const Job& job, const billing::v1::Hold& hold) {
  GH_RETURN_IF_ERROR(AppendTimeline(
      tx, job.id, job.tenant_id,
      {.source = "api", .message = "submitted", .data_json = JsonObject({{"type", job.type}})}));
  GH_RETURN_IF_ERROR(
      AppendTimeline(tx, job.id, job.tenant_id,
                     {.source = "billing",
                      .message = "reserved",
                      .data_json = JsonObject({{"estimate_nanos", hold.estimate().amount_nanos()},
                                               {"held_nanos", hold.held().amount_nanos()},
                                               {"currency_code", std::string("USD")}})}));
  GH_RETURN_IF_ERROR(
      AppendTimeline(tx, job.id, job.tenant_id,
                     {.source = "queue",
                      .message = "queued",
                      .data_json = JsonObject({{"priority", std::int64_t{job.priority}}})}));
  GH_RETURN_IF_ERROR(AppendExecution(tx, job));
  return AppendMessage(tx, job.id, BindMessage(job.id));
}

// A queued job ends at once; a running one is ended by its worker, whom the next
// heartbeat tells.
absl::Status RequestCancel(pg::Tx& tx, Job& job) {
  if (job.state == State::kQueued) return CancelQueued(tx, job);
  if (job.cancel_requested) return absl::OkStatus();
  GH_RETURN_IF_ERROR(SaveCancelRequest(tx, job.id));
  return AppendTimeline(tx, job.id, job.tenant_id,
                        {.source = "api", .message = "cancel requested"});
}

absl::StatusOr<Job> RequireJob(absl::StatusOr<std::optional<Job>> found) {
  if (!found.ok()) return found.status();
  if (!*found) return NotFound();
  return **std::move(found);
}

}  // namespace

JobService::JobService(pg::Database& db, const JobTypes& types, BillingPort& billing,
                       const Clock& clock, std::function<void()> changed)
    : db_(db),
      types_(types),
      billing_(billing),
      clock_(clock),
      changed_(std::move(changed)),
      rpc_(v1::JobService::kFullName) {
  const rpc::Policy plain{.callers = {"gateway"}};
  rpc::Policy submit = plain;
  submit.calls_out = true;
  rpc_.Unary(v1::JobService::kSubmitJob, submit,
             [this](rpc::Call& call, const v1::SubmitJobRequest& r) { return SubmitJob(call, r); })
      .Unary(v1::JobService::kGetJob, plain,
             [this](rpc::Call& call, const v1::GetJobRequest& r) { return GetJob(call, r); })
      .Unary(v1::JobService::kListJobs, plain,
             [this](rpc::Call& call, const v1::ListJobsRequest& r) { return ListJobs(call, r); })
      .Unary(v1::JobService::kListJobEvents, plain,
             [this](rpc::Call& call, const v1::ListJobEventsRequest& r) {
               return ListJobEvents(call, r);
             })
      .Unary(v1::JobService::kCancelJob, plain,
             [this](rpc::Call& call, const v1::CancelJobRequest& r) { return CancelJob(call, r); })
      .Unary(v1::JobService::kGetActivity, plain,
             [this](rpc::Call& call, const v1::GetActivityRequest& r) {
               return GetActivity(call, r);
             });
}

absl::StatusOr<v1::SubmitJobResponse> JobService::SubmitJob(rpc::Call& call,
                                                            const v1::SubmitJobRequest& request) {
  GH_RETURN_IF_ERROR(CheckTenant(call.principal(), request.tenant_id()));
  GH_ASSIGN_OR_RETURN(NewJob job, CheckSubmit(request, types_, clock_.Now()));
  if (const auto parent = trace::Parse(call.trace_parent())) job.trace_id = parent->trace_id;
  v1::SubmitJobResponse response;
  GH_ASSIGN_OR_RETURN(const std::optional<Job> known, FindKnown(job));
  if (known) {
    GH_RETURN_IF_ERROR(CheckSameRequest(*known, job));
    *response.mutable_job() = ToProto(*known);
    return response;
  }
  GH_ASSIGN_OR_RETURN(const billing::v1::Hold hold, Reserve(call, job));
  if (Failpoint("jobs.submit.reserved")) return absl::UnavailableError("failpoint");
  GH_ASSIGN_OR_RETURN(const Submitted submitted, Commit(job, hold));
  Failpoint("jobs.submit.committed");
  changed_();
  *response.mutable_job() = ToProto(submitted.job);
  response.set_created(submitted.created);
  *response.mutable_warnings() = hold.warnings();
  return response;
}

absl::StatusOr<std::optional<Job>> JobService::FindKnown(const NewJob& job) {
  if (job.idempotency_key.empty() && job.unique_key.empty()) return std::optional<Job>();
  return db_.Read([&](pg::Tx& tx) -> absl::StatusOr<std::optional<Job>> {
    GH_ASSIGN_OR_RETURN(std::optional<Job> known, FindJob(tx, job.id, 0));
    if (known || job.unique_key.empty()) return known;
    // Seen before money is set aside; Commit decides for good.
    GH_ASSIGN_OR_RETURN(const std::optional<std::string> holder,
                        FindByUniqueKey(tx, job.tenant_id, job.unique_key));
    if (holder) return UniqueKeyTaken(*holder);
    return known;
  });
}

absl::StatusOr<billing::v1::Hold> JobService::Reserve(rpc::Call& call, const NewJob& job) {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
      call.deadline() - std::chrono::steady_clock::now());
  const BillingCall billing_call{.timeout = std::min(left - kCommitTime, kReserveTimeMax),
                                 .principal = call.principal(),
                                 .request_id = call.request_id(),
                                 .trace_parent = call.trace_parent()};
  absl::StatusOr<billing::v1::Hold> hold = absl::DeadlineExceededError("no time left to reserve");
  if (billing_call.timeout.count() > 0) {
    hold = billing_.Reserve(ReserveRequestFor(job, *types_.Find(job.type)), billing_call);
  }
  if (hold.ok() || IsRefusal(hold.status())) return hold;
  log::Warning("billing did not decide", {{"job_id", job.id},
                                          {"reason", Reason(hold.status())},
                                          {"error", std::string(hold.status().message())}});
  return Error(absl::StatusCode::kUnavailable, "BILLING_UNAVAILABLE",
               "billing does not answer; nothing was queued");
}

absl::StatusOr<JobService::Submitted> JobService::Commit(const NewJob& job,
                                                         const billing::v1::Hold& hold) {
  absl::StatusOr<Submitted> submitted;
  for (int i = 0; i < kCommitTries; ++i) {
    submitted = db_.InTransaction([&](pg::Tx& tx) -> absl::StatusOr<Submitted> {
      GH_ASSIGN_OR_RETURN(const std::optional<Job> inserted, InsertJob(tx, job));
      if (inserted) {
        GH_RETURN_IF_ERROR(AppendBirth(tx, *inserted, hold));
        if (Failpoint("jobs.submit.commit")) return absl::UnavailableError("failpoint");
        return Submitted{*inserted, true};
      }
      GH_ASSIGN_OR_RETURN(std::optional<Job> known, FindJob(tx, job.id, 0));
      if (known) {
        GH_RETURN_IF_ERROR(CheckSameRequest(*known, job));
        // Without a key the id is this call's own: its first try did commit.
        return Submitted{*std::move(known), job.idempotency_key.empty()};
      }
      // The hold is left to its time limit.
      GH_ASSIGN_OR_RETURN(const std::optional<std::string> holder,
                          FindByUniqueKey(tx, job.tenant_id, job.unique_key));
      if (holder) return UniqueKeyTaken(*holder);
      return Error(absl::StatusCode::kAborted, "UNIQUE_KEY_RACE",
                   "the job with this unique key has just ended");
    });
    // The id makes a repeat safe: a commit in doubt shows itself as a known job.
    const bool again =
        pg::InDoubt(submitted.status()) || Reason(submitted.status()) == "UNIQUE_KEY_RACE";
    if (!again) break;
  }
  return submitted;
}

absl::StatusOr<v1::Job> JobService::GetJob(rpc::Call& call, const v1::GetJobRequest& request) {
  GH_RETURN_IF_ERROR(CheckTenant(call.principal(), request.tenant_id()));
  if (!IsUuid(request.id())) return NotFound();
  GH_ASSIGN_OR_RETURN(const Job job, RequireJob(db_.Read([&](pg::Tx& tx) {
                        return FindJob(tx, request.id(), request.tenant_id());
                      })));
  return ToProto(job);
}

absl::StatusOr<v1::ListJobsResponse> JobService::ListJobs(rpc::Call& call,
                                                          const v1::ListJobsRequest& request) {
  GH_RETURN_IF_ERROR(CheckTenant(call.principal(), request.tenant_id()));
  GH_ASSIGN_OR_RETURN(const int limit, rpc::PageLimit(request.page_size(), 50, 1000));
  GH_ASSIGN_OR_RETURN(const std::optional<rpc::PagePosition> after,
                      rpc::ParsePageToken(request.page_token()));
  JobFilter filter{.tenant_id = request.tenant_id(), .state = {}, .type = request.type()};
  GH_ASSIGN_OR_RETURN(filter.state, FromProto(request.state()));
  GH_ASSIGN_OR_RETURN(const JobPage page,
                      db_.Read([&](pg::Tx& tx) { return ListPage(tx, filter, after, limit); }));
  v1::ListJobsResponse response;
  for (const Job& job : page.jobs) *response.add_jobs() = ToProto(job);
  if (page.more) {
    response.set_next_page_token(
        rpc::PageToken({page.jobs.back().create_time, page.jobs.back().id}));
  }
  return response;
}

absl::StatusOr<v1::ListJobEventsResponse> JobService::ListJobEvents(
    rpc::Call& call, const v1::ListJobEventsRequest& request) {
  GH_RETURN_IF_ERROR(CheckTenant(call.principal(), request.tenant_id()));
  GH_ASSIGN_OR_RETURN(const int limit, rpc::PageLimit(request.page_size(), 500, 1000));
  if (!IsUuid(request.job_id())) return NotFound();
  GH_RETURN_IF_ERROR(RequireJob(db_.Read([&](pg::Tx& tx) {
                       return FindJob(tx, request.job_id(), request.tenant_id());
                     })).status());
  GH_ASSIGN_OR_RETURN(const std::vector<TimelineEvent> events, db_.Read([&](pg::Tx& tx) {
    return ReadTimeline(tx, request.job_id(), request.after_sequence(), limit);
  }));
  v1::ListJobEventsResponse response;
  for (const TimelineEvent& event : events) *response.add_events() = ToProto(event);
  return response;
}

absl::StatusOr<v1::Job> JobService::CancelJob(rpc::Call& call,
                                              const v1::CancelJobRequest& request) {
  GH_RETURN_IF_ERROR(CheckTenant(call.principal(), request.tenant_id()));
  if (!IsUuid(request.id())) return NotFound();
  absl::StatusOr<Job> cancelled = db_.InTransaction([&](pg::Tx& tx) -> absl::StatusOr<Job> {
    GH_ASSIGN_OR_RETURN(Job job, RequireJob(LockJob(tx, request.id(), request.tenant_id())));
    if (HasEnded(job.state)) {
      return Error(absl::StatusCode::kFailedPrecondition, "JOB_ENDED", "the job has ended already");
    }
    GH_RETURN_IF_ERROR(RequestCancel(tx, job));
    return RequireJob(FindJob(tx, request.id(), request.tenant_id()));
  });
  if (!cancelled.ok()) return cancelled.status();
  changed_();
  return ToProto(*cancelled);
}

absl::StatusOr<v1::Activity> JobService::GetActivity(rpc::Call& call,
                                                     const v1::GetActivityRequest& request) {
  GH_RETURN_IF_ERROR(CheckTenant(call.principal(), request.tenant_id()));
  if (request.tenant_id() == 0) {
    return Error(absl::StatusCode::kInvalidArgument, "TENANT_INVALID", "a tenant must be named");
  }
  GH_ASSIGN_OR_RETURN(const Activity activity,
                      db_.Read([&](pg::Tx& tx) { return FindActivity(tx, request.tenant_id()); }));
  v1::Activity message;
  message.set_jobs_queued(activity.queued);
  message.set_jobs_running(activity.running);
  message.set_tokens_in(activity.tokens.in);
  message.set_tokens_out(activity.tokens.out);
  return message;
}

}  // namespace gatehouse::jobs
