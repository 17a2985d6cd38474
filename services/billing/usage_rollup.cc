#include "services/billing/usage_rollup.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "libs/log/log.h"
#include "services/billing/usage_store.h"

namespace gatehouse::billing {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

// One works, the others pass by.
std::string LockMark() {
  return absl::StrCat("SELECT ", pg::MicrosOf("m.mark_time"),
                      " FROM billing.usage_mark m FOR UPDATE SKIP LOCKED");
}

// What a transaction writes has the time of its beginning or a later one. So nobody can
// write any more into what was before the oldest of this role began that may still write.
constexpr char kFindEnd[] = R"(
SELECT (extract(epoch FROM least(
  to_timestamp(($1::bigint + $2::bigint) / 1000000.0),
  clock_timestamp() - $3::bigint * interval '1 second',
  (SELECT min(a.xact_start) FROM pg_stat_activity a
   WHERE a.datname = current_database() AND a.usename = current_user
     AND a.pid <> pg_backend_pid()
     AND (a.backend_xid IS NOT NULL
          OR a.xact_start > clock_timestamp() - $4::bigint * interval '1 second'))))
  * 1000000)::bigint)";

constexpr char kAddLines[] = R"(
INSERT INTO billing.usage_hours AS u (hour, tenant_id, tool, line_type, resource, quantity,
  cost_nanos, line_count)
SELECT hour, tenant_id, tool, line_type, resource, sum(quantity), sum(cost_nanos), sum(line_count)
FROM line_rows GROUP BY hour, tenant_id, tool, line_type, resource
ON CONFLICT (hour, tenant_id, tool, line_type, resource) DO UPDATE SET
  quantity = u.quantity + excluded.quantity, cost_nanos = u.cost_nanos + excluded.cost_nanos,
  line_count = u.line_count + excluded.line_count)";
constexpr char kAddCaptures[] = R"(, added AS (
INSERT INTO billing.capture_hours AS u (hour, tenant_id, tool, cost_nanos, capture_count)
SELECT hour, tenant_id, tool, sum(cost_nanos), sum(capture_count)
FROM capture_rows GROUP BY hour, tenant_id, tool
ON CONFLICT (hour, tenant_id, tool) DO UPDATE SET
  cost_nanos = u.cost_nanos + excluded.cost_nanos,
  capture_count = u.capture_count + excluded.capture_count)
SELECT coalesce(sum(capture_count), 0)::bigint FROM capture_rows)";
constexpr char kAddWork[] = R"(, added AS (
INSERT INTO billing.work_hours AS u (hour, tenant_id, outcome, work_count)
SELECT hour, tenant_id, outcome, sum(work_count)
FROM work_rows GROUP BY hour, tenant_id, outcome
ON CONFLICT (hour, tenant_id, outcome) DO UPDATE SET
  work_count = u.work_count + excluded.work_count)
SELECT coalesce(sum(work_count), 0)::bigint FROM work_rows)";

constexpr char kMoveMark[] = R"(
UPDATE billing.usage_mark SET mark_time = to_timestamp($1::bigint / 1000000.0))";

}  // namespace

absl::StatusOr<RolledUp> RollUp(pg::Database& db, const RollUpOptions& options) {
  // In doubt, the mark tells the next call what was done.
  return db.InTransaction([&](pg::Tx& tx) -> absl::StatusOr<RolledUp> {
    RolledUp done;
    const pqxx::result mark = tx.exec(LockMark());
    if (mark.empty()) return done;
    const auto start = mark[0][0].as<std::int64_t>();
    const auto end = tx.exec_params1(kFindEnd, start, std::int64_t{options.slice.count()},
                                     std::int64_t{options.delay.count()},
                                     std::int64_t{options.reader_age.count()})[0]
                         .as<std::int64_t>();
    if (end <= start) return done;
    // Behind the mark there are only rows of the tables themselves.
    const auto add = [&](const char* rows, const char* insert) {
      return tx.exec_params(absl::StrCat("WITH", rows, insert), 0, start, end);
    };
    add(kUsageRows, kAddLines);
    done.records += add(kUsageRows, kAddCaptures)[0][0].as<std::int64_t>();
    done.records += add(kWorkRows, kAddWork)[0][0].as<std::int64_t>();
    tx.exec_params(kMoveMark, end);
    done.length = microseconds(end - start);
    return done;
  });
}

microseconds NextSlice(microseconds slice, const RolledUp& done) {
  if (done.records > kSliceRecords) return std::max(slice / 2, kSliceMin);
  if (done.records > kSliceRecords / 2) return slice;
  return std::min(slice * 2, kSliceMax);
}

UsageRollup::UsageRollup(pg::Database& db)
    : db_(db),
      records_(metrics::GetCounter("gatehouse_billing_usage_records_total",
                                   "Captures and ended work that were added up by the hour.")),
      ticker_("usage-rollup", [this] { return Step(); }) {}

milliseconds UsageRollup::Step() {
  const absl::StatusOr<RolledUp> done = RollUp(db_, {.slice = slice_});
  if (!done.ok()) {
    // It may have been too much for the time that a statement has.
    slice_ = kSliceMin;
    log::Warning("usage could not be added up", {{"error", std::string(done.status().message())}});
    return milliseconds(5000);
  }
  records_.Increment(static_cast<double>(done->records));  // A count, not money.
  const bool is_behind = done->length == slice_;
  slice_ = NextSlice(slice_, *done);
  return milliseconds(is_behind ? 0 : 5000);
}

}  // namespace gatehouse::billing
