// An administrator's act that is one call: written to the audit log, then made. Not
// the writing of the event (audit.h).
#pragma once

#include "services/gateway/audit.h"

namespace gatehouse::gateway {

// Says an error of a service in the words of a surface; its code may change, too.
using Wording = absl::Status (*)(const absl::Status& status);

inline absl::Status AsItIs(const absl::Status& status) { return status; }

// Appends `event`, then makes the call; `done(const Response&)` runs when it
// succeeded. That it failed is audited as well, and answered as `wording` says it.
template <typename Request, typename Response, typename Done>
void AuditThenCall(const Context& context, const auth::v1::AuditEvent& event, rpc::Client& client,
                   const rpc::Method<Request, Response>& method, const Request& request, Done done,
                   Wording wording = AsItIs) {
  AuditThen(context, event, [context, event, &client, method, request, done, wording] {
    context->Call(client, method, request,
                  [context, event, done, wording,
                   service = client.name()](const absl::StatusOr<Response>& result) {
                    if (result.ok()) return done(*result);
                    FailAudited(context, event, wording(result.status()), service);
                  });
  });
}

}  // namespace gatehouse::gateway
