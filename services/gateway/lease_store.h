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

// Not thread-safe.
class LeaseStore {
 public:
  LeaseStore(redis::Url url, redis::ClientOptions options)
      : client_(std::move(url), std::move(options)) {}

  // One grant per request, in order. Buckets of an older generation than the greatest
  // that any gateway has named are full. Any error: nothing is known of what was booked.
  absl::StatusOr<std::vector<LeaseGrant>> Book(const std::vector<StoreRequest>& requests,
                                               std::int64_t generation);

  // Whether it does what Book needs; connects if need be, and tells of `generation`.
  absl::Status Check(std::int64_t generation);

  std::chrono::milliseconds back_off_left() const { return client_.back_off_left(); }

 private:
  absl::Status LoadScript();

  redis::Client client_;
  std::string script_digest_;  // As Redis names it; empty: it does not have it.
};

}  // namespace gatehouse::gateway
