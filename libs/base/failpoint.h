// Named crash and delay points for fault tests, compiled in and armed by the
// environment. Never armed when ENV=production.
//
//   GATEHOUSE_FAILPOINTS="jobs.submit.reserved=crash,billing.capture.commit=delay:500"
//
// Actions: crash (SIGKILL to itself), crash-once:FILE (crash unless FILE
// exists; creates it first), delay:MILLISECONDS, error (Armed returns true).
#pragma once

#include <string>

namespace gatehouse {

// Reads the environment once, at the first call. Costs one relaxed load when
// nothing is armed. Returns true when `name` is armed with `error`. Thread-safe.
bool Failpoint(const char* name);

}  // namespace gatehouse
