#include "services/gateway/booking.h"

#include <utility>

#include "libs/log/log.h"

namespace gatehouse::gateway {
namespace {

constexpr char kHeader[] = "Idempotency-Key";

}  // namespace

void ReplyBooked(const Context& context, const std::string& key, std::string json) {
  http::Response response = JsonResponse(200, std::move(json));
  response.headers.push_back({kHeader, key});
  context->Reply(std::move(response));
}

void FailBooked(const Context& context, const auth::v1::AuditEvent& event, const std::string& key,
                const absl::Status& status) {
  AuditFailure(*context, event, status);
  Problem problem = ProblemOf(status, "billing");
  problem.headers.push_back({kHeader, key});
  // An error of the server's, unlike a refusal, does not tell that nothing was done.
  if (problem.status >= 500) {
    problem.message +=
        "; it may have been booked: a repeat with this Idempotency-Key is safe, it books "
        "nothing twice";
    const log::Scope scope({context->request_id(), ""});
    log::Warning("a booking failed", {{"reason", Reason(status)},
                                      {"idempotency_key", key},
                                      {"cause", std::string(status.message())}});
  }
  context->Fail(std::move(problem));
}

}  // namespace gatehouse::gateway
