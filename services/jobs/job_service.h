// Serves JobService: submits, shows and cancels jobs. Runs none: workers do.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "gatehouse/jobs/v1/job.pb.h"
#include "libs/base/clock.h"
#include "libs/pg/database.h"
#include "libs/rpc/server.h"
#include "services/jobs/billing_port.h"
#include "services/jobs/job.h"
#include "services/jobs/job_type.h"

namespace gatehouse::jobs {

class JobService {
 public:
  // `changed` is called after a commit that gives workers or the outbox something
  // to do; it must not block. The others must outlive this.
  JobService(pg::Database& db, const JobTypes& types, BillingPort& billing, const Clock& clock,
             std::function<void()> changed);

  // The table for rpc::Server. Only the gateway may call.
  rpc::Service& rpc() { return rpc_; }

  // The methods of gatehouse/jobs/v1/job.proto.
  absl::StatusOr<v1::SubmitJobResponse> SubmitJob(rpc::Call& call,
                                                  const v1::SubmitJobRequest& request);
  absl::StatusOr<v1::Job> GetJob(rpc::Call& call, const v1::GetJobRequest& request);
  absl::StatusOr<v1::ListJobsResponse> ListJobs(rpc::Call& call,
                                                const v1::ListJobsRequest& request);
  absl::StatusOr<v1::ListJobEventsResponse> ListJobEvents(rpc::Call& call,
                                                          const v1::ListJobEventsRequest& request);
  absl::StatusOr<v1::Job> CancelJob(rpc::Call& call, const v1::CancelJobRequest& request);
  absl::StatusOr<v1::Activity> GetActivity(rpc::Call& call, const v1::GetActivityRequest& request);

 private:
  struct Submitted {
    Job job;
    bool created = false;
  };

  // The three steps of a submission. Only the second leaves the process, and no
  // database connection is held then.
  absl::StatusOr<std::optional<Job>> FindKnown(const NewJob& job);
  absl::StatusOr<billing::v1::Hold> Reserve(rpc::Call& call, const NewJob& job);
  absl::StatusOr<Submitted> Commit(const NewJob& job, const billing::v1::Hold& hold);

  pg::Database& db_;
  const JobTypes& types_;
  BillingPort& billing_;
  const Clock& clock_;
  const std::function<void()> changed_;
  rpc::Service rpc_;
};

}  // namespace gatehouse::jobs
