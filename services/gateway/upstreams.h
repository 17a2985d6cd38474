// The clients of the processes behind the edge, one channel each. Knows
// addresses, not methods.
#pragma once

#include <memory>
#include <vector>

#include "libs/rpc/client.h"

namespace gatehouse::service {
class Process;
}

namespace gatehouse::gateway {

struct Upstreams {
  std::unique_ptr<rpc::Client> auth;
  std::unique_ptr<rpc::Client> invitations;
  std::unique_ptr<rpc::Client> billing;
  std::unique_ptr<rpc::Client> jobs;
  std::unique_ptr<rpc::Client> orchestrator_monitor;

  std::vector<rpc::Client*> All() const {
    return {auth.get(), invitations.get(), billing.get(), jobs.get(), orchestrator_monitor.get()};
  }
};

// By the settings AUTH_ADDRESS, INVITATIONS_ADDRESS, …
Upstreams MakeUpstreams(service::Process& process);

}  // namespace gatehouse::gateway
