// The table behind rpc::Service: every method of the proto service, registered or
// not, with its policy, handler and metrics. Not a public header.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "libs/metrics/metrics.h"
#include "libs/rpc/server.h"

namespace gatehouse::rpc {

// grpc_server_handled_total and grpc_server_handling_seconds of one method. The
// handle of a code is looked up when the code first occurs: seventeen counters
// for each method would mostly be zeros in every scrape. Thread-safe.
class MethodMetrics {
 public:
  MethodMetrics(std::string service, std::string method);
  void Observe(absl::StatusCode code, std::chrono::nanoseconds duration);

 private:
  static constexpr int kCodes = 17;
  const std::string service_;
  const std::string method_;
  metrics::Histogram& seconds_;
  std::array<std::atomic<metrics::Counter*>, kCodes> handled_{};
};

using UnaryHandler =
    std::function<absl::Status(Call&, const google::protobuf::MessageLite&, std::string* response)>;
using LaterHandler =
    std::function<void(Call&, const google::protobuf::MessageLite&, RawReply reply)>;
using FeedHandler = std::function<void(std::shared_ptr<Call>, const google::protobuf::MessageLite&,
                                       std::shared_ptr<RawFeedSender>)>;

struct MethodEntry {
  MethodEntry(std::string service, std::string method);

  const std::string path;  // "/package.Service/Method"; gRPC keeps a pointer to it.
  Policy policy;
  const google::protobuf::MessageLite* prototype = nullptr;  // Null: not registered.
  UnaryHandler unary;                                        // One of the three is set
  LaterHandler later;                                        // when it is registered.
  FeedHandler feed;
  mutable MethodMetrics metrics;
};

struct Service::Impl {
  std::string full_name;
  std::vector<std::unique_ptr<MethodEntry>> methods;
};

}  // namespace gatehouse::rpc
