// The arguments start_date and end_date, or start and end, of a query: UTC days, both
// included, or RFC 3339 moments. Not a clock: who wants a default says it.
#pragma once

#include <chrono>

#include "libs/base/clock.h"
#include "services/gateway/query.h"

namespace gatehouse::gateway {

struct DateRange {
  Time start;
  Time end;  // Behind the last moment.
};

// "2026-11-30" as start is its first moment, as end the first moment of the next day; a
// moment is itself. Missing and bad ones, years outside 1970 … 2200 and an end that is
// not behind the start are noted; the range is then not to be used.
DateRange ReadDateRange(Query& query);

// The same, but what is missing is `fallback`'s.
DateRange ReadDateRange(Query& query, const DateRange& fallback);

// The shortest range of whole units since 1970 that holds `range`.
DateRange Widened(const DateRange& range, std::chrono::hours unit);

}  // namespace gatehouse::gateway
