#include "services/auth/control_service.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "gatehouse/auth/v1/control.methods.h"
#include "libs/log/log.h"
#include "services/auth/audit_store.h"
#include "services/auth/call_actor.h"
#include "services/auth/control_store.h"

namespace gatehouse::auth {
namespace {

absl::Status CheckMayFlush(const Actor& actor) {
  const auto& holds = actor.holds;
  if (std::find(holds.begin(), holds.end(), "manage_gateway") != holds.end()) {
    return absl::OkStatus();
  }
  return Error(absl::StatusCode::kPermissionDenied, "FORBIDDEN",
               "to clear caches one needs manage_gateway");
}

AuditEvent FlushEvent(const rpc::Call& call, const v1::Origin& origin) {
  AuditEvent event = EventBy(call, "gateway_clear_caches", "all", 0);
  const AuditEvent from =
      NewEvent(event.type, true, {origin.client_address(), origin.user_agent(), ""});
  event.client_address = from.client_address;
  event.user_agent = from.user_agent;
  event.details_json = R"({"action":"gateway.clear_caches","status":"success"})";
  return event;
}

}  // namespace

ControlService::ControlService(pg::Database& db, ControlHub& hub)
    : db_(db), hub_(hub), rpc_(v1::ControlService::kFullName) {
  const rpc::Policy gateway{.callers = {"gateway"}};
  rpc_.Feed(v1::ControlService::kWatchControl, gateway,
            [&hub](std::shared_ptr<rpc::Call>, const v1::WatchControlRequest& request,
                   ControlHub::Sender sender) {
              log::Info("a gateway watches", {{"gateway_id", request.gateway_id()}});
              hub.Join(std::move(sender));
            })
      .Unary(v1::ControlService::kFlushCaches, gateway,
             [this](rpc::Call& call, const v1::FlushCachesRequest& request) {
               return FlushCaches(call, request);
             });
}

absl::StatusOr<v1::FlushCachesResponse> ControlService::FlushCaches(
    rpc::Call& call, const v1::FlushCachesRequest& request) {
  GH_RETURN_IF_ERROR(CheckMayFlush(ActorOf(call)));
  // Made once: a commit that was in doubt is audited once.
  const AuditEvent event = FlushEvent(call, request.origin());
  const auto flush = [&](pg::Tx& tx) -> absl::StatusOr<std::int64_t> {
    GH_RETURN_IF_ERROR(CheckPresented(tx, call));
    AppendEvent(tx, event);
    return AppendFlush(tx, call.principal().user_id());
  };
  GH_ASSIGN_OR_RETURN(const std::int64_t sequence,
                      pg::RepeatInDoubt([&] { return db_.InTransaction(flush); }));
  hub_.Wake();
  v1::FlushCachesResponse response;
  response.set_sequence(sequence);
  return response;
}

}  // namespace gatehouse::auth
