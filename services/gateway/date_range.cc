#include "services/gateway/date_range.h"

#include <optional>
#include <string>

#include "libs/base/time_text.h"

namespace gatehouse::gateway {
namespace {

constexpr char kProblem[] = "must be a date (YYYY-MM-DD) or an RFC 3339 time";
constexpr std::size_t kDateSize = 10;

// Leaves a unit of room on both sides, so that a range can be widened.
bool IsNear(Time time) {
  using std::chrono::sys_days;
  using std::chrono::year;
  return time >= Time(sys_days(year(1970) / 1 / 1)) && time < Time(sys_days(year(2201) / 1 / 1));
}

// The argument `name` or, without it, `short_name`; its name for notes.
std::optional<std::string> Find(const Query& query, std::string* name,
                                const std::string& short_name) {
  std::optional<std::string> text = query.Text(*name);
  if (text) return text;
  text = query.Text(short_name);
  if (text) *name = short_name;
  return text;
}

std::optional<Time> Read(const std::string& text, bool is_end) {
  if (text.size() != kDateSize) return ParseTime(text);
  const std::optional<Time> day = ParseTime(text + "T00:00:00Z");
  if (day && is_end) return *day + std::chrono::days(1);
  return day;
}

Time ReadOne(Query& query, std::string name, const std::string& short_name, bool is_end,
             const std::optional<Time>& fallback, bool* usable) {
  const std::optional<std::string> text = Find(query, &name, short_name);
  if (!text && fallback) return *fallback;
  const std::optional<Time> time = text ? Read(*text, is_end) : std::nullopt;
  if (!text) query.Note(name, "is required");
  if (text && !time) query.Note(name, kProblem);
  const bool is_near = time && IsNear(is_end ? *time - std::chrono::nanoseconds(1) : *time);
  if (time && !is_near) query.Note(name, "must be in the years 1970 to 2200");
  if (is_near) return *time;
  *usable = false;
  return Time();
}

DateRange ReadRange(Query& query, const std::optional<DateRange>& fallback) {
  bool usable = true;
  DateRange range;
  range.start = ReadOne(query, "start_date", "start", false,
                        fallback ? std::optional(fallback->start) : std::nullopt, &usable);
  range.end = ReadOne(query, "end_date", "end", true,
                      fallback ? std::optional(fallback->end) : std::nullopt, &usable);
  if (usable && range.end <= range.start) {
    query.Note(query.Text("end_date") || !query.Text("end") ? "end_date" : "end",
               "must not be before the start");
  }
  return range;
}

}  // namespace

DateRange ReadDateRange(Query& query) { return ReadRange(query, std::nullopt); }

DateRange ReadDateRange(Query& query, const DateRange& fallback) {
  return ReadRange(query, fallback);
}

DateRange Widened(const DateRange& range, std::chrono::hours unit) {
  const auto down = [unit](Time time) {
    const auto since = time.time_since_epoch();
    const auto rest = since % unit;
    return Time(since - rest - (rest < rest.zero() ? Time::duration(unit) : Time::duration(0)));
  };
  const Time end = down(range.end);
  return {down(range.start), end == range.end ? end : end + unit};
}

}  // namespace gatehouse::gateway
