// One call as the server sees it, from its metadata to its log line. Not a public
// header; handlers see rpc::Call.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <string>

#include "libs/log/log.h"
#include "libs/rpc/server.h"
#include "libs/rpc/service_table.h"

namespace grpc {
class CallbackServerContext;
}

namespace gatehouse::rpc {

// Everything that outlives gRPC's own context is copied out of it, so that a
// handler or a feed may keep the call longer than the stream.
class ServerCall final : public Call {
 public:
  ServerCall(const grpc::CallbackServerContext& context, const MethodEntry& method);

  // Checks the passport, then the method's allow-list.
  absl::Status Admit(PassportVerifier& verifier);

  // Thread-safe.
  void Cancel() { cancelled_.store(true, std::memory_order_relaxed); }

  // Why the call need not run any more; OK while it should.
  absl::Status CheckAlive() const;

  // Counts the call and writes its log line. Once, before the status is sent.
  void Report(const absl::Status& status) const;

  const log::Context& log_context() const { return log_context_; }
  const MethodEntry& method() const { return method_; }

  const std::string& caller() const override { return passport_->issuer(); }
  const type::v1::Principal& principal() const override { return passport_->principal(); }
  const std::string& request_id() const override { return log_context_.request_id; }
  const std::string& trace_parent() const override { return trace_parent_; }
  SteadyTime deadline() const override { return deadline_; }
  bool IsCancelled() const override;

 private:
  const MethodEntry& method_;
  const SteadyTime start_;
  const SteadyTime deadline_;
  std::string passport_wire_;
  std::string trace_parent_;
  log::Context log_context_;
  std::shared_ptr<const type::v1::Passport> passport_;  // Empty until admitted, never null.
  std::atomic<bool> cancelled_ = false;
};

}  // namespace gatehouse::rpc
