// The job types that the built-in runner knows. Not a plug-in mechanism.
#pragma once

#include "services/jobs/job_type.h"

namespace gatehouse::jobs {

// text.stats, and, outside production, sleep.
JobTypes BuiltinTypes(bool production);

}  // namespace gatehouse::jobs
