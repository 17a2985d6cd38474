#include "libs/rpc/client_call.h"

#include <grpcpp/alarm.h>
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/impl/client_unary_call.h>
#include <grpcpp/support/client_callback.h>

#include <mutex>
#include <thread>
#include <utility>

#include "libs/log/log.h"
#include "libs/rpc/headers.h"
#include "libs/rpc/retry.h"
#include "libs/rpc/wire.h"
#include "libs/trace/trace.h"

namespace gatehouse::rpc {
namespace {

using grpc::ByteBuffer;

constexpr std::chrono::hours kTimeoutMax{24};

absl::Status CancelledHere() {
  return Error(absl::StatusCode::kCancelled, "CALL_CANCELLED", "the caller has cancelled");
}

absl::Status ResponseMalformed() {
  return Error(absl::StatusCode::kInternal, "RESPONSE_MALFORMED",
               "the response is not a message of the method's type");
}

absl::Status Outcome(const grpc::Status& status, const ByteBuffer& bytes,
                     google::protobuf::MessageLite* response) {
  if (!status.ok()) return FromGrpc(status);
  return ParseBuffer(bytes, response) ? absl::OkStatus() : ResponseMalformed();
}

std::chrono::milliseconds Left(const Heading& heading) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(heading.deadline -
                                                               std::chrono::system_clock::now());
}

// gRPC's context of one attempt, shared with whoever cancels. It holds the channel,
// which must not die on a thread of gRPC: the last channel joins those threads. So
// a call lets go of it before it lets its client go. Thread-safe.
class Attempt {
 public:
  // False when the call was cancelled before.
  bool Set(std::shared_ptr<grpc::ClientContext> context) {
    std::lock_guard lock(mutex_);
    if (!cancelled_) context_ = std::move(context);
    return !cancelled_;
  }
  void Clear() {
    std::shared_ptr<grpc::ClientContext> context;
    std::lock_guard lock(mutex_);
    context = std::move(context_);
  }
  // A context remembers this also before its call begins.
  void Cancel() {
    std::shared_ptr<grpc::ClientContext> context;
    {
      std::lock_guard lock(mutex_);
      cancelled_ = true;
      context = context_;
    }
    if (context != nullptr) context->TryCancel();
  }
  bool cancelled() {
    std::lock_guard lock(mutex_);
    return cancelled_;
  }

 private:
  std::mutex mutex_;
  bool cancelled_ = false;                        // guarded by mutex_
  std::shared_ptr<grpc::ClientContext> context_;  // guarded by mutex_
};

// One asynchronous unary call with its attempts.
class UnaryOperation final : public CancelHandle,
                             public std::enable_shared_from_this<UnaryOperation> {
 public:
  UnaryOperation(Link& link, Heading heading, const google::protobuf::MessageLite& request,
                 google::protobuf::MessageLite* response,
                 std::function<void(const absl::Status&)> done)
      : link_(link),
        heading_(std::move(heading)),
        request_(ToBuffer(request.SerializeAsString())),
        response_(response),
        done_(std::move(done)) {}

  void Start() {
    if (!link_.open.Add(shared_from_this())) return std::exchange(done_, nullptr)(CancelledHere());
    Try();
  }

  void Cancel() override {
    attempt_.Cancel();
    std::shared_ptr<grpc::Alarm> pause;
    {
      std::lock_guard lock(mutex_);
      pause = pause_;
    }
    if (pause != nullptr) pause->Cancel();
  }

 private:
  void Try() {
    auto owned = std::make_shared<grpc::ClientContext>();
    grpc::ClientContext* context = owned.get();
    Prepare(link_, heading_, context);
    if (!attempt_.Set(std::move(owned))) return End(CancelledHere());
    bytes_.Clear();
    const grpc::internal::RpcMethod method(heading_.path.c_str(), nullptr,
                                           grpc::internal::RpcMethod::NORMAL_RPC);
    grpc::internal::CallbackUnaryCall<ByteBuffer, ByteBuffer>(
        link_.channel.get(), method, context, &request_, &bytes_,
        [self = shared_from_this()](const grpc::Status& status) {
          self->OnAnswer(Outcome(status, self->bytes_, self->response_));
        });
  }

  void OnAnswer(const absl::Status& status) {
    attempt_.Clear();
    const auto delay =
        heading_.options.idempotent ? RetryDelay(status, retries_, Left(heading_)) : std::nullopt;
    if (!delay) return End(status);
    ++retries_;
    // Always a new alarm: the callback of the last one may still be returning.
    auto pause = std::make_shared<grpc::Alarm>();
    {
      std::lock_guard lock(mutex_);
      pause_ = pause;
      pause->Set(std::chrono::system_clock::now() + *delay,
                 [self = shared_from_this()](bool) { self->OnPauseOver(); });
    }
    // A Cancel that came before the alarm could be seen must not wait for it.
    if (attempt_.cancelled()) pause->Cancel();
  }

  void OnPauseOver() {
    std::shared_ptr<grpc::Alarm> over;  // Dies outside the lock; it holds this object.
    {
      std::lock_guard lock(mutex_);
      over = std::move(pause_);
    }
    Try();
  }

  void End(const absl::Status& status) {
    std::exchange(done_, nullptr)(status);
    link_.open.Remove(this);  // The link may be gone afterwards.
  }

  Link& link_;
  const Heading heading_;
  const ByteBuffer request_;
  google::protobuf::MessageLite* const response_;
  std::function<void(const absl::Status&)> done_;
  ByteBuffer bytes_;
  int retries_ = 0;
  Attempt attempt_;
  std::mutex mutex_;
  std::shared_ptr<grpc::Alarm> pause_;  // guarded by mutex_; between two attempts
};

// One feed.
class WatchOperation final : public CancelHandle,
                             public grpc::ClientReadReactor<ByteBuffer>,
                             public std::enable_shared_from_this<WatchOperation> {
 public:
  WatchOperation(Link& link, const google::protobuf::MessageLite& request,
                 std::function<bool(const std::string&)> on_message,
                 std::function<void(const absl::Status&)> on_end)
      : link_(link),
        request_(ToBuffer(request.SerializeAsString())),
        on_message_(std::move(on_message)),
        on_end_(std::move(on_end)) {}

  void Start(const Heading& heading) {
    if (!link_.open.Add(shared_from_this()))
      return std::exchange(on_end_, nullptr)(CancelledHere());
    auto owned = std::make_shared<grpc::ClientContext>();
    grpc::ClientContext* context = owned.get();
    Prepare(link_, heading, context);
    if (!attempt_.Set(std::move(owned))) return End(CancelledHere());
    alive_ = shared_from_this();
    path_ = heading.path;
    const grpc::internal::RpcMethod method(path_.c_str(), nullptr,
                                           grpc::internal::RpcMethod::SERVER_STREAMING);
    grpc::internal::ClientCallbackReaderFactory<ByteBuffer>::Create(link_.channel.get(), method,
                                                                    context, &request_, this);
    StartRead(&bytes_);
    StartCall();
  }

  void Cancel() override { attempt_.Cancel(); }

  void OnReadDone(bool ok) override {
    if (!ok) return;  // OnDone follows.
    if (!on_message_(ToText(bytes_))) {
      malformed_ = true;
      return Cancel();
    }
    bytes_.Clear();
    StartRead(&bytes_);
  }

  void OnDone(const grpc::Status& status) override {
    const std::shared_ptr<WatchOperation> alive = std::move(alive_);
    attempt_.Clear();
    End(malformed_ ? ResponseMalformed() : FromGrpc(status));
  }

 private:
  void End(const absl::Status& status) {
    on_message_ = nullptr;
    std::exchange(on_end_, nullptr)(status);
    link_.open.Remove(this);  // The link may be gone afterwards.
  }

  Link& link_;
  std::string path_;
  const ByteBuffer request_;
  std::function<bool(const std::string&)> on_message_;
  std::function<void(const absl::Status&)> on_end_;
  Attempt attempt_;
  ByteBuffer bytes_;
  bool malformed_ = false;
  std::shared_ptr<WatchOperation> alive_;  // Itself, while gRPC holds a bare pointer.
};

}  // namespace

Heading NewHeading(const char* path, const CallOptions& options) {
  Heading heading{path, options, /*with_passport=*/true, Time::max()};
  heading.deadline = std::chrono::system_clock::now() +
                     std::min<std::chrono::milliseconds>(options.timeout, kTimeoutMax);
  // The ids of the request in hand follow its nested calls.
  const log::Context& current = log::Current();
  if (heading.options.request_id.empty()) heading.options.request_id = current.request_id;
  if (heading.options.trace_parent.empty() && !current.trace_id.empty()) {
    heading.options.trace_parent =
        trace::Format(trace::Child({current.trace_id, "", /*sampled=*/true}));
  }
  return heading;
}

void Prepare(const Link& link, const Heading& heading, grpc::ClientContext* context) {
  const CallOptions& options = heading.options;
  if (heading.deadline != Time::max()) context->set_deadline(heading.deadline);
  context->set_wait_for_ready(options.wait_for_ready);
  if (heading.with_passport && link.issuer != nullptr) {
    context->AddMetadata(kPassportKey, link.issuer->Issue(link.audience, options.principal));
  }
  if (IsRequestId(options.request_id)) context->AddMetadata(kRequestIdKey, options.request_id);
  // Formatted anew: a future version's suffix might hold bytes that HTTP/2 forbids.
  if (const auto parent = trace::Parse(options.trace_parent)) {
    context->AddMetadata(kTraceParentKey, trace::Format(*parent));
  }
}

absl::Status BlockingCall(Link& link, const Heading& heading,
                          const google::protobuf::MessageLite& request,
                          google::protobuf::MessageLite* response) {
  const grpc::internal::RpcMethod method(heading.path.c_str(), nullptr,
                                         grpc::internal::RpcMethod::NORMAL_RPC);
  const ByteBuffer request_bytes = ToBuffer(request.SerializeAsString());
  for (int retries = 0;; ++retries) {
    grpc::ClientContext context;
    Prepare(link, heading, &context);
    ByteBuffer bytes;
    const grpc::Status answer = grpc::internal::BlockingUnaryCall<ByteBuffer, ByteBuffer>(
        link.channel.get(), method, &context, request_bytes, &bytes);
    absl::Status status = Outcome(answer, bytes, response);
    if (status.ok() || !heading.options.idempotent) return status;
    const auto delay = RetryDelay(status, retries, Left(heading));
    if (!delay) return status;
    std::this_thread::sleep_for(*delay);
  }
}

std::shared_ptr<CancelHandle> StartCall(Link& link, Heading heading,
                                        const google::protobuf::MessageLite& request,
                                        google::protobuf::MessageLite* response,
                                        std::function<void(const absl::Status&)> done) {
  auto operation = std::make_shared<UnaryOperation>(link, std::move(heading), request, response,
                                                    std::move(done));
  operation->Start();
  return operation;
}

std::shared_ptr<CancelHandle> StartWatch(Link& link, const Heading& heading,
                                         const google::protobuf::MessageLite& request,
                                         std::function<bool(const std::string&)> on_message,
                                         std::function<void(const absl::Status&)> on_end) {
  auto operation =
      std::make_shared<WatchOperation>(link, request, std::move(on_message), std::move(on_end));
  operation->Start(heading);
  return operation;
}

}  // namespace gatehouse::rpc
