#include "libs/base/time_text.h"

#include <gtest/gtest.h>

namespace gatehouse {
namespace {

constexpr std::int64_t kMicros = 1795255200123456;  // 2026-11-21T10:00:00.123456Z

TEST(FormatTimeTest, WritesMicrosecondsInUtc) {
  EXPECT_EQ(FormatTime(FromMicros(kMicros)), "2026-11-21T10:00:00.123456Z");
  EXPECT_EQ(FormatTime(FromMicros(0)), "1970-01-01T00:00:00.000000Z");
  EXPECT_EQ(FormatTime(FromMicros(-1)), "1969-12-31T23:59:59.999999Z");
  EXPECT_EQ(FormatTime(FromMicros(1709164800000000)), "2024-02-29T00:00:00.000000Z");
}

TEST(FormatTimeTest, RoundsDownToTheMicrosecond) {
  EXPECT_EQ(FormatTime(Time(std::chrono::nanoseconds(1999))), "1970-01-01T00:00:00.000001Z");
  EXPECT_EQ(ToMicros(Time(std::chrono::nanoseconds(-1))), -1);
}

TEST(ParseTimeTest, ReadsEveryAcceptedForm) {
  const Time time = FromMicros(kMicros);
  EXPECT_EQ(ParseTime("2026-11-21T10:00:00.123456Z"), time);
  EXPECT_EQ(ParseTime("2026-11-21 10:00:00.123456Z"), time);
  EXPECT_EQ(ParseTime("2026-11-21T10:00:00.123456"), time);
  EXPECT_EQ(ParseTime("2026-11-21T12:00:00.123456+02:00"), time);
  EXPECT_EQ(ParseTime("2026-11-21T04:30:00.123456-05:30"), time);
  EXPECT_EQ(ParseTime("2026-11-21T10:00:00.123456789Z"), time + std::chrono::nanoseconds(789));
  EXPECT_EQ(ParseTime("2026-11-21T10:00:00.1Z"), FromMicros(kMicros - 23456));
  EXPECT_EQ(ParseTime("2026-11-21T10:00:00Z"), FromMicros(kMicros - 123456));
}

TEST(ParseTimeTest, ReadsWhatFormatTimeWrites) {
  for (const std::int64_t micros : {std::int64_t{0}, kMicros, std::int64_t{-1234567890123456},
                                    std::int64_t{9000000000000001}}) {
    EXPECT_EQ(ParseTime(FormatTime(FromMicros(micros))), FromMicros(micros)) << micros;
  }
}

TEST(ParseTimeTest, RefusesWhatIsNotATime) {
  for (const char* text :
       {"", "2026-11-21", "2026-11-21T10:00", "2026-11-21T10:00:00.Z", "2026-11-21t10:00:00Z",
        "2026-11-21T10:00:00z", "2026-11-21T10:00:00.1234567890Z", "2026-11-21T10:00:00Z ",
        " 2026-11-21T10:00:00Z", "2026-11-21T10:00:00+0200", "2026-11-21T10:00:00+24:00",
        "2026-11-21T10:00:00+02:60", "2026-11-21T10:00:00 00:00", "+026-11-21T10:00:00Z",
        "2026-1-21T10:00:00Z", "tomorrow", "1795255200"}) {
    EXPECT_EQ(ParseTime(text), std::nullopt) << text;
  }
}

TEST(ParseTimeTest, RefusesDatesThatDoNotExist) {
  for (const char* text : {"2026-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z",
                           "2026-04-31T00:00:00Z", "2026-01-00T00:00:00Z", "2026-01-01T24:00:00Z",
                           "2026-01-01T00:60:00Z", "2026-01-01T00:00:60Z"}) {
    EXPECT_EQ(ParseTime(text), std::nullopt) << text;
  }
  EXPECT_NE(ParseTime("2024-02-29T00:00:00Z"), std::nullopt);
}

TEST(ParseTimeTest, RefusesTimesThatDoNotFit) {
  EXPECT_EQ(ParseTime("0001-01-01T00:00:00Z"), std::nullopt);
  EXPECT_EQ(ParseTime("9999-12-31T23:59:59Z"), std::nullopt);
  EXPECT_NE(ParseTime("2262-01-01T00:00:00Z"), std::nullopt);
}

TEST(FromMicrosTest, HoldsWhatDoesNotFitAtTheEnds) {
  EXPECT_EQ(FormatTime(FromMicros(INT64_MAX)).substr(0, 4), "2262");
  EXPECT_EQ(FormatTime(FromMicros(INT64_MIN)).substr(0, 4), "1677");
}

TEST(FakeClockTest, StandsStillUntilItIsAdvanced) {
  FakeClock clock(FromMicros(kMicros));
  EXPECT_EQ(clock.Now(), FromMicros(kMicros));
  EXPECT_EQ(clock.Now(), FromMicros(kMicros));
  clock.Advance(std::chrono::seconds(1));
  EXPECT_EQ(clock.Now(), FromMicros(kMicros + 1000000));
}

}  // namespace
}  // namespace gatehouse
