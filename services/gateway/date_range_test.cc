#include "services/gateway/date_range.h"

#include <gtest/gtest.h>

#include "libs/base/time_text.h"

namespace gatehouse::gateway {
namespace {

// "start … end", or the arguments that were found wrong.
std::string Read(const std::string& text) {
  absl::StatusOr<Query> query = Query::Parse(text);
  if (!query.ok()) return query.status().ToString();
  const DateRange range = ReadDateRange(*query);
  const absl::Status status = query->Finish();
  if (status.ok()) return FormatTime(range.start) + " " + FormatTime(range.end);
  std::string fields;
  for (const auto& [field, problem] : FieldViolations(status)) {
    absl::StrAppend(&fields, field, ": ", problem);
  }
  return fields;
}

TEST(DateRangeTest, DatesAreDaysThatAreBothIncluded) {
  const std::string november = "2026-11-01T00:00:00.000000Z 2026-12-01T00:00:00.000000Z";
  EXPECT_EQ(Read("start_date=2026-11-01&end_date=2026-11-30"), november);
  EXPECT_EQ(Read("start=2026-11-01&end=2026-11-30"), november);
  EXPECT_EQ(Read("start=2000-01-01&start_date=2026-11-01&end=2026-11-30"), november)
      << "the long name counts first";
  EXPECT_EQ(Read("start=2028-02-29&end=2028-02-29"),
            "2028-02-29T00:00:00.000000Z 2028-03-01T00:00:00.000000Z");
}

TEST(DateRangeTest, MomentsAreTakenAsTheyAre) {
  EXPECT_EQ(Read("start=2026-11-01T10:30:00Z&end=2026-11-01T10:30:00.5Z"),
            "2026-11-01T10:30:00.000000Z 2026-11-01T10:30:00.500000Z");
  EXPECT_EQ(Read("start=2026-11-01T00:00:00%2B02:00&end=2026-11-01"),
            "2026-10-31T22:00:00.000000Z 2026-11-02T00:00:00.000000Z");
}

TEST(DateRangeTest, WhatIsMissingOrWrongIsNamedAsItWasSent) {
  EXPECT_EQ(Read("start=2026-11-01"), "end_date: is required");
  EXPECT_EQ(Read("end=2026-11-01"), "start_date: is required");
  for (const char* bad :
       {"2026-02-30", "2026-1-1", "today", "20261101", "2026-11-01T25:00:00Z", "2026-11-011"}) {
    EXPECT_EQ(Read(std::string("start=") + bad + "&end=2026-11-01"),
              "start: must be a date (YYYY-MM-DD) or an RFC 3339 time")
        << bad;
  }
  EXPECT_EQ(Read("start=2026-11-02&end=2026-11-01"), "end: must not be before the start");
  EXPECT_EQ(Read("start=2026-11-01T00:00:00Z&end_date=2026-11-01T00:00:00Z"),
            "end_date: must not be before the start");
  EXPECT_EQ(Read("start=1969-12-31&end=2026-11-01"), "start: must be in the years 1970 to 2200");
  EXPECT_EQ(Read("start=2026-11-01&end=2201-01-01"), "end: must be in the years 1970 to 2200");
  EXPECT_EQ(Read("start=2026-11-01&end=2200-12-31"),
            "2026-11-01T00:00:00.000000Z 2201-01-01T00:00:00.000000Z");
}

TEST(DateRangeTest, AFallbackStandsInForWhatIsMissing) {
  const DateRange fallback{*ParseTime("2026-11-01T00:00:00Z"), *ParseTime("2026-12-01T00:00:00Z")};
  absl::StatusOr<Query> query = Query::Parse("end_date=2026-11-15");
  ASSERT_TRUE(query.ok());
  const DateRange range = ReadDateRange(*query, fallback);
  EXPECT_TRUE(query->Finish().ok());
  EXPECT_EQ(FormatTime(range.start), "2026-11-01T00:00:00.000000Z");
  EXPECT_EQ(FormatTime(range.end), "2026-11-16T00:00:00.000000Z");
  query = Query::Parse("start=2026-12-24");
  ReadDateRange(*query, fallback);
  EXPECT_FALSE(query->Finish().ok()) << "behind the fallback's end";
}

TEST(DateRangeTest, WidenedGivesWholeUnits) {
  const DateRange day =
      Widened({*ParseTime("2026-11-01T10:30:00Z"), *ParseTime("2026-11-01T10:30:01Z")},
              std::chrono::hours(24));
  EXPECT_EQ(FormatTime(day.start), "2026-11-01T00:00:00.000000Z");
  EXPECT_EQ(FormatTime(day.end), "2026-11-02T00:00:00.000000Z");
  const DateRange again = Widened(day, std::chrono::hours(24));
  EXPECT_EQ(again.start, day.start);
  EXPECT_EQ(again.end, day.end);
  EXPECT_EQ(Widened(day, std::chrono::hours(1)).end, day.end);
}

}  // namespace
}  // namespace gatehouse::gateway
