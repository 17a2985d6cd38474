// Binds a service table to gRPC: one reactor per call, which admits the call,
// posts it to a lane and sends the answer. Not a public header.
#pragma once

#include <atomic>
#include <functional>
#include <memory>

#include "libs/exec/pool.h"
#include "libs/rpc/open_feeds.h"
#include "libs/rpc/passport.h"
#include "libs/rpc/server.h"

namespace grpc {
class Service;
}

namespace gatehouse::rpc {

// What all calls of one server share. Must outlive the gRPC server.
struct Dispatch {
  PassportVerifier& verifier;
  exec::Pool& handlers;
  exec::Pool* call_outs;  // Null when no method calls out.
  OpenFeeds feeds;
  std::atomic<bool> draining = false;

  // Runs `work` on the lane of `policy`, or says why not: OVERLOADED, DRAINING.
  absl::Status Post(const Policy& policy, std::function<void()> work);
};

absl::Status DrainingError();

// gRPC's view of `table`. Both arguments must outlive it.
std::unique_ptr<grpc::Service> NewGrpcService(Dispatch& dispatch, const Service::Impl& table);

}  // namespace gatehouse::rpc
