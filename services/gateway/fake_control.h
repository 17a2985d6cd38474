// Auth's control stream for tests. Not for use outside the gateway's tests.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "gatehouse/auth/v1/control.methods.h"
#include "libs/exec/pool.h"
#include "libs/rpc/server.h"
#include "services/gateway/script.h"

namespace gatehouse::gateway {

// A snapshot to each who opens it, then what is pushed,
// and heartbeats. Muted, it says nothing; unmuted, it ends the streams that were
// opened meanwhile.
class FakeControl {
 public:
  FakeControl();
  void Register(rpc::Service& service);
  // Assigns the next sequence to `update` and sends it; the sequence. Snapshots to come
  // name the last flush.
  std::int64_t Push(auth::v1::ControlUpdate update);
  // The keys of the snapshots to come, which those who watch now are told, too.
  void SetKeys(const std::string& jwks_json);
  void Mute(bool muted);
  // Ends the streams and counts from `sequence` on, without any flush: another database.
  void Restore(std::int64_t sequence);
  std::int64_t sequence() const;
  int streams_opened() const;

  // Pushes a flush of the caller's, unless told otherwise.
  Script<auth::v1::FlushCachesRequest, auth::v1::FlushCachesResponse> flush_caches;

 private:
  mutable std::mutex mutex_;
  std::vector<rpc::FeedSender<auth::v1::ControlUpdate>> senders_;
  auth::v1::KeySet keys_;
  std::int64_t sequence_ = 1;
  std::int64_t flush_sequence_ = 0;
  int streams_opened_ = 0;
  bool muted_ = false;
  std::unique_ptr<exec::Ticker> heart_;
};

}  // namespace gatehouse::gateway
