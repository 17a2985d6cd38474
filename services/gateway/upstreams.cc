#include "services/gateway/upstreams.h"

#include "libs/service/process.h"

namespace gatehouse::gateway {

Upstreams MakeUpstreams(service::Process& process) {
  return {process.NewClient("auth"), process.NewClient("invitations"), process.NewClient("billing"),
          process.NewClient("jobs"), process.NewClient("orchestrator_monitor")};
}

}  // namespace gatehouse::gateway
