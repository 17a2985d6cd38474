#include "libs/rpc/client.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <utility>

#include "grpc/health/v1/health.methods.h"
#include "libs/rpc/client_call.h"
#include "libs/rpc/headers.h"
#include "libs/rpc/wire.h"

namespace gatehouse::rpc {
namespace {

namespace health = ::grpc::health::v1;

constexpr int kMessageBytesMax = 4 << 20;
constexpr int kKeepaliveMillis = 30'000;
constexpr int kKeepaliveTimeoutMillis = 10'000;
constexpr int kBackoffFirstMillis = 100;
constexpr int kBackoffMaxMillis = 2'000;

constexpr char kRoundRobin[] = R"({"loadBalancingConfig":[{"round_robin":{}}]})";
// Behind a name stand many replicas: those that say NOT_SERVING get no calls.
constexpr char kRoundRobinOfHealthy[] =
    R"({"loadBalancingConfig":[{"round_robin":{}}],"healthCheckConfig":{"serviceName":""}})";

grpc::ChannelArguments Arguments(const std::string& target) {
  grpc::ChannelArguments arguments;
  const bool by_name = target.rfind("dns:", 0) == 0;
  arguments.SetServiceConfigJSON(by_name ? kRoundRobinOfHealthy : kRoundRobin);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMillis);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMillis);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kBackoffFirstMillis);
  // The least time that one attempt to connect is given.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, kBackoffMaxMillis);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kBackoffMaxMillis);
  arguments.SetInt(GRPC_ARG_MAX_METADATA_SIZE, kMetadataBytesMax);
  // http_proxy in the environment is for the outer world, not for our own hops.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetMaxReceiveMessageSize(kMessageBytesMax);
  arguments.SetMaxSendMessageSize(kMessageBytesMax);
  return arguments;
}

Heading HealthHeading(std::chrono::milliseconds timeout) {
  CallOptions options;
  options.timeout = timeout;
  Heading heading = NewHeading(health::Health::kCheck.path, options);
  heading.with_passport = false;
  return heading;
}

bool Serves(const health::HealthCheckResponse& response) {
  return response.status() == health::HealthCheckResponse::SERVING;
}

}  // namespace

struct Client::Impl {
  Link link;
};

Client::Client(std::string name, const std::string& target, PassportIssuer* issuer)
    : name_(std::move(name)), impl_(std::make_unique<Impl>()) {
  PrepareLibraries();
  impl_->link.audience = name_;
  impl_->link.issuer = issuer;
  impl_->link.channel =
      grpc::CreateCustomChannel(target, grpc::InsecureChannelCredentials(), Arguments(target));
}

Client::~Client() { impl_->link.open.CancelAllAndWait(); }

absl::Status Client::CallRaw(const char* path, const google::protobuf::MessageLite& request,
                             google::protobuf::MessageLite* response, const CallOptions& options) {
  return BlockingCall(impl_->link, NewHeading(path, options), request, response);
}

std::shared_ptr<CancelHandle> Client::CallRawAsync(const char* path,
                                                   const google::protobuf::MessageLite& request,
                                                   google::protobuf::MessageLite* response,
                                                   const CallOptions& options,
                                                   std::function<void(const absl::Status&)> done) {
  return StartCall(impl_->link, NewHeading(path, options), request, response, std::move(done));
}

std::shared_ptr<CancelHandle> Client::WatchRaw(const char* path,
                                               const google::protobuf::MessageLite& request,
                                               const CallOptions& options,
                                               std::function<bool(const std::string&)> on_message,
                                               std::function<void(const absl::Status&)> on_end) {
  Heading heading = NewHeading(path, options);
  heading.deadline = Time::max();
  return StartWatch(impl_->link, heading, request, std::move(on_message), std::move(on_end));
}

bool Client::IsServing(std::chrono::milliseconds timeout) {
  health::HealthCheckResponse response;
  const absl::Status status =
      BlockingCall(impl_->link, HealthHeading(timeout), health::HealthCheckRequest(), &response);
  return status.ok() && Serves(response);
}

void Client::CheckServing(std::chrono::milliseconds timeout, std::function<void(bool)> done) {
  auto response = std::make_shared<health::HealthCheckResponse>();
  StartCall(impl_->link, HealthHeading(timeout), health::HealthCheckRequest(), response.get(),
            [response, done = std::move(done)](const absl::Status& status) {
              done(status.ok() && Serves(*response));
            });
}

}  // namespace gatehouse::rpc
