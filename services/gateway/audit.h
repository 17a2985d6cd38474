// Writes down what an administrator is about to do, before it is done. Not the
// audit log itself (auth keeps it).
#pragma once

#include <functional>
#include <string>

#include "gatehouse/auth/v1/audit.pb.h"
#include "services/gateway/request_context.h"

namespace gatehouse::gateway {

// An event of `type` by the user of `context`; `details_json` is an object.
auth::v1::AuditEvent MakeAuditEvent(const RequestContext& context, const std::string& type,
                                    const std::string& target, const std::string& details_json);

// Appends `event`, then calls `act` on the worker. Answers 503 AUDIT_UNAVAILABLE
// and never calls `act` when the event cannot be appended.
void AuditThen(const Context& context, const auth::v1::AuditEvent& event,
               std::function<void()> act);

// Appends that the act of `event` was not done, for `status`. Waits for nothing.
void AuditFailure(const RequestContext& context, auth::v1::AuditEvent event,
                  const absl::Status& status);

// The same, and fails the request with `status` of `service`.
void FailAudited(const Context& context, auth::v1::AuditEvent event, const absl::Status& status,
                 const std::string& service);

}  // namespace gatehouse::gateway
