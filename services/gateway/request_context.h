// One request on its way through the edge: what a handler may know, and how it
// answers. Answers exactly once; a client that leaves cancels the call in hand.
// Not the dispatcher (gateway.h).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gatehouse/auth/v1/session.pb.h"
#include "libs/http/forward.h"
#include "libs/http/server.h"
#include "libs/rpc/client.h"
#include "services/gateway/address_limiter.h"
#include "services/gateway/authenticator.h"
#include "services/gateway/error_page.h"
#include "services/gateway/json_body.h"
#include "services/gateway/json_writer.h"
#include "services/gateway/parts.h"
#include "services/gateway/query.h"
#include "services/gateway/route.h"
#include "services/gateway/snapshot.h"

namespace gatehouse::gateway {

// Everything runs on the exchange's worker, one at a time.
class RequestContext : public std::enable_shared_from_this<RequestContext> {
 public:
  // `parts` must outlive this.
  RequestContext(const Parts& parts, std::shared_ptr<http::Exchange> exchange);
  ~RequestContext();

  // From the dispatcher.
  void Enter(const Route& route, RouteMetrics& metrics, const http::Match& match);
  void SetIdentity(IdentityPtr identity) { identity_ = std::move(identity); }
  // The answer says what the limit `name` had to say.
  void SetLimit(const std::string& name, const LimitVerdict& verdict);
  // The answer sends the login cookies again with this life, unless the handler
  // itself says what becomes of them.
  void RenewCookies(std::chrono::seconds age) { cookie_age_ = age; }
  bool renews_cookies() const { return identity_ && cookie_age_; }
  // An optional route is entered without a user, who was refused with `problem`.
  void SetRefusal(Problem problem) { refusal_ = std::move(problem); }
  // Takes a place among the `most` requests that may be in hand in `lane`, until this is
  // destroyed; false when there is none.
  bool EnterLane(Lane lane, int most);

  const Parts& parts() const { return parts_; }
  // Where it goes, for the access log; of the snapshot.
  void SetUpstream(std::string_view name) { upstream_ = name; }
  // The configuration that this request began with.
  const Snapshot& snapshot() const { return *snapshot_; }
  const SnapshotPtr& snapshot_ptr() const { return snapshot_; }
  // For answers that are streamed; FinishStream accounts them.
  const std::shared_ptr<http::Exchange>& exchange() const { return exchange_; }
  // The W3C traceparent of this request: the caller's, one step on, or a new one.
  const std::string& trace_parent();
  const Upstreams& upstreams() const { return parts_.upstreams; }
  const http::Request& request() const { return exchange_->request(); }
  const Route* route() const { return route_; }
  const std::string& request_id() const { return request_id_; }
  // nullptr on public routes, and on optional ones whenever the user is not known.
  const IdentityPtr& identity() const { return identity_; }
  // What an optional route that needs the user after all can fail with.
  const Problem& refusal() const { return refusal_; }
  const type::v1::Principal& principal() const { return identity_->principal; }
  bool IsStaff() const { return principal().role() == "admin"; }
  // The user's tenant, or NOT_FOUND / TENANT_NOT_FOUND. Never 0, which services
  // take for staff.
  absl::StatusOr<std::int64_t> Tenant() const;
  // The same, but 0 for staff, who see every tenant's.
  absl::StatusOr<std::int64_t> VisibleTenant() const;

  const std::string& client_address() const;
  std::string user_agent() const;  // Printable ASCII of at most 512 bytes.

  // The JSON object of the body. UNSUPPORTED_MEDIA_TYPE, or JsonBody's errors.
  absl::StatusOr<JsonBody> Body() const;
  absl::StatusOr<Query> Arguments() const { return Query::Parse(request().query); }
  // The segment of the path that is `name`, as it was sent; "" when there is none.
  std::string_view PathSegment(std::string_view name) const;
  // The parameter `name` of the path ("{id}"), decoded; "" when it cannot be.
  std::string PathText(const std::string& name) const;
  // A UUID that the path names, in lower case; INVALID_ARGUMENT / ID_INVALID.
  absl::StatusOr<std::string> PathUuid(const std::string& name = "id") const;
  // A user that the path names by UUID or integer; INVALID_ARGUMENT / ID_INVALID.
  absl::StatusOr<std::string> PathUser(const std::string& name = "id") const;

  // Where the request came from, as auth wants it.
  auth::v1::Origin Origin() const;

  // Every unknown credential costs a look-up at auth: the refusal, when this address
  // has shown too many of late, and the note that it has shown one.
  std::optional<Problem> GuessesRefused() const;
  void NoteGuess() const;

  // An answer that did not go through Reply has ended: writes the access log and
  // counts. `report` only for proxied ones. Once, instead of Reply.
  void FinishStream(int status, std::uint64_t bytes, const http::ForwardReport* report = nullptr);
  // The header lines that Reply would add to every answer: request id, security, CORS,
  // limits; without those for which `has` says that they are there.
  void AppendCommonLines(const std::function<bool(std::string_view)>& has, std::string* lines);

  // The whole answer that Fail would give, for who sends it by other means than Reply.
  http::Response Compose(Problem problem);

  // The first answer wins.
  void Reply(http::Response response);
  void ReplyJson(int status, std::string body);
  void Fail(Problem problem);
  // `service`: the process that said so; empty: the edge itself.
  void Fail(const absl::Status& status, const std::string& service = "");

  // Makes one call on behalf of the user, within what is left of the route's
  // time. `done(absl::StatusOr<Response>)` runs on the worker, and does not run
  // when the client has left.
  template <typename Request, typename Response, typename Done>
  void Call(rpc::Client& client, const rpc::Method<Request, Response>& method,
            const Request& request, Done done) {
    auto self = shared_from_this();
    call_ = client.CallAsync(
        method, request, NextCallOptions(),
        [self, done](absl::StatusOr<Response> result) { Continue(self, done, std::move(result)); });
    if (answered_) call_.reset();
  }

  // The same where an error is the answer: `done(const Response&)`.
  template <typename Request, typename Response, typename Done>
  void CallOrFail(rpc::Client& client, const rpc::Method<Request, Response>& method,
                  const Request& request, Done done) {
    Call(client, method, request,
         [this, done, service = client.name()](const absl::StatusOr<Response>& result) {
           if (result.ok()) {
             done(*result);
           } else {
             Fail(result.status(), service);
           }
         });
  }

 private:
  template <typename Done, typename Result>
  static void Continue(std::shared_ptr<RequestContext> self, Done done, Result result) {
    RequestContext& context = *self;
    context.exchange_->Post(
        [self = std::move(self), done = std::move(done), result = std::move(result)]() mutable {
          self->call_.reset();
          if (!self->answered_ && !self->has_left_) done(std::move(result));
        });
  }

  rpc::CallOptions NextCallOptions();
  http::Response MakeAnswer(Problem problem);
  void Complete(http::Response* response);
  void Account(int status, std::uint64_t bytes, const http::ForwardReport* report);

  const Parts& parts_;
  const SnapshotPtr snapshot_;
  const std::shared_ptr<http::Exchange> exchange_;
  const SteadyTime begin_;
  const std::string request_id_;
  std::string trace_parent_;            // Made for the first call.
  mutable std::string client_address_;  // Found when it is first asked for.
  const Route* route_ = nullptr;
  RouteMetrics* metrics_;
  // Still encoded; of the request's target and the snapshot's table.
  std::vector<std::pair<std::string_view, std::string_view>> path_parameters_;
  IdentityPtr identity_;
  Problem refusal_;
  std::string_view upstream_;
  std::string limit_name_;
  LimitVerdict limit_;
  std::optional<std::chrono::seconds> cookie_age_;
  std::shared_ptr<rpc::CancelHandle> call_;
  std::optional<Lane> lane_;  // In which this has a place.
  bool answered_ = false;
  bool has_left_ = false;  // The client.
};

using Context = std::shared_ptr<RequestContext>;

// A JSON answer, for handlers that add headers of their own.
http::Response JsonResponse(int status, std::string body);

// Whether a body of this Content-Type is JSON in UTF-8.
bool IsJsonType(std::string_view content_type);

}  // namespace gatehouse::gateway
