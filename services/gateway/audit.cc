#include "services/gateway/audit.h"

#include "gatehouse/auth/v1/audit.methods.h"
#include "libs/base/uuid.h"
#include "libs/log/log.h"
#include "libs/rpc/timestamp.h"

namespace gatehouse::gateway {

auth::v1::AuditEvent MakeAuditEvent(const RequestContext& context, const std::string& type,
                                    const std::string& target, const std::string& details_json) {
  auth::v1::AuditEvent event;
  event.set_id(UuidV7());
  event.set_type(type);
  *event.mutable_event_time() = rpc::ToTimestamp(context.parts().clock.Now());
  event.set_actor_user_id(context.principal().user_id());
  event.set_actor_username(context.principal().username());
  event.set_target(target);
  event.set_client_address(context.client_address());
  event.set_user_agent(context.user_agent());
  event.set_request_id(context.request_id());
  event.set_success(true);
  event.set_details_json(details_json);
  return event;
}

void AuditThen(const Context& context, const auth::v1::AuditEvent& event,
               std::function<void()> act) {
  auth::v1::AppendAuditRequest request;
  *request.mutable_event() = event;
  context->Call(
      *context->upstreams().auth, auth::v1::AuditService::kAppendAudit, request,
      [context, act](const absl::StatusOr<auth::v1::AppendAuditResponse>& appended) {
        if (appended.ok()) return act();
        log::Error("an audit event could not be appended", {{"reason", Reason(appended.status())}});
        Problem problem = ProblemOf(Error(absl::StatusCode::kUnavailable, "AUDIT_UNAVAILABLE",
                                          "nothing was done, because it could not be audited"));
        problem.service = "auth";
        context->Fail(std::move(problem));
      });
}

void AuditFailure(const RequestContext& context, auth::v1::AuditEvent event,
                  const absl::Status& status) {
  event.set_id(UuidV7());
  event.set_success(false);
  const std::string reason = Reason(status);
  event.set_reason(reason.empty() ? absl::StatusCodeToString(status.code()) : reason);
  auth::v1::AppendAuditRequest request;
  *request.mutable_event() = std::move(event);
  rpc::CallOptions options;
  options.principal = context.principal();
  options.request_id = context.request_id();
  context.upstreams().auth->CallAsync(
      auth::v1::AuditService::kAppendAudit, request, options,
      [](const absl::StatusOr<auth::v1::AppendAuditResponse>& appended) {
        if (appended.ok()) return;
        log::Error("an audit event could not be appended", {{"reason", Reason(appended.status())}});
      });
}

void FailAudited(const Context& context, auth::v1::AuditEvent event, const absl::Status& status,
                 const std::string& service) {
  AuditFailure(*context, std::move(event), status);
  context->Fail(status, service);
}

}  // namespace gatehouse::gateway
