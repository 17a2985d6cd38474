// A randomised history: threads that share keys, tenants and a sweeper do
// whatever the API allows, with repeats. Afterwards everything must add up.
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "services/billing/billing_testing.h"
#include "services/billing/hold_sweeper.h"

namespace gatehouse::billing {
namespace {

constexpr int kThreads = 6;
constexpr int kOperations = 3600;
constexpr int kTenants = 4;
// Keys in use at one time, and operations until the next key comes into use.
constexpr int kKeysInUse = 8;
constexpr int kOperationsPerKey = 12;

// What the answers claim, to be compared with the books.
class Claims {
 public:
  // The same key and number must always have the same answer.
  void Captured(const std::string& key, std::int64_t number, std::int64_t tenant_id,
                const v1::CaptureResponse& response) {
    std::lock_guard lock(mutex_);
    const auto [found, inserted] =
        captures_.emplace(std::pair(key, number), response.SerializeAsString());
    if (inserted) {
      settled_[tenant_id] -= response.amount().amount_nanos();
    } else {
      EXPECT_EQ(found->second, response.SerializeAsString()) << key << " " << number;
    }
  }

  void Adjusted(const std::string& key, std::int64_t tenant_id, std::int64_t amount) {
    std::lock_guard lock(mutex_);
    if (adjustments_.insert(key).second) settled_[tenant_id] += amount;
  }

  std::int64_t Settled(std::int64_t tenant_id) { return settled_[tenant_id]; }
  std::size_t captures() const { return captures_.size(); }

 private:
  std::mutex mutex_;
  std::map<std::pair<std::string, std::int64_t>, std::string> captures_;
  std::set<std::string> adjustments_;
  std::map<std::int64_t, std::int64_t> settled_;
};

unsigned Seed() {
  const char* seed = std::getenv("BILLING_HISTORY_SEED");
  return seed != nullptr ? static_cast<unsigned>(std::strtoul(seed, nullptr, 10))
                         : std::random_device()();
}

class LedgerHistoryTest : public BillingTest {
 protected:
  // One random operation on a key that other threads use too.
  void Operate(std::mt19937& random, int operation) {
    const int newest = operation / kOperationsPerKey;
    const int index = std::max<int>(0, newest - static_cast<int>(random() % kKeysInUse));
    const std::string key = UuidV5("6ba7b810-9dad-11d1-80b4-00c04fd430c8", absl::StrCat(index));
    const std::int64_t tenant = 1 + index % kTenants;
    const unsigned choice = random() % 100;
    if (choice < 35) {
      v1::ReserveRequest request = ReserveRequestOf(key, tenant, index % 5);
      request.set_ttl_seconds(index % 3 == 0 ? 1 : 60);
      if (random() % 20 == 0) request.mutable_estimate(0)->set_quantity(7);
      Note(Reserve(request).status());
    } else if (choice < 50) {
      Note(Bind(key).status());
    } else if (choice < 75) {
      const std::int64_t number = 1 + random() % 3;
      const std::int64_t jobs = random() % 20 == 0 ? 9 : (index + number) % 4;
      const auto captured = Capture(key, number, jobs, number == 3);
      Note(captured.status());
      if (captured.ok()) claims_.Captured(key, number, tenant, *captured);
    } else if (choice < 87) {
      Note(Release(key).status());
    } else {
      const std::int64_t amount = (index % 7 - 2) * kJobNanos + 1;
      const auto adjusted = accounts_.AdjustBalance(AdjustRequestOf(tenant, amount, key));
      Note(adjusted.status());
      if (adjusted.ok()) claims_.Adjusted(key, tenant, amount);
    }
  }

  // Refusals are part of the history; anything else is a fault.
  void Note(const absl::Status& status) {
    if (status.ok()) return;
    EXPECT_THAT(Reason(status),
                ::testing::AnyOf("IDEMPOTENCY_KEY_REUSED", "RESERVE_INSUFFICIENT",
                                 "ESTIMATE_ABOVE_CEILING", "HOLD_NOT_FOUND", "HOLD_CLOSED"))
        << status;
  }

  Claims claims_;
};

TEST_F(LedgerHistoryTest, EverythingAddsUpAfterARandomHistory) {
  const unsigned seed = Seed();
  RecordProperty("seed", absl::StrCat(seed));
  std::printf("seed %u (set BILLING_HISTORY_SEED to repeat it)\n", seed);
  SetPolicy(1, v1::Account::POLICY_BLOCK);
  SetPolicy(2, v1::Account::POLICY_LIMITED);
  Execute(absl::StrCat("UPDATE billing.accounts SET ceiling_nanos = ", 3 * kJobNanos));
  {
    HoldSweeper sweeper(db_);
    std::atomic<int> next = 0;
    Together(kThreads, [&](int thread) {
      std::mt19937 random(seed + thread);
      for (int operation = next++; operation < kOperations; operation = next++) {
        Operate(random, operation);
      }
    });
  }
  ExpectBooksRight();
  for (std::int64_t tenant = 1; tenant <= kTenants; ++tenant) {
    EXPECT_EQ(AccountOf(tenant).settled().amount_nanos(), claims_.Settled(tenant)) << tenant;
  }
  EXPECT_GT(claims_.captures(), 100u) << "the history must have been one";

  // What is still open can be given back, and then nothing is held.
  for (int index = 0; index <= kOperations / kOperationsPerKey; ++index) {
    Note(Release(UuidV5("6ba7b810-9dad-11d1-80b4-00c04fd430c8", absl::StrCat(index))).status());
  }
  for (std::int64_t tenant = 1; tenant <= kTenants; ++tenant) {
    EXPECT_EQ(AccountOf(tenant).held().amount_nanos(), 0) << tenant;
  }
  ExpectBooksRight();
}

}  // namespace
}  // namespace gatehouse::billing
