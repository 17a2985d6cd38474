// Calls billing under a key until there is an answer, and writes down what was asked and
// answered. Decides nothing about what to ask (crowd.h).
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "gatehouse/billing/v1/account.methods.h"
#include "gatehouse/billing/v1/hold.methods.h"
#include "tests/billing_history/history.h"
#include "tests/billing_history/world.h"

namespace gatehouse::history {

// An amount of usage and its price, which is the price book's as it comes.
struct Usage {
  std::int64_t jobs = 0;
  std::int64_t requests = 0;
  std::int64_t nanos() const { return jobs * 20'000'000 + requests * 10'000; }
};

// One thread's.
class Caller {
 public:
  // How often a call is made, and whether at once.
  struct Copies {
    int count = 1;
    bool together = false;
  };

  // `operations` counts the calls. Once `stop` is set, nobody waits for answers any more.
  Caller(World& world, std::atomic<long>& operations, const std::atomic<bool>& stop)
      : world_(world), operations_(operations), stop_(stop) {}

  // Each returns whether it was done, by any of its copies. `replica`: who is asked first.
  bool Reserve(const std::string& key, std::int64_t tenant, const Usage& estimate,
               std::int64_t ttl_seconds, int replica, Copies copies);
  bool Bind(const std::string& key, std::int64_t tenant, int replica, Copies copies);
  bool Capture(const std::string& key, std::int64_t tenant, std::int64_t number, const Usage& usage,
               bool final, int replica, Copies copies);
  bool Release(const std::string& key, std::int64_t tenant, int replica, Copies copies);
  bool Adjust(const std::string& key, std::int64_t tenant, std::int64_t nanos, int replica,
              Copies copies);

  std::vector<Asking>& askings() { return askings_; }

 private:
  template <typename Request, typename Response>
  bool Put(const rpc::Method<Request, Response>& method, const Request& request, Asking asking,
           int replica, Copies copies);
  template <typename Request, typename Response>
  Asking Insist(const rpc::Method<Request, Response>& method, const Request& request, Asking asking,
                int replica);

  World& world_;
  std::atomic<long>& operations_;
  const std::atomic<bool>& stop_;
  std::vector<Asking> askings_;
};

}  // namespace gatehouse::history
