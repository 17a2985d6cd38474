// Keeps one control stream from auth open and feeds ControlState with it; opens
// a new one, with back-off, when it ends or falls silent. Interprets nothing.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "libs/exec/pool.h"
#include "libs/rpc/client.h"
#include "services/gateway/control_state.h"

namespace gatehouse::gateway {

class ControlWatch {
 public:
  // Starts at once. `clear_caches` is called on a snapshot and on a flush, after
  // `control` has it; from threads of gRPC. `auth`, `control` and what the
  // callback uses must outlive this.
  ControlWatch(std::string gateway_id, rpc::Client& auth, ControlState& control,
               std::function<void()> clear_caches);
  ~ControlWatch();

 private:
  struct Stream;
  std::chrono::milliseconds Step();
  void Open();

  const std::string gateway_id_;
  rpc::Client& auth_;
  ControlState& control_;
  const std::function<void()> clear_caches_;
  std::shared_ptr<Stream> stream_;  // The ticker's thread alone uses it.
  std::chrono::milliseconds back_off_{0};
  SteadyTime open_after_{};
  std::unique_ptr<exec::Ticker> ticker_;
};

}  // namespace gatehouse::gateway
