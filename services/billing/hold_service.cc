#include "services/billing/hold_service.h"

#include <utility>

#include "gatehouse/billing/v1/hold.methods.h"
#include "services/billing/messages.h"
#include "services/billing/request_check.h"

namespace gatehouse::billing {
namespace {

// Has a checked order done and replies with `to_proto` of its answer.
template <typename Order, typename Response, typename ToProto>
void Do(MoneyBatch* batch, absl::StatusOr<Order> order, rpc::Reply<Response> reply,
        ToProto to_proto, SteadyTime deadline = SteadyTime::max()) {
  if (!order.ok()) return reply(order.status());
  batch->Submit({.order = *std::move(order),
                 .done =
                     [reply = std::move(reply), to_proto](const absl::StatusOr<Answer>& answer) {
                       if (!answer.ok()) return reply(answer.status());
                       reply(to_proto(*answer));
                     },
                 .tenant_id = 0,
                 .deadline = deadline});
}

v1::Hold HoldOf(const Answer& answer) { return ToProto(answer.hold); }
v1::CaptureResponse ResponseOf(const Answer& answer) { return ToProto(answer); }

}  // namespace

HoldService::HoldService(pg::Database& db, PriceBooks& books)
    : rpc_(v1::HoldService::kFullName), batch_(db, books) {
  const rpc::Policy by_jobs{.callers = {"jobs"}};
  rpc_.UnaryLater(v1::HoldService::kReserve, by_jobs,
                  [this](rpc::Call& call, const v1::ReserveRequest& request, auto reply) {
                    Reserve(request, std::move(reply), call.deadline());
                  });
  rpc_.UnaryLater(v1::HoldService::kBind, by_jobs,
                  [this](rpc::Call&, const v1::BindRequest& request, auto reply) {
                    Bind(request, std::move(reply));
                  });
  rpc_.UnaryLater(v1::HoldService::kCapture, by_jobs,
                  [this](rpc::Call&, const v1::CaptureRequest& request, auto reply) {
                    Capture(request, std::move(reply));
                  });
  rpc_.UnaryLater(v1::HoldService::kRelease, by_jobs,
                  [this](rpc::Call&, const v1::ReleaseRequest& request, auto reply) {
                    Release(request, std::move(reply));
                  });
}

void HoldService::Reserve(const v1::ReserveRequest& request, rpc::Reply<v1::Hold> reply,
                          SteadyTime deadline) {
  Do(&batch_, CheckReserve(request), std::move(reply), HoldOf, deadline);
}

void HoldService::Bind(const v1::BindRequest& request, rpc::Reply<v1::Hold> reply) {
  Do(&batch_, CheckBind(request), std::move(reply), HoldOf);
}

void HoldService::Capture(const v1::CaptureRequest& request,
                          rpc::Reply<v1::CaptureResponse> reply) {
  Do(&batch_, CheckCapture(request), std::move(reply), ResponseOf);
}

void HoldService::Release(const v1::ReleaseRequest& request, rpc::Reply<v1::Hold> reply) {
  Do(&batch_, CheckRelease(request), std::move(reply), HoldOf);
}

}  // namespace gatehouse::billing
