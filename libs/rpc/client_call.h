// The calls that a client has under way, on gRPC's callback API. Not a public
// header.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "libs/rpc/client.h"
#include "libs/rpc/open_calls.h"

namespace grpc {
class Channel;
class ClientContext;
}  // namespace grpc

namespace gatehouse::rpc {

// One channel to one target.
struct Link {
  std::string audience;
  std::shared_ptr<grpc::Channel> channel;
  PassportIssuer* issuer;  // Null: calls carry no passport.
  OpenCalls open;
};

// Where a call goes and what it carries beside the request.
struct Heading {
  std::string path;
  CallOptions options;
  bool with_passport = true;
  Time deadline;  // Time::max(): none.
};

Heading NewHeading(const char* path, const CallOptions& options);

// Deadline and metadata.
void Prepare(const Link& link, const Heading& heading, grpc::ClientContext* context);

// Blocks. Retries as the heading's options say.
absl::Status BlockingCall(Link& link, const Heading& heading,
                          const google::protobuf::MessageLite& request,
                          google::protobuf::MessageLite* response);

// `done` is called exactly once; `response` must live until then.
std::shared_ptr<CancelHandle> StartCall(Link& link, Heading heading,
                                        const google::protobuf::MessageLite& request,
                                        google::protobuf::MessageLite* response,
                                        std::function<void(const absl::Status&)> done);

// `on_message` may return false to end the stream as malformed. `on_end` is
// called exactly once, last.
std::shared_ptr<CancelHandle> StartWatch(Link& link, const Heading& heading,
                                         const google::protobuf::MessageLite& request,
                                         std::function<bool(const std::string&)> on_message,
                                         std::function<void(const absl::Status&)> on_end);

}  // namespace gatehouse::rpc
