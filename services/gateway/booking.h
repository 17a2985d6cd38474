// What an administrator books by hand: audited, then done under an idempotency key that the
// answer tells, so that it can be repeated when nobody knows whether it happened. Not the
// reading of the key (idempotency_key.h).
#pragma once

#include <string>

#include "gatehouse/billing/v1/account.pb.h"
#include "services/gateway/audit.h"

namespace gatehouse::gateway {

// 200 with `json` and the header Idempotency-Key.
void ReplyBooked(const Context& context, const std::string& key, std::string json);

// Audits the failure of billing and answers it with the header Idempotency-Key. Where it may
// have been booked nevertheless the message says so, and that a repeat with the key is safe.
void FailBooked(const Context& context, const auth::v1::AuditEvent& event, const std::string& key,
                const absl::Status& status);

// Appends `event`, then calls `method` of billing; `json_of(response)` is the answer.
template <typename Request, typename JsonOf>
void AuditThenBook(const Context& context, const auth::v1::AuditEvent& event,
                   const rpc::Method<Request, billing::v1::AdjustBalanceResponse>& method,
                   const Request& request, JsonOf json_of) {
  AuditThen(context, event, [context, event, method, request, json_of] {
    context->Call(*context->upstreams().billing, method, request,
                  [context, event, json_of, key = request.idempotency_key()](
                      const absl::StatusOr<billing::v1::AdjustBalanceResponse>& booked) {
                    if (booked.ok()) return ReplyBooked(context, key, json_of(*booked));
                    FailBooked(context, event, key, booked.status());
                  });
  });
}

}  // namespace gatehouse::gateway
