#include "services/auth/control_service.h"

#include <memory>
#include <utility>

#include "gatehouse/auth/v1/control.methods.h"
#include "libs/log/log.h"

namespace gatehouse::auth {

ControlService::ControlService(ControlHub& hub) : rpc_(v1::ControlService::kFullName) {
  rpc_.Feed(v1::ControlService::kWatchControl, {.callers = {"gateway"}},
            [&hub](std::shared_ptr<rpc::Call>, const v1::WatchControlRequest& request,
                   ControlHub::Sender sender) {
              log::Info("a gateway watches", {{"gateway_id", request.gateway_id()}});
              hub.Join(std::move(sender));
            });
}

}  // namespace gatehouse::auth
