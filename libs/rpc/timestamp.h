// Between Time and the protobuf Timestamp of messages; microseconds, what is
// finer is cut.
#pragma once

#include "libs/base/clock.h"

namespace google::protobuf {
class Timestamp;
}

namespace gatehouse::rpc {

google::protobuf::Timestamp ToTimestamp(Time time);

// Times that Time cannot hold become its ends (time_text.h).
Time FromTimestamp(const google::protobuf::Timestamp& timestamp);

}  // namespace gatehouse::rpc
