// Keeps one control stream from auth open and feeds ControlState with it; opens
// a new one, with back-off, when it ends or falls silent. Interprets nothing.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "libs/exec/pool.h"
#include "libs/rpc/client.h"
#include "services/gateway/control_state.h"

namespace gatehouse::gateway {

class ControlWatch {
 public:
  // `flush`: its number in auth's count; 0: auth knows of none lately, at the start and
  // after its database was restored. `head`: where that count stands.
  using ResetLimits = std::function<void(std::int64_t flush, std::int64_t head)>;

  // Starts at once. `clear_caches` is called on a snapshot and on a flush,
  // `reset_limits` with each flush that an administrator asked for, once, also with the
  // last one that came while no stream was open; both after `control` has it, from
  // threads of gRPC. `auth`, `control` and what the callbacks use must outlive this.
  ControlWatch(std::string gateway_id, rpc::Client& auth, ControlState& control,
               std::function<void()> clear_caches, ResetLimits reset_limits = nullptr);
  ~ControlWatch();

 private:
  struct Flushes;
  struct Stream;
  std::chrono::milliseconds Step();
  void Open();

  const std::string gateway_id_;
  rpc::Client& auth_;
  ControlState& control_;
  const std::shared_ptr<Flushes> flushes_;
  std::shared_ptr<Stream> stream_;  // The ticker's thread alone uses it.
  std::chrono::milliseconds back_off_{0};
  SteadyTime open_after_{};
  std::unique_ptr<exec::Ticker> ticker_;
};

}  // namespace gatehouse::gateway
