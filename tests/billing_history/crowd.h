// Clients of billing, many at once, that do whatever the API allows at random: with
// repeats beside and after each other, other requests under used keys, money that runs
// out, reservations that run out. They repeat a call by its key until it is answered.
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "tests/billing_history/history.h"
#include "tests/billing_history/world.h"

namespace gatehouse::history {

// How the money's owners are picked.
enum class Spread { kUniform, kZipf, kHot };
const char* SpreadText(Spread spread);

// Tenants of all policies; the first one is the hot one and blocks.
std::vector<Tenancy> TenanciesOf(Spread spread);

struct CrowdOptions {
  Spread spread = Spread::kUniform;
  unsigned seed = 0;
  long operations = 0;  // Calls, repeats for want of an answer not counted.
  int clients = 32;     // Threads.
};

class Crowd {
 public:
  // `world` must outlive this and run.
  Crowd(World& world, const CrowdOptions& options);
  ~Crowd();

  // Begins, each client on a thread of its own.
  void Begin();
  long operations() const { return operations_; }
  bool done() const { return stop_ || operations_ >= options_.operations; }
  // Ends it now, because the world has broken down.
  void Stop() { stop_ = true; }
  // Waits for all clients, who give back what they still hold; what they saw, by the end
  // of each call.
  std::vector<Asking> End();

 private:
  friend class Client;
  World& world_;
  const CrowdOptions options_;
  const std::vector<Tenancy> tenancies_;
  std::atomic<long> operations_ = 0;
  std::atomic<bool> stop_ = false;
  struct Threads;
  std::unique_ptr<Threads> threads_;
};

}  // namespace gatehouse::history
