// Serves RPCs: methods are registered in a table with their policy, and every
// call passes one wrapper: passport, caller allow-list, deadline cap, request and
// trace ids, then the handler on a bounded pool, then metrics and one log line:
// failures at info, INTERNAL and its like at warning, successes at debug. Handlers
// are straight-line functions that may block and never throw.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "gatehouse/type/v1/passport.pb.h"
#include "google/protobuf/message.h"
#include "libs/base/clock.h"
#include "libs/exec/pool.h"
#include "libs/rpc/method.h"
#include "libs/rpc/passport.h"
#include "libs/status/status.h"

namespace gatehouse::rpc {

// What a handler may know of its call. Valid until the handler returns; a feed's
// is valid until the stream ends.
class Call {
 public:
  virtual ~Call() = default;
  // The calling process, "gateway".
  virtual const std::string& caller() const = 0;
  // On whose behalf; empty fields when the caller acts for itself.
  virtual const type::v1::Principal& principal() const = 0;
  virtual const std::string& request_id() const = 0;
  virtual const std::string& trace_parent() const = 0;
  virtual SteadyTime deadline() const = 0;
  // The client has gone or its deadline has passed.
  virtual bool IsCancelled() const = 0;
};

struct Policy {
  // Process names that may call. Empty: nobody.
  std::vector<std::string> callers;
  std::chrono::milliseconds deadline_max{10000};
  // Runs on the lane for handlers that call other services (architecture 8.1);
  // such a handler must hold no database connection while it calls.
  bool calls_out = false;
};

// The sending end of a feed. Thread-safe; outlives the stream (Send is then a
// no-op that returns false). The stream ends when the last copy is gone.
template <typename Response>
class FeedSender;

class RawFeedSender {
 public:
  virtual ~RawFeedSender() = default;
  // Queues a message. False when the stream has ended or the queue (1024) is
  // full: the feed must then drop and report a gap.
  virtual bool Send(const google::protobuf::MessageLite& message) = 0;
  // Ends the stream.
  virtual void Finish(const absl::Status& status) = 0;
  virtual bool ended() const = 0;
};

template <typename Response>
class FeedSender {
 public:
  explicit FeedSender(std::shared_ptr<RawFeedSender> raw) : raw_(std::move(raw)) {}
  bool Send(const Response& message) { return raw_->Send(message); }
  void Finish(const absl::Status& status) { raw_->Finish(status); }
  bool ended() const { return raw_->ended(); }

 private:
  std::shared_ptr<RawFeedSender> raw_;
};

// How a handler that answers later does so.
template <typename Response>
using Reply = std::function<void(const absl::StatusOr<Response>&)>;
using RawReply = std::function<void(const absl::Status&, std::string response)>;

// The methods of one proto service. Register before the server starts; methods
// of the proto that are not registered answer UNIMPLEMENTED.
class Service {
 public:
  // `full_name`: v1::InvitationService::kFullName.
  explicit Service(std::string full_name);
  ~Service();
  Service(Service&&) noexcept;

  // `handler`: absl::StatusOr<Response>(Call&, const Request&).
  template <typename Request, typename Response, typename Handler>
  Service& Unary(const Method<Request, Response>& method, Policy policy, Handler handler) {
    AddUnary(method.path, std::move(policy), &Request::default_instance(),
             [handler](Call& call, const google::protobuf::MessageLite& request,
                       std::string* response) -> absl::Status {
               absl::StatusOr<Response> result =
                   handler(call, static_cast<const Request&>(request));
               if (!result.ok()) return std::move(result).status();
               result->SerializeToString(response);
               return absl::OkStatus();
             });
    return *this;
  }

  // `handler`: void(Call&, const Request&, Reply<Response>). For work that many calls
  // share: it hands its part over and returns at once. It runs on gRPC's own thread, so it
  // must not block; call and request are valid until it returns. The reply is called once,
  // from any thread, also from within the handler; Drain waits for it. No lane bounds the
  // calls that wait: the handler does.
  template <typename Request, typename Response, typename Handler>
  Service& UnaryLater(const Method<Request, Response>& method, Policy policy, Handler handler) {
    AddLater(method.path, std::move(policy), &Request::default_instance(),
             [handler](Call& call, const google::protobuf::MessageLite& request, RawReply reply) {
               handler(call, static_cast<const Request&>(request),
                       [reply = std::move(reply)](const absl::StatusOr<Response>& result) {
                         if (!result.ok()) return reply(result.status(), "");
                         reply(absl::OkStatus(), result->SerializeAsString());
                       });
             });
    return *this;
  }

  // `handler`: void(std::shared_ptr<Call>, const Request&, FeedSender<Response>).
  // Called once on the pool when the stream opens; it keeps the sender and
  // returns. An idle feed costs no thread.
  template <typename Request, typename Response, typename Handler>
  Service& Feed(const StreamMethod<Request, Response>& method, Policy policy, Handler handler) {
    AddFeed(method.path, std::move(policy), &Request::default_instance(),
            [handler](std::shared_ptr<Call> call, const google::protobuf::MessageLite& request,
                      std::shared_ptr<RawFeedSender> sender) {
              handler(std::move(call), static_cast<const Request&>(request),
                      FeedSender<Response>(std::move(sender)));
            });
    return *this;
  }

  struct Impl;
  Impl& impl() { return *impl_; }

 private:
  using UnaryHandler = std::function<absl::Status(Call&, const google::protobuf::MessageLite&,
                                                  std::string* response)>;
  using LaterHandler = std::function<void(Call&, const google::protobuf::MessageLite&, RawReply)>;
  using FeedHandler = std::function<void(
      std::shared_ptr<Call>, const google::protobuf::MessageLite&, std::shared_ptr<RawFeedSender>)>;
  void AddUnary(const char* path, Policy policy, const google::protobuf::MessageLite* prototype,
                UnaryHandler handler);
  void AddLater(const char* path, Policy policy, const google::protobuf::MessageLite* prototype,
                LaterHandler handler);
  void AddFeed(const char* path, Policy policy, const google::protobuf::MessageLite* prototype,
               FeedHandler handler);

  std::unique_ptr<Impl> impl_;
};

struct ServerOptions {
  std::string address;       // "unix:/…" or "host:port"; port 0 lets the system choose
  bool reflection = false;   // In development.
  int handler_threads = 8;   // As many as database connections.
  int call_out_threads = 4;  // The lane of Policy::calls_out.
  // Waiting calls per lane; more are RESOURCE_EXHAUSTED / OVERLOADED.
  std::size_t queue_max = 1024;
  int message_bytes_max = 4 << 20;
};

// gRPC health is built in: NOT_SERVING until SetServing(true).
class Server {
 public:
  // `services` and `verifier` must outlive the server.
  static absl::StatusOr<std::unique_ptr<Server>> Start(const ServerOptions& options,
                                                       const std::vector<Service*>& services,
                                                       PassportVerifier& verifier);
  ~Server();

  // Where it listens, as a client would dial it.
  const std::string& address() const { return address_; }

  void SetServing(bool serving);

  // NOT_SERVING, refuses new calls, finishes those in hand within `grace`,
  // cancels the rest, joins. Idempotent.
  void Drain(std::chrono::milliseconds grace);

 private:
  Server() = default;
  struct Impl;
  std::unique_ptr<Impl> impl_;
  std::string address_;
};

}  // namespace gatehouse::rpc
