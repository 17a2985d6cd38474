#include "libs/rpc/open_calls.h"

#include <utility>
#include <vector>

#include "libs/rpc/client.h"

namespace gatehouse::rpc {

bool OpenCalls::Add(std::shared_ptr<CancelHandle> call) {
  std::lock_guard lock(mutex_);
  if (closed_) return false;
  const CancelHandle* key = call.get();
  calls_.emplace(key, std::move(call));
  return true;
}

void OpenCalls::Remove(const CancelHandle* call) {
  std::shared_ptr<CancelHandle> removed;  // Dies outside the lock.
  std::lock_guard lock(mutex_);
  auto found = calls_.find(call);
  if (found == calls_.end()) return;
  removed = std::move(found->second);
  calls_.erase(found);
  // Under the lock: the waiter may destroy this object as soon as it is released.
  if (calls_.empty()) empty_.notify_all();
}

void OpenCalls::CancelAllAndWait() {
  std::vector<std::shared_ptr<CancelHandle>> calls;
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
    for (const auto& [key, call] : calls_) calls.push_back(call);
  }
  for (const auto& call : calls) call->Cancel();
  calls.clear();
  std::unique_lock lock(mutex_);
  empty_.wait(lock, [this] { return calls_.empty(); });
}

}  // namespace gatehouse::rpc
