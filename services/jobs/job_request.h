// What requests to JobService must look like, and how jobs look in answers: pure
// checks and conversions between protobuf and the domain. No I/O.
#pragma once

#include <optional>
#include <string>

#include "gatehouse/jobs/v1/job.pb.h"
#include "gatehouse/type/v1/passport.pb.h"
#include "libs/base/clock.h"
#include "services/jobs/job.h"
#include "services/jobs/job_store.h"
#include "services/jobs/job_type.h"
#include "services/jobs/timeline.h"

namespace gatehouse::jobs {

// Reasons, all with a field violation: JOB_TYPE_UNKNOWN, PAYLOAD_INVALID,
// PAYLOAD_TOO_LARGE, else REQUEST_INVALID. The id and hash of the job are set;
// `now` goes into the id of one without a key.
absl::StatusOr<NewJob> CheckSubmit(const v1::SubmitJobRequest& request, const JobTypes& types,
                                   Time now);

// Whether the principal may name this tenant: staff any and 0 (all), others their
// own. Else PERMISSION_DENIED / TENANT_FORBIDDEN. A caller that acts for itself
// has no principal and may name any tenant but 0.
absl::Status CheckTenant(const type::v1::Principal& principal, std::int64_t tenant_id);

absl::StatusOr<std::optional<State>> FromProto(v1::Job::State state);
v1::Job ToProto(const Job& job);
v1::JobEvent ToProto(const TimelineEvent& event);

}  // namespace gatehouse::jobs
