#include "gatehouse/jobs/v1/job.methods.h"
#include "libs/rpc/timestamp.h"
#include "services/gateway/cents.h"
#include "services/gateway/request_context.h"
#include "services/gateway/routes.h"
#include "services/gateway/text.h"

namespace gatehouse::gateway {
namespace {

using jobs::v1::Job;
using jobs::v1::JobService;

struct StateName {
  Job::State state;
  const char* text;
};
constexpr StateName kStates[] = {{Job::STATE_QUEUED, "queued"},
                                 {Job::STATE_RUNNING, "running"},
                                 {Job::STATE_SUCCESS, "success"},
                                 {Job::STATE_FAILED, "failed"},
                                 {Job::STATE_CANCELLED, "cancelled"}};

const char* StateText(Job::State state) {
  for (const StateName& name : kStates) {
    if (name.state == state) return name.text;
  }
  return "unknown";
}

void WriteJobMembers(const Job& job, JsonWriter& json) {
  json.Field("id", job.id()).Field("name", job.type()).Field("type", job.type());
  json.Field("status", StateText(job.state())).Field("trigger", job.trigger());
  json.Field("tenant_id", job.tenant_id()).TextOrNull("user_id", job.user_id());
  json.RawOrNull("payload", job.payload_json()).RawOrNull("result", job.result_json());
  json.TextOrNull("error", job.error()).Field("priority", job.priority());
  json.Field("retry_count", job.attempts() > 1 ? job.attempts() - 1 : 0);
  json.Field("attempts", job.attempts()).Field("max_attempts", job.attempts_max());
  if (job.has_cost()) {
    const std::int64_t cents = CeilCents(job.cost().amount_nanos());
    json.Field("cost_cents", cents).Key("cost_dollars").Raw(DollarsText(cents));
  } else {
    json.NullField("cost_cents").NullField("cost_dollars");
  }
  json.TimeField("created_at", job.has_create_time(), job.create_time());
  json.TimeField("run_at", job.has_run_time(), job.run_time());
  json.TimeField("started_at", job.has_start_time(), job.start_time());
  json.TimeField("finished_at", job.has_end_time(), job.end_time());
  json.TextOrNull("trace_id", job.trace_id());
}

void WriteJob(const Job& job, JsonWriter& json) {
  json.BeginObject();
  WriteJobMembers(job, json);
  json.EndObject();
}

absl::StatusOr<jobs::v1::SubmitJobRequest> ReadSubmit(const RequestContext& context) {
  GH_ASSIGN_OR_RETURN(const std::int64_t tenant, context.Tenant());
  GH_ASSIGN_OR_RETURN(JsonBody body, context.Body());
  jobs::v1::SubmitJobRequest request;
  request.set_tenant_id(tenant);
  request.set_user_id(context.principal().user_id());
  request.set_type(body.RequiredText("type", 100));
  request.set_payload_json(body.RequiredObject("payload"));
  const auto key = body.Text("idempotency_key", 255);
  if (key && key->empty()) body.Note("idempotency_key", "must not be empty");
  request.set_idempotency_key(key.value_or(""));
  const auto priority = body.Int("priority", 0, 9);
  if (priority) request.set_priority(static_cast<int>(*priority));
  const auto run_time = body.DateTime("run_at");
  if (run_time) *request.mutable_run_time() = rpc::ToTimestamp(*run_time);
  request.set_attempts_max(static_cast<int>(body.Int("max_attempts", 1, 25).value_or(0)));
  request.set_unique_key(body.Text("unique_key", 255).value_or(""));
  GH_RETURN_IF_ERROR(body.Finish());
  return request;
}

void SubmitJob(const Context& context) {
  const auto request = ReadSubmit(*context);
  if (!request.ok()) return context->Fail(request.status());
  context->CallOrFail(*context->upstreams().jobs, JobService::kSubmitJob, *request,
                      [context](const jobs::v1::SubmitJobResponse& submitted) {
                        JsonWriter json;
                        json.BeginObject();
                        WriteJobMembers(submitted.job(), json);
                        json.Key("warnings").BeginArray();
                        for (const std::string& warning : submitted.warnings()) json.Text(warning);
                        json.EndArray().EndObject();
                        context->ReplyJson(submitted.created() ? 201 : 200, json.Take());
                      });
}

absl::StatusOr<jobs::v1::ListJobsRequest> ReadJobList(const RequestContext& context) {
  GH_ASSIGN_OR_RETURN(const std::int64_t tenant, context.VisibleTenant());
  GH_ASSIGN_OR_RETURN(Query query, context.Arguments());
  jobs::v1::ListJobsRequest request;
  request.set_tenant_id(tenant);
  request.set_page_size(static_cast<int>(query.Number("limit", 50, 1, 500)));
  request.set_page_token(query.Text("cursor").value_or(""));
  request.set_type(query.Text("type").value_or(""));
  if (const auto status = query.Text("status")) {
    for (const StateName& name : kStates) {
      if (AsciiLower(*status) == name.text) request.set_state(name.state);
    }
    if (request.state() == Job::STATE_UNSPECIFIED) {
      query.Note("status", "must be queued, running, success, failed or cancelled");
    }
  }
  GH_RETURN_IF_ERROR(query.Finish());
  return request;
}

void ListJobs(const Context& context) {
  const auto request = ReadJobList(*context);
  if (!request.ok()) return context->Fail(request.status());
  context->CallOrFail(*context->upstreams().jobs, JobService::kListJobs, *request,
                      [context](const jobs::v1::ListJobsResponse& page) {
                        JsonWriter json;
                        json.BeginObject().Field("count", page.jobs_size());
                        json.Key("jobs").BeginArray();
                        for (const Job& job : page.jobs()) WriteJob(job, json);
                        json.EndArray().TextOrNull("next_cursor", page.next_page_token());
                        context->ReplyJson(200, json.EndObject().Take());
                      });
}

void ReplyJob(const Context& context, const Job& job) {
  JsonWriter json;
  WriteJob(job, json);
  context->ReplyJson(200, json.Take());
}

// A request for the job that the path names, as far as the user sees jobs.
template <typename Request>
absl::StatusOr<Request> ReadJobRequest(const RequestContext& context) {
  GH_ASSIGN_OR_RETURN(const std::int64_t tenant, context.VisibleTenant());
  GH_ASSIGN_OR_RETURN(const std::string id, context.PathUuid());
  Request request;
  request.set_id(id);
  request.set_tenant_id(tenant);
  return request;
}

void GetJob(const Context& context) {
  const auto request = ReadJobRequest<jobs::v1::GetJobRequest>(*context);
  if (!request.ok()) return context->Fail(request.status());
  context->CallOrFail(*context->upstreams().jobs, JobService::kGetJob, *request,
                      [context](const Job& job) { ReplyJob(context, job); });
}

void CancelJob(const Context& context) {
  const auto request = ReadJobRequest<jobs::v1::CancelJobRequest>(*context);
  if (!request.ok()) return context->Fail(request.status());
  context->CallOrFail(*context->upstreams().jobs, JobService::kCancelJob, *request,
                      [context](const Job& job) { ReplyJob(context, job); });
}

absl::StatusOr<jobs::v1::ListJobEventsRequest> ReadEventList(const RequestContext& context) {
  GH_ASSIGN_OR_RETURN(const std::int64_t tenant, context.VisibleTenant());
  GH_ASSIGN_OR_RETURN(std::string id, context.PathUuid());
  GH_ASSIGN_OR_RETURN(Query query, context.Arguments());
  jobs::v1::ListJobEventsRequest request;
  request.set_job_id(id);
  request.set_tenant_id(tenant);
  request.set_after_sequence(query.Number("after", 0, 0, INT64_MAX));
  request.set_page_size(static_cast<int>(query.Number("limit", 500, 1, 500)));
  GH_RETURN_IF_ERROR(query.Finish());
  return request;
}

void ListJobEvents(const Context& context) {
  const auto request = ReadEventList(*context);
  if (!request.ok()) return context->Fail(request.status());
  context->CallOrFail(
      *context->upstreams().jobs, JobService::kListJobEvents, *request,
      [context, id = request->job_id()](const jobs::v1::ListJobEventsResponse& page) {
        JsonWriter json;
        json.BeginObject().Field("job_id", id).Key("events").BeginArray();
        for (const jobs::v1::JobEvent& event : page.events()) {
          json.BeginObject().Field("sequence", event.sequence());
          json.TimeField("timestamp", event.has_create_time(), event.create_time());
          json.Field("level", event.level()).Field("source", event.source());
          json.Field("message", event.message());
          json.Key("data").Raw(event.data_json().empty() ? "{}" : event.data_json()).EndObject();
        }
        context->ReplyJson(200, json.EndArray().EndObject().Take());
      });
}

void AddUserRoute(RouteTable& table, const char* method, const char* path, Handler handler) {
  table.Add(
      {.method = method, .path = path, .audience = Audience::kUser, .handler = std::move(handler)});
}

}  // namespace

void AddJobRoutes(RouteTable& table) {
  AddUserRoute(table, "POST", "/api/jobs/", SubmitJob);
  AddUserRoute(table, "GET", "/api/jobs/", ListJobs);
  AddUserRoute(table, "GET", "/api/jobs/{id}/", GetJob);
  AddUserRoute(table, "GET", "/api/jobs/{id}/events/", ListJobEvents);
  AddUserRoute(table, "POST", "/api/jobs/{id}/cancel/", CancelJob);
}

}  // namespace gatehouse::gateway
