#include "services/gateway/address_limiter.h"

#include <algorithm>
#include <utility>

#include "services/gateway/client_address.h"

namespace gatehouse::gateway {
namespace {

using std::chrono::seconds;

std::uint64_t Packed(int requests, seconds window) {
  const auto length = static_cast<std::uint64_t>(std::max<seconds::rep>(window.count(), 1));
  return (static_cast<std::uint64_t>(std::max(requests, 0)) << 32) | (length & 0xffffffff);
}

}  // namespace

AddressLimiter::AddressLimiter(int requests, seconds window, LeaseKeeper* leases,
                               std::string shared_name)
    : shared_name_(std::move(shared_name)),
      limit_(Packed(requests, window)),
      buckets_(leases, metrics::GetCounter("gatehouse_gateway_address_limited_total",
                                           "Requests refused by the limit per client address.")) {}

void AddressLimiter::Configure(int requests, seconds window) {
  const std::uint64_t next = Packed(requests, window);
  if (limit_.exchange(next) != next) buckets_.Clear();
}

BucketRate AddressLimiter::Rate() const {
  const std::uint64_t limit = limit_.load(std::memory_order_relaxed);
  const int requests = static_cast<int>(limit >> 32);
  return {.requests = requests, .window = seconds(limit & 0xffffffff), .burst = requests};
}

// With the limit in it: what one gateway counts under an old one is not taken for what
// another counts under the new one.
std::string AddressLimiter::KeyOf(const std::string& client_address, const BucketRate& rate) const {
  std::string network = NetworkOf(client_address);
  if (shared_name_.empty()) return network;
  const auto window = std::chrono::duration_cast<seconds>(rate.window).count();
  return shared_name_ + "/" + std::to_string(rate.requests) + "/" + std::to_string(window) + "/" +
         network;
}

LimitVerdict AddressLimiter::Take(const std::string& client_address, SteadyTime now,
                                  const LaterVerdict& later) {
  const BucketRate rate = Rate();
  if (rate.requests == 0) return {};
  return buckets_.Take(KeyOf(client_address, rate), rate, now, later);
}

LimitVerdict AddressLimiter::Peek(const std::string& client_address, SteadyTime now) {
  const BucketRate rate = Rate();
  if (rate.requests == 0) return {};
  return buckets_.Peek(KeyOf(client_address, rate), rate, now);
}

}  // namespace gatehouse::gateway
