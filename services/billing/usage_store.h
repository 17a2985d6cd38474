// SQL over what was used: what is before the mark was added up by the hour, captures since
// are read as they are. One statement sees one snapshot, in which the mark and both sides
// of it agree. Reads only; what adds up is usage_rollup.h.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "libs/base/clock.h"
#include "libs/pg/database.h"

namespace gatehouse::billing {

// Whole hours: [start, end). Parts of an hour that were added up are not told apart.
struct UsagePeriod {
  std::int64_t tenant_id = 0;  // 0: all tenants.
  Time start{};
  Time end{};
};

// Common table expressions for a statement that begins with WITH. Parameters: $1 the
// tenant or 0, $2 and $3 the period in microseconds (ToMicros).
//
// Several rows of one list may have the same names.
// capture_rows (hour, tenant_id, tool, cost_nanos, capture_count) and
// line_rows (hour, tenant_id, tool, line_type, resource, quantity, cost_nanos, line_count)
extern const char kUsageRows[];
// work_rows (hour, tenant_id, outcome, work_count); outcome: success, failed, cancelled
extern const char kWorkRows[];

// A sum, which is numeric, as an int64. OUT_OF_RANGE / SUM_OUT_OF_RANGE.
absl::StatusOr<std::int64_t> SumOf(const pqxx::field& field);

struct UsageFigures {
  std::int64_t cost_nanos = 0;
  std::int64_t capture_count = 0;
  std::int64_t active_tenants = 0;  // With a capture.
  std::int64_t tokens_in = 0;       // Prompt and embedding tokens.
  std::int64_t tokens_out = 0;      // Completion tokens.
};
absl::StatusOr<UsageFigures> UsageTotals(pg::Tx& tx, const UsagePeriod& period);

// Ended work.
struct WorkCounts {
  std::int64_t success = 0;
  std::int64_t failed = 0;
  std::int64_t cancelled = 0;
};
absl::StatusOr<WorkCounts> WorkTotals(pg::Tx& tx, const UsagePeriod& period);

// Days of UTC in their order; those without anything are left out.
struct UsageDay {
  Time day{};
  std::int64_t cost_nanos = 0;
  std::int64_t capture_count = 0;
  std::int64_t active_tenants = 0;
};
absl::StatusOr<std::vector<UsageDay>> DailyUsage(pg::Tx& tx, const UsagePeriod& period);

struct WorkDay {
  Time day{};
  WorkCounts work;
};
absl::StatusOr<std::vector<WorkDay>> DailyWork(pg::Tx& tx, const UsagePeriod& period);

// What QueryCosts asks, one list each; dearest first, then by name.
struct CostGroup {
  std::int64_t tenant_id = 0;  // Of tenants.
  std::string tool = {};       // Of tools.
  std::string resource = {};   // Of models: "openai/gpt-4o".
  std::int64_t cost_nanos = 0;
  std::int64_t event_count = 0;  // Captures; lines, of models.
  std::int64_t tokens_in = 0;
  std::int64_t tokens_out = 0;
};
struct Costs {
  std::int64_t total_nanos = 0;
  std::vector<CostGroup> tenants;  // At most 1000.
  std::vector<CostGroup> tools;    // At most `top`, as are models.
  std::vector<CostGroup> models;
};
// One statement.
absl::StatusOr<Costs> FindCosts(pg::Tx& tx, const UsagePeriod& period, int top);

}  // namespace gatehouse::billing
