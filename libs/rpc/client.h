// Calls RPCs of one target process, with passport, deadline and ids on every
// call. One channel per target. No gRPC type shows here.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "gatehouse/type/v1/passport.pb.h"
#include "google/protobuf/message.h"
#include "libs/base/clock.h"
#include "libs/rpc/method.h"
#include "libs/rpc/passport.h"
#include "libs/status/status.h"

namespace gatehouse::rpc {

struct CallOptions {
  std::chrono::milliseconds timeout{5000};
  // On whose behalf.
  type::v1::Principal principal;
  // Empty: those of the request that this thread works on (log::Scope).
  std::string request_id;
  std::string trace_parent;
  // Wait for a target that is not up yet, within the timeout. A wait of more than
  // ten seconds may outlive the call's passport and end as UNAUTHENTICATED.
  bool wait_for_ready = false;
  // Retry UNAVAILABLE up to twice with back-off; only for idempotent methods.
  bool idempotent = false;
};

// Cancels a call that is under way; harmless when it has ended. Thread-safe.
class CancelHandle {
 public:
  virtual ~CancelHandle() = default;
  virtual void Cancel() = 0;
};

// Thread-safe. Errors of the transport are UNAVAILABLE or DEADLINE_EXCEEDED;
// errors of the callee keep code, reason and message.
class Client {
 public:
  // `target`: "unix:/…", "dns:///host:port" or "host:port"; round robin over its
  // addresses, with "dns:" over those whose health says SERVING. `name`: the process
  // there, the passport's audience. `issuer` may be null for health checks only;
  // otherwise it must outlive the client.
  Client(std::string name, const std::string& target, PassportIssuer* issuer);

  // Cancels what is under way and returns when the last callback has. Must not
  // run inside a callback, nor beside a blocking call.
  ~Client();

  // Blocks.
  template <typename Request, typename Response>
  absl::StatusOr<Response> Call(const Method<Request, Response>& method, const Request& request,
                                const CallOptions& options = {}) {
    Response response;
    absl::Status status = CallRaw(method.path, request, &response, options);
    if (!status.ok()) return status;
    return response;
  }

  // `done(absl::StatusOr<Response>)` is called exactly once, on a thread of gRPC:
  // it must hand over and return.
  template <typename Request, typename Response, typename Done>
  std::shared_ptr<CancelHandle> CallAsync(const Method<Request, Response>& method,
                                          const Request& request, const CallOptions& options,
                                          Done done) {
    auto response = std::make_shared<Response>();
    return CallRawAsync(method.path, request, response.get(), options,
                        [response, done](const absl::Status& status) mutable {
                          if (status.ok()) {
                            done(absl::StatusOr<Response>(std::move(*response)));
                          } else {
                            done(absl::StatusOr<Response>(status));
                          }
                        });
  }

  // Opens a feed. `on_message` and then, once, `on_end` are called on threads of
  // gRPC, one at a time. The stream has no deadline; Cancel ends it, and a message
  // that was being delivered may still come. A malformed message ends it too.
  template <typename Request, typename Response, typename OnMessage, typename OnEnd>
  std::shared_ptr<CancelHandle> Watch(const StreamMethod<Request, Response>& method,
                                      const Request& request, const CallOptions& options,
                                      OnMessage on_message, OnEnd on_end) {
    return WatchRaw(
        method.path, request, options,
        [on_message](const std::string& bytes) mutable {
          Response response;
          if (!response.ParseFromString(bytes)) return false;
          on_message(response);
          return true;
        },
        std::move(on_end));
  }

  // Whether the target's health says SERVING, within `timeout`. Blocks.
  bool IsServing(std::chrono::milliseconds timeout);
  // The same without blocking; `done` is called on a thread of gRPC.
  void CheckServing(std::chrono::milliseconds timeout, std::function<void(bool)> done);

  const std::string& name() const { return name_; }

 private:
  absl::Status CallRaw(const char* path, const google::protobuf::MessageLite& request,
                       google::protobuf::MessageLite* response, const CallOptions& options);
  std::shared_ptr<CancelHandle> CallRawAsync(const char* path,
                                             const google::protobuf::MessageLite& request,
                                             google::protobuf::MessageLite* response,
                                             const CallOptions& options,
                                             std::function<void(const absl::Status&)> done);
  std::shared_ptr<CancelHandle> WatchRaw(const char* path,
                                         const google::protobuf::MessageLite& request,
                                         const CallOptions& options,
                                         std::function<bool(const std::string&)> on_message,
                                         std::function<void(const absl::Status&)> on_end);

  struct Impl;
  const std::string name_;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gatehouse::rpc
