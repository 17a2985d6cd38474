// The asynchronous calls of one client, so that its destructor can wait until the
// last callback has returned. Knows nothing of gRPC.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <unordered_map>

namespace gatehouse::rpc {

class CancelHandle;

// Thread-safe.
class OpenCalls {
 public:
  // False when the client is going: the call must not start.
  bool Add(std::shared_ptr<CancelHandle> call);
  // After the call's last callback has returned.
  void Remove(const CancelHandle* call);

  // Refuses new calls, cancels those under way, waits until all are removed.
  void CancelAllAndWait();

 private:
  std::mutex mutex_;
  std::condition_variable empty_;
  bool closed_ = false;                                                           // by mutex_
  std::unordered_map<const CancelHandle*, std::shared_ptr<CancelHandle>> calls_;  // by mutex_
};

}  // namespace gatehouse::rpc
