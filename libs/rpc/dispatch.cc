#include "libs/rpc/dispatch.h"

#include <google/protobuf/arena.h>
#include <grpcpp/impl/codegen/server_callback_handlers.h>
#include <grpcpp/impl/rpc_service_method.h>
#include <grpcpp/impl/service_type.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include <utility>

#include "libs/rpc/server_call.h"
#include "libs/rpc/service_table.h"
#include "libs/rpc/wire.h"

namespace gatehouse::rpc {
namespace {

using grpc::ByteBuffer;
using grpc::CallbackServerContext;

constexpr std::size_t kFeedWaitingMax = 1024;
constexpr long kOverloadRetryMillis = 1000;
constexpr std::size_t kArenaBlock = 2048;

absl::Status MalformedError() {
  return Error(absl::StatusCode::kInvalidArgument, "REQUEST_MALFORMED",
               "the request is not a message of the method's type");
}

// gRPC starts a call whose client left before its request came all the same.
absl::Status MissingError() {
  return Error(absl::StatusCode::kCancelled, "CALL_CANCELLED", "no request has arrived");
}

// One unary call. Deletes itself when gRPC is done with it. No exception is
// caught here: domain code throws none, and one that escapes is a bug that must
// not be answered as if it were an outcome.
class UnaryCall final : public grpc::ServerUnaryReactor {
 public:
  UnaryCall(Dispatch& dispatch, const MethodEntry& method, const CallbackServerContext& context,
            const ByteBuffer& request, ByteBuffer* response)
      : dispatch_(dispatch), call_(context, method), request_(request), response_(response) {}

  void Begin() {
    absl::Status status = call_.Admit(dispatch_.verifier);
    if (status.ok() && call_.method().later) return BeginLater();
    if (status.ok()) status = dispatch_.Post(call_.method().policy, [this] { Run(); });
    // Once posted, the call belongs to the pool thread.
    if (!status.ok()) End(status);
  }

  void OnCancel() override { call_.Cancel(); }
  void OnDone() override { delete this; }

 private:
  void Run() {
    const log::Scope scope(call_.log_context());
    End(Handle());
  }

  // The reply may come before the handler returns, also from another thread: gRPC keeps it
  // until Begin has returned, and so this object, call and request live as long.
  void BeginLater() {
    absl::Status status = call_.CheckAlive();
    if (status.ok() && dispatch_.draining.load(std::memory_order_relaxed)) status = DrainingError();
    if (status.ok() && !request_.Valid()) status = MissingError();
    if (!status.ok()) return End(status);
    google::protobuf::Arena arena;
    google::protobuf::MessageLite* request = call_.method().prototype->New(&arena);
    if (!ParseBuffer(request_, request)) return End(MalformedError());
    const log::Scope scope(call_.log_context());
    call_.method().later(call_, *request, [this](const absl::Status& result, std::string response) {
      if (result.ok()) *response_ = ToBuffer(std::move(response));
      End(result);
    });
  }

  absl::Status Handle() {
    GH_RETURN_IF_ERROR(call_.CheckAlive());
    if (!request_.Valid()) return MissingError();
    alignas(8) char block[kArenaBlock];
    google::protobuf::ArenaOptions options;
    options.initial_block = block;
    options.initial_block_size = sizeof(block);
    google::protobuf::Arena arena(options);
    google::protobuf::MessageLite* request = call_.method().prototype->New(&arena);
    if (!ParseBuffer(request_, request)) return MalformedError();
    std::string response;
    GH_RETURN_IF_ERROR(call_.method().unary(call_, *request, &response));
    *response_ = ToBuffer(std::move(response));
    return absl::OkStatus();
  }

  void End(const absl::Status& status) {
    call_.Report(status);
    Finish(ToGrpc(status));  // Nothing of this object may be touched afterwards.
  }

  Dispatch& dispatch_;
  ServerCall call_;
  const ByteBuffer& request_;  // gRPC's, until OnDone.
  ByteBuffer* const response_;
};

// What a feed's handler keeps. A feed whose last sender dies unfinished ends, or
// its client would wait for ever.
class FeedSenderOfQueue final : public RawFeedSender {
 public:
  explicit FeedSenderOfQueue(std::shared_ptr<FeedQueue> queue) : queue_(std::move(queue)) {}
  ~FeedSenderOfQueue() override {
    queue_->Finish(Error(absl::StatusCode::kUnavailable, "FEED_CLOSED", "the feed was closed"));
  }
  bool Send(const google::protobuf::MessageLite& message) override {
    return !queue_->ended() && queue_->Send(message.SerializeAsString());
  }
  void Finish(const absl::Status& status) override { queue_->Finish(status); }
  bool ended() const override { return queue_->ended(); }

 private:
  const std::shared_ptr<FeedQueue> queue_;
};

void RunFeed(const std::shared_ptr<ServerCall>& call, const std::shared_ptr<FeedQueue>& queue,
             const ByteBuffer& bytes) {
  const log::Scope scope(call->log_context());
  if (absl::Status status = call->CheckAlive(); !status.ok()) return queue->Finish(status);
  if (!bytes.Valid()) return queue->Finish(MissingError());
  google::protobuf::Arena arena;
  google::protobuf::MessageLite* request = call->method().prototype->New(&arena);
  if (!ParseBuffer(bytes, request)) return queue->Finish(MalformedError());
  call->method().feed(call, *request, std::make_shared<FeedSenderOfQueue>(queue));
}

// One feed's stream. Deletes itself when gRPC is done with it; the queue and the
// call are shared with the senders and outlive it.
class FeedCall final : public grpc::ServerWriteReactor<ByteBuffer>, private FeedWriter {
 public:
  FeedCall(Dispatch& dispatch, const MethodEntry& method, const CallbackServerContext& context)
      : dispatch_(dispatch),
        call_(std::make_shared<ServerCall>(context, method)),
        queue_(std::make_shared<FeedQueue>(static_cast<FeedWriter*>(this), kFeedWaitingMax)) {}

  void Begin(const ByteBuffer& request) {
    absl::Status status = call_->Admit(dispatch_.verifier);
    if (status.ok() && !dispatch_.feeds.Add(queue_)) status = DrainingError();
    // gRPC's request dies with the stream, which may be before the handler runs.
    if (status.ok()) {
      status = dispatch_.Post(call_->method().policy, [call = call_, queue = queue_, request] {
        RunFeed(call, queue, request);
      });
    }
    if (!status.ok()) queue_->Finish(status);
  }

  void OnWriteDone(bool ok) override { queue_->OnWritten(ok); }
  void OnCancel() override {
    call_->Cancel();
    queue_->Abandon(Error(absl::StatusCode::kCancelled, "CALL_CANCELLED", "the client has gone"));
  }
  void OnDone() override {
    dispatch_.feeds.Remove(queue_.get());
    delete this;
  }

 private:
  void StartWrite(std::string bytes) override {
    buffer_ = ToBuffer(std::move(bytes));
    ServerWriteReactor::StartWrite(&buffer_);
  }
  void EndStream(const absl::Status& status) override {
    call_->Cancel();  // A handler that still works for this stream can stop.
    call_->Report(status);
    Finish(ToGrpc(status));  // Nothing of this object may be touched afterwards.
  }

  Dispatch& dispatch_;
  const std::shared_ptr<ServerCall> call_;
  const std::shared_ptr<FeedQueue> queue_;
  ByteBuffer buffer_;  // The message that is being written.
};

// Answers methods that the proto declares and nobody registered. Bidirectional,
// since that kind answers without waiting for a message of any client.
class UnimplementedCall final : public grpc::ServerBidiReactor<ByteBuffer, ByteBuffer> {
 public:
  UnimplementedCall(const MethodEntry& method, const CallbackServerContext& context) {
    const absl::Status status = Error(absl::StatusCode::kUnimplemented, "METHOD_UNIMPLEMENTED",
                                      "this method is declared and not implemented");
    ServerCall(context, method).Report(status);
    Finish(ToGrpc(status));
  }
  void OnDone() override { delete this; }
};

class GrpcService final : public grpc::Service {
 public:
  GrpcService(Dispatch& dispatch, const rpc::Service::Impl& table) {
    for (const std::unique_ptr<MethodEntry>& method : table.methods) Add(dispatch, *method);
  }

 private:
  void Add(Dispatch& dispatch, const MethodEntry& method) {
    using Type = grpc::internal::RpcMethod;
    if (method.unary || method.later) {
      Bind(method, Type::NORMAL_RPC,
           new grpc::internal::CallbackUnaryHandler<ByteBuffer, ByteBuffer>(
               [&dispatch, &method](CallbackServerContext* context, const ByteBuffer* request,
                                    ByteBuffer* response) {
                 auto* call = new UnaryCall(dispatch, method, *context, *request, response);
                 call->Begin();
                 return call;
               }));
    } else if (method.feed) {
      Bind(method, Type::SERVER_STREAMING,
           new grpc::internal::CallbackServerStreamingHandler<ByteBuffer, ByteBuffer>(
               [&dispatch, &method](CallbackServerContext* context, const ByteBuffer* request) {
                 auto* call = new FeedCall(dispatch, method, *context);
                 call->Begin(*request);
                 return call;
               }));
    } else {
      Bind(method, Type::BIDI_STREAMING,
           new grpc::internal::CallbackBidiHandler<ByteBuffer, ByteBuffer>(
               [&method](CallbackServerContext* context) {
                 return new UnimplementedCall(method, *context);
               }));
    }
  }

  void Bind(const MethodEntry& method, grpc::internal::RpcMethod::RpcType type,
            grpc::internal::MethodHandler* handler) {
    AddMethod(new grpc::internal::RpcServiceMethod(method.path.c_str(), type, nullptr));
    MarkMethodRawCallback(count_++, handler);
  }

  int count_ = 0;
};

}  // namespace

absl::Status DrainingError() {
  return Error(absl::StatusCode::kUnavailable, "DRAINING", "this process is shutting down");
}

absl::Status Dispatch::Post(const Policy& policy, std::function<void()> work) {
  exec::Pool& lane = policy.calls_out ? *call_outs : handlers;
  if (!draining.load(std::memory_order_relaxed) && lane.TryPost(std::move(work))) {
    return absl::OkStatus();
  }
  if (draining.load(std::memory_order_relaxed)) return DrainingError();
  return WithRetryDelay(
      Error(absl::StatusCode::kResourceExhausted, "OVERLOADED", "too many calls are waiting"),
      kOverloadRetryMillis);
}

std::unique_ptr<grpc::Service> NewGrpcService(Dispatch& dispatch, const Service::Impl& table) {
  return std::make_unique<GrpcService>(dispatch, table);
}

}  // namespace gatehouse::rpc
