#include "libs/rpc/timestamp.h"

#include <google/protobuf/timestamp.pb.h>
#include <gtest/gtest.h>

#include "libs/base/time_text.h"

namespace gatehouse::rpc {
namespace {

TEST(TimestampTest, KeepsMicrosecondsAlsoBefore1970) {
  for (const std::int64_t micros : {std::int64_t{0}, std::int64_t{1750000000123456},
                                    std::int64_t{-1}, std::int64_t{-1500000}}) {
    const google::protobuf::Timestamp timestamp = ToTimestamp(FromMicros(micros));
    EXPECT_EQ(ToMicros(FromTimestamp(timestamp)), micros);
  }
}

TEST(TimestampTest, NanosAreNeverNegative) {
  const google::protobuf::Timestamp timestamp = ToTimestamp(FromMicros(-1));
  EXPECT_EQ(timestamp.seconds(), -1);
  EXPECT_EQ(timestamp.nanos(), 999999000);
}

TEST(TimestampTest, HoldsWhatTimeCannotAtItsEnds) {
  google::protobuf::Timestamp timestamp;
  timestamp.set_seconds(INT64_MAX);
  EXPECT_EQ(FromTimestamp(timestamp), FromMicros(INT64_MAX));
  timestamp.set_seconds(INT64_MIN);
  EXPECT_EQ(FromTimestamp(timestamp), FromMicros(INT64_MIN));
}

}  // namespace
}  // namespace gatehouse::rpc
