#include "libs/rpc/timestamp.h"

#include <google/protobuf/timestamp.pb.h>

#include <algorithm>
#include <cstdint>

#include "libs/base/time_text.h"

namespace gatehouse::rpc {

google::protobuf::Timestamp ToTimestamp(Time time) {
  const std::int64_t micros = ToMicros(time);
  // nanos must not be negative, also before 1970.
  std::int64_t seconds = micros / 1000000;
  if (micros % 1000000 < 0) --seconds;
  google::protobuf::Timestamp timestamp;
  timestamp.set_seconds(seconds);
  timestamp.set_nanos(static_cast<std::int32_t>((micros - seconds * 1000000) * 1000));
  return timestamp;
}

Time FromTimestamp(const google::protobuf::Timestamp& timestamp) {
  constexpr std::int64_t kSecondsMax = INT64_MAX / 1000000 - 1;
  const std::int64_t seconds = std::clamp(timestamp.seconds(), -kSecondsMax, kSecondsMax);
  return FromMicros(seconds * 1000000 + timestamp.nanos() / 1000);
}

}  // namespace gatehouse::rpc
