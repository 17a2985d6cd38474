#include "libs/rpc/server.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/impl/service_type.h>

#include <algorithm>
#include <mutex>
#include <utility>

#include "libs/rpc/dispatch.h"
#include "libs/rpc/headers.h"
#include "libs/rpc/listen_address.h"
#include "libs/rpc/service_table.h"
#include "libs/rpc/wire.h"

namespace gatehouse::rpc {
namespace {

constexpr int kPingIntervalMinMillis = 10'000;
// Clients look a headless service's name up again when a connection ends, and so
// find new replicas. Calls in hand, feeds too, stay on the old connection.
constexpr int kConnectionAgeMaxMillis = 300'000;

exec::Pool::Options Lane(const char* name, int threads, const ServerOptions& options) {
  exec::Pool::Options lane;
  lane.name = name;
  lane.threads = threads;
  lane.queue_max = options.queue_max;
  return lane;
}

bool AnyCallsOut(const std::vector<Service*>& services) {
  for (Service* service : services) {
    for (const auto& method : service->impl().methods) {
      if (method->policy.calls_out) return true;
    }
  }
  return false;
}

void SetChannelArguments(const ServerOptions& options, grpc::ServerBuilder& builder) {
  builder.SetMaxReceiveMessageSize(options.message_bytes_max);
  builder.SetMaxSendMessageSize(options.message_bytes_max);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, kMetadataBytesMax);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                             kPingIntervalMinMillis);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  if (!IsUnixAddress(options.address)) {
    builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_MS, kConnectionAgeMaxMillis);
  }
}

// "host:0" with the port that the system chose.
std::string WithPort(const std::string& address, int port) {
  const std::size_t colon = address.rfind(':');
  if (IsUnixAddress(address) || colon == std::string::npos) return address;
  return address.substr(0, colon + 1) + std::to_string(port);
}

}  // namespace

// Destroyed in reverse: gRPC's server first, the lanes last.
struct Server::Impl {
  Impl(const ServerOptions& options, const std::vector<Service*>& services,
       PassportVerifier& verifier)
      : handlers(Lane("rpc", options.handler_threads, options)),
        call_outs(AnyCallsOut(services) ? std::make_unique<exec::Pool>(
                                              Lane("rpc-out", options.call_out_threads, options))
                                        : nullptr),
        dispatch{verifier, handlers, call_outs.get(), {}, {}} {
    for (Service* service : services) {
      names.push_back(service->impl().full_name);
      grpc_services.push_back(NewGrpcService(dispatch, service->impl()));
    }
  }

  // Of the whole server, "", and of each service.
  void SetHealth(bool serving) {
    grpc::HealthCheckServiceInterface* health = server->GetHealthCheckService();
    for (const std::string& name : names) health->SetServingStatus(name, serving);
    health->SetServingStatus(serving);
  }

  exec::Pool handlers;
  const std::unique_ptr<exec::Pool> call_outs;
  Dispatch dispatch;
  std::vector<std::string> names;
  std::vector<std::unique_ptr<grpc::Service>> grpc_services;
  std::unique_ptr<grpc::Server> server;
  std::mutex mutex;      // Orders SetServing and Drain.
  bool drained = false;  // guarded by mutex
};

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const ServerOptions& options,
                                                      const std::vector<Service*>& services,
                                                      PassportVerifier& verifier) {
  PrepareLibraries();
  GH_RETURN_IF_ERROR(CheckNobodyListens(options.address));
  grpc::EnableDefaultHealthCheckService(true);
  if (options.reflection) grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  std::unique_ptr<Server> server(new Server());
  server->impl_ = std::make_unique<Impl>(options, services, verifier);
  Impl& impl = *server->impl_;

  grpc::ServerBuilder builder;
  int port = 0;
  SetChannelArguments(options, builder);
  builder.AddListeningPort(options.address, grpc::InsecureServerCredentials(), &port);
  for (const auto& service : impl.grpc_services) builder.RegisterService(service.get());
  impl.server = builder.BuildAndStart();
  if (impl.server == nullptr || port == 0) {
    return Error(absl::StatusCode::kUnavailable, "LISTEN_FAILED",
                 "cannot listen on " + options.address);
  }
  impl.SetHealth(false);
  server->address_ = WithPort(options.address, port);
  return server;
}

Server::~Server() {
  if (impl_ != nullptr) Drain(std::chrono::milliseconds(0));
}

void Server::SetServing(bool serving) {
  std::lock_guard lock(impl_->mutex);
  if (!impl_->drained) impl_->SetHealth(serving);
}

void Server::Drain(std::chrono::milliseconds grace) {
  std::lock_guard lock(impl_->mutex);
  if (impl_->drained || impl_->server == nullptr) return;
  impl_->drained = true;
  impl_->SetHealth(false);
  impl_->dispatch.draining = true;
  impl_->dispatch.feeds.FinishAll(DrainingError());
  // Refuses new calls at once, waits for those in hand, cancels the rest.
  impl_->server->Shutdown(std::chrono::system_clock::now() + grace);
  impl_->server->Wait();
  impl_->dispatch.feeds.AwaitEmpty();
  impl_->handlers.Stop();
  if (impl_->call_outs != nullptr) impl_->call_outs->Stop();
}

}  // namespace gatehouse::rpc
