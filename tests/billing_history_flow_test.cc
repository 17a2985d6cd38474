// Random histories of billing with kill -9 of its processes and of PostgreSQL while they
// run: no cent is lost, doubled or overspent, every answer is kept. 100,000 operations in
// `make test`; HISTORY_OPERATIONS makes it long (`make soak-billing`), HISTORY_SEED repeats
// the choices of a run.
#include <gmock/gmock.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <thread>

#include "tests/billing_history/checker.h"
#include "tests/billing_history/crowd.h"
#include "tests/billing_history/world.h"

namespace gatehouse::history {
namespace {

constexpr long kOperations = 100'000;
constexpr int kSpreads = 3;
constexpr int kParts = 2;                   // Of each spread; CTest runs them beside each other.
constexpr long kRoundMax = 50'000;          // Operations on one database.
constexpr unsigned kPartSeeds = 1'000'000;  // From the seeds of one part to the next one's.
constexpr long kPerKill = 8'000;            // Operations to one kill of a process;
constexpr long kPerCrash = 16'000;          // to one of PostgreSQL.
constexpr std::size_t kStoriesMax = 5;

long FromEnvironment(const char* name, long otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::stol(text);
}

struct Blow {
  long at = 0;  // After so many operations.
  bool database = false;
};

std::vector<Blow> BlowsOf(long operations, std::mt19937& random) {
  std::vector<Blow> blows;
  const auto add = [&](long count, bool database) {
    for (long i = 0; i < count; ++i) {
      const long at = operations / 20 + static_cast<long>(random()) % (operations * 17 / 20);
      blows.push_back({at, database});
    }
  };
  add(std::max(2L, operations / kPerKill), false);
  add(std::max(1L, operations / kPerCrash), true);
  std::sort(blows.begin(), blows.end(), [](const Blow& a, const Blow& b) { return a.at < b.at; });
  return blows;
}

std::string Strike(World& world, const Blow& blow, std::mt19937& random) {
  const int replica = static_cast<int>(random() % kReplicas);
  if (blow.database) {
    return random() % 3 == 0 ? world.KillDatabaseAndReplica(replica) : world.KillDatabase();
  }
  return random() % 3 == 0 ? world.KillReplicas() : world.KillReplica(replica);
}

// What the history was made of, so that it can be seen to have been one.
struct Tally {
  long done = 0, refused = 0, repeated = 0, expired = 0, overdrawn = 0, debts = 0;
  explicit Tally(const History& history) {
    for (const Asking& asking : history.askings) {
      ++(asking.reason.empty() ? done : refused);
      repeated += asking.attempts > 1;
    }
    for (const auto& version : history.books.hold_versions) {
      expired += version.row.state == "expired";
      overdrawn += version.row.captured_nanos > version.row.estimate_nanos;
    }
    for (const EntryRow& entry : history.books.entries) debts += entry.number == 0;
  }
};

class BillingHistory : public ::testing::TestWithParam<int> {
 protected:
  void Play(Spread spread) {
    const long total = FromEnvironment("HISTORY_OPERATIONS", kOperations) / (kSpreads * kParts) + 1;
    unsigned seed =
        static_cast<unsigned>(FromEnvironment("HISTORY_SEED", std::random_device()() % kPartSeeds));
    seed += static_cast<unsigned>(GetParam()) * kPartSeeds;
    for (long played = 0; played < total && !HasFailure(); ++seed) {
      played += Round({.spread = spread, .seed = seed, .operations = std::min(total, kRoundMax)});
    }
  }

  // How many operations there were.
  long Round(const CrowdOptions& options) {
    std::printf("%s, seed %u: ", SpreadText(options.spread), options.seed);
    std::fflush(stdout);
    std::mt19937 random(options.seed);
    const std::vector<Tenancy> tenancies = TenanciesOf(options.spread);
    World world;
    const std::string problem = world.Start(tenancies);
    EXPECT_EQ(problem, "");
    if (!problem.empty()) return 0;
    Crowd crowd(world, options);
    crowd.Begin();
    for (const Blow& blow : BlowsOf(options.operations, random)) {
      while (crowd.operations() < blow.at && !crowd.done()) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
      const std::string breakdown = Strike(world, blow, random);
      EXPECT_EQ(breakdown, "") << "seed " << options.seed;
      if (!breakdown.empty()) crowd.Stop();
    }
    History history;
    history.askings = crowd.End();
    for (const Tenancy& tenancy : tenancies) history.terms[tenancy.tenant] = TermsOf(tenancy);
    EXPECT_TRUE(world.AwaitNothingReserved());
    history.books = world.ReadBooks();
    Judge(history, options);
    std::string said;
    EXPECT_EQ(world.VerifyLedger(&said), 0) << said << "seed " << options.seed;
    return static_cast<long>(history.askings.size());
  }

 private:
  static void Judge(const History& history, const CrowdOptions& options) {
    const std::vector<Finding> findings = Check(history);
    EXPECT_EQ(findings.size(), 0u) << SpreadText(options.spread) << ", seed " << options.seed;
    for (std::size_t i = 0; i < std::min(findings.size(), kStoriesMax); ++i) {
      ADD_FAILURE() << Story(history, findings[i]);
    }
    const Tally tally(history);
    std::printf(
        "%ld done, %ld refused, %ld asked again for want of an answer, %zu holds, %zu "
        "entries, %ld expiries, %ld rows of debt\n",
        tally.done, tally.refused, tally.repeated, history.books.holds.size(),
        history.books.entries.size(), tally.expired, tally.debts);
    std::fflush(stdout);
    // Else it was no history.
    EXPECT_GT(tally.refused, 0);
    EXPECT_GT(tally.repeated, 0);
    EXPECT_GT(tally.expired, 0);
    EXPECT_GT(tally.overdrawn, 0);
  }
};

TEST_P(BillingHistory, OfManyTenantsAlikeAddsUp) { Play(Spread::kUniform); }

TEST_P(BillingHistory, OfFewLargeTenantsAddsUp) { Play(Spread::kZipf); }

TEST_P(BillingHistory, OfOneHotTenantAddsUp) { Play(Spread::kHot); }

INSTANTIATE_TEST_SUITE_P(Part, BillingHistory, ::testing::Range(0, kParts));

}  // namespace
}  // namespace gatehouse::history
