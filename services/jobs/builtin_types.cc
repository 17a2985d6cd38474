#include "services/jobs/builtin_types.h"

#include "services/jobs/sleep_job.h"
#include "services/jobs/text_stats.h"

namespace gatehouse::jobs {

JobTypes BuiltinTypes(bool production) {
  JobTypes types;
  types.Add(TextStatsType());
  // Free of charge and holds a slot: no tenant may have it.
  if (!production) types.Add(SleepType());
  return types;
}

}  // namespace gatehouse::jobs
