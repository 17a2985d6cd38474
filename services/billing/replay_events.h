// The command that handles Stripe's events again whose handling failed. Not their first
// handling (event_inbox.h).
#pragma once

#include "libs/service/process.h"

namespace gatehouse::billing {

// `billing replay-events [--event ID] [--since TIME] [--dry-run]`: failed events in the
// order in which they came; exit code 1 when one still fails. `billing replay-events
// --dismiss ID`: gives one up. Safe to run again, beside the service and in parallel.
service::Command ReplayEventsCommand();

}  // namespace gatehouse::billing
