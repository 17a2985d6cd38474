#include "services/gateway/parts.h"

namespace gatehouse::gateway {

bool Parts::IsReady() const {
  return !is_draining.load(std::memory_order_relaxed) &&
         control.IsFresh(std::chrono::steady_clock::now()) &&
         Judge(health.Parts(), true) != Health::kUnhealthy;
}

}  // namespace gatehouse::gateway
