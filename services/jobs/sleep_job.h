// The job type sleep: waits some seconds, telling its progress each second. For
// trying leases and cancelling; not registered in production.
#pragma once

#include "services/jobs/job_type.h"

namespace gatehouse::jobs {

// Payload {"seconds": integer 0–60}; one per_job line of resource "sleep".
JobType SleepType();

}  // namespace gatehouse::jobs
