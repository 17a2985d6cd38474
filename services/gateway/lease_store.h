// The buckets that all gateways share, in Redis: one key each, kept by one script that
// runs in Redis's time. Knows no lease (lease.h) and no thread (lease_keeper.h).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "libs/redis/client.h"
#include "services/gateway/lease.h"

namespace gatehouse::gateway {

struct StoreRequest {
  std::string key;  // "user/<uuid>"
  BucketRate rate;
  LeaseRequest lease;
};

// A flush of all limits by its number in auth's count, which may begin anew: its database
// can be restored, or be another one, while Redis stays.
struct LimitFlush {
  std::int64_t sequence = 0;  // 0: auth knows of none lately.
  std::int64_t head = 0;      // Where that count stands.
};

// Not thread-safe.
class LeaseStore {
 public:
  // `prefix` of all its keys, "ghrl:gatehouse:".
  LeaseStore(redis::Url url, redis::ClientOptions options, std::string prefix)
      : client_(std::move(url), std::move(options)), prefix_(std::move(prefix)) {}

  // One grant per request, in order. Any error: nothing is known of what was booked.
  absl::StatusOr<std::vector<LeaseGrant>> Book(const std::vector<StoreRequest>& requests);

  // Tells of flushes, in order. A flush that is another one than Redis was told of last
  // fills every bucket: the first gateway that tells of it does that for all.
  absl::Status Tell(const std::vector<LimitFlush>& flushes);

  // Whether it does what Book needs; connects if need be.
  absl::Status Check();

  std::chrono::milliseconds back_off_left() const { return client_.back_off_left(); }

 private:
  absl::Status LoadScript();

  redis::Client client_;
  const std::string prefix_;
  std::string script_digest_;  // As Redis names it; empty: it does not have it.
};

}  // namespace gatehouse::gateway
