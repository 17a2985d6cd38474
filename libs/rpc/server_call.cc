#include "libs/rpc/server_call.h"

#include <grpcpp/server_context.h>

#include <algorithm>

#include "libs/base/uuid.h"
#include "libs/rpc/headers.h"
#include "libs/trace/trace.h"

namespace gatehouse::rpc {
namespace {

std::string Metadata(const grpc::CallbackServerContext& context, const char* key) {
  const auto& metadata = context.client_metadata();
  const auto found = metadata.find(key);
  if (found == metadata.end()) return "";
  return std::string(found->second.data(), found->second.size());
}

// The client's deadline, or the method's longest if that is sooner. A feed has
// only the client's.
SteadyTime DeadlineOf(const grpc::CallbackServerContext& context, const MethodEntry& method,
                      SteadyTime now) {
  const SteadyTime cap = method.feed ? SteadyTime::max() : now + method.policy.deadline_max;
  const Time asked = context.deadline();
  if (asked == Time::max()) return cap;
  const auto left = asked - std::chrono::system_clock::now();
  if (left > std::chrono::hours(24)) return cap;
  return std::min(cap, now + std::chrono::duration_cast<SteadyTime::duration>(left));
}

const std::shared_ptr<const type::v1::Passport>& NoPassport() {
  static const auto* none =
      new std::shared_ptr<const type::v1::Passport>(std::make_shared<const type::v1::Passport>());
  return *none;
}

log::Level LevelOf(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kOk:
      return log::Level::kDebug;
    case absl::StatusCode::kInternal:
    case absl::StatusCode::kUnknown:
    case absl::StatusCode::kDataLoss:
      return log::Level::kWarning;
    default:
      return log::Level::kInfo;
  }
}

}  // namespace

ServerCall::ServerCall(const grpc::CallbackServerContext& context, const MethodEntry& method)
    : method_(method),
      start_(std::chrono::steady_clock::now()),
      deadline_(DeadlineOf(context, method, start_)),
      passport_wire_(Metadata(context, kPassportKey)),
      trace_parent_(Metadata(context, kTraceParentKey)),
      passport_(NoPassport()) {
  log_context_.request_id = Metadata(context, kRequestIdKey);
  if (!IsRequestId(log_context_.request_id)) log_context_.request_id = UuidV7();
  std::optional<trace::TraceParent> parent = trace::Parse(trace_parent_);
  if (!parent) {
    parent = trace::Start();
    trace_parent_ = trace::Format(*parent);
  }
  log_context_.trace_id = parent->trace_id;
}

absl::Status ServerCall::Admit(PassportVerifier& verifier) {
  GH_ASSIGN_OR_RETURN(passport_, verifier.Verify(passport_wire_));
  const std::vector<std::string>& callers = method_.policy.callers;
  if (std::find(callers.begin(), callers.end(), caller()) == callers.end()) {
    return Error(absl::StatusCode::kPermissionDenied, "CALLER_NOT_ALLOWED",
                 "this process may not call this method");
  }
  return absl::OkStatus();
}

bool ServerCall::IsCancelled() const {
  return cancelled_.load(std::memory_order_relaxed) ||
         std::chrono::steady_clock::now() >= deadline_;
}

absl::Status ServerCall::CheckAlive() const {
  if (std::chrono::steady_clock::now() >= deadline_) {
    return Error(absl::StatusCode::kDeadlineExceeded, "EXPIRED_IN_QUEUE",
                 "the deadline passed before a thread was free");
  }
  if (cancelled_.load(std::memory_order_relaxed)) {
    return Error(absl::StatusCode::kCancelled, "CALL_CANCELLED", "the client has gone");
  }
  return absl::OkStatus();
}

void ServerCall::Report(const absl::Status& status) const {
  const auto duration = std::chrono::steady_clock::now() - start_;
  method_.metrics.Observe(status.code(), duration);
  const log::Level level = LevelOf(status.code());
  if (!log::Enabled(level)) return;
  const log::Scope scope(log_context_);
  log::Write(
      level, "rpc",
      {{"method", method_.path},
       {"caller", caller()},
       {"code", absl::StatusCodeToString(status.code())},
       {"reason", Reason(status)},
       {"error", std::string(status.message())},
       {"duration_us", std::chrono::duration_cast<std::chrono::microseconds>(duration).count()}});
}

}  // namespace gatehouse::rpc
