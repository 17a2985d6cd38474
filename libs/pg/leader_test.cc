#include "libs/pg/leader.h"

#include <gtest/gtest.h>

#include <atomic>
#include <optional>
#include <thread>

#include "libs/pg/suite_database.h"
#include "libs/pg/testing.h"

namespace gatehouse::pg::testing {
namespace {

constexpr char kHolder[] =
    "pid IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted)";

using LeaderTest = SuiteDatabase<kNoTables>;

TEST_F(LeaderTest, OneOfTwoLeads) {
  Leader first(db_, "auth.reaper");
  Leader second(db_, "auth.reaper");
  EXPECT_TRUE(first.Lead());
  EXPECT_FALSE(second.Lead());
  EXPECT_TRUE(first.Lead()) << "it stays";
}

TEST_F(LeaderTest, RolesAreIndependent) {
  Leader first(db_, "auth.reaper");
  Leader second(db_, "auth.sweeper");
  EXPECT_TRUE(first.Lead());
  EXPECT_TRUE(second.Lead());
}

TEST_F(LeaderTest, LeadIsFreeWhenItsHolderGoes) {
  std::optional<Leader> first(std::in_place, db_, "auth.reaper");
  Leader second(db_, "auth.reaper");
  ASSERT_TRUE(first->Lead());
  ASSERT_FALSE(second.Lead());
  first.reset();
  EXPECT_TRUE(Eventually([&] { return second.Lead(); }));
}

TEST_F(LeaderTest, LostSessionLosesTheLead) {
  Leader first(db_, "auth.reaper");
  Leader second(db_, "auth.reaper");
  ASSERT_TRUE(first.Lead());
  ASSERT_EQ(sessions_.Terminate(kHolder), 1);
  EXPECT_TRUE(second.Lead());
  EXPECT_FALSE(first.Lead()) << "it notices";
  EXPECT_FALSE(first.Lead()) << "and does not lead beside the second";
}

TEST_F(LeaderTest, LeadsAgainAfterACrashOfTheServer) {
  Leader leader(db_, "auth.reaper");
  ASSERT_TRUE(leader.Lead());
  Cluster::Get().CrashAndStayDown();
  EXPECT_FALSE(leader.Lead());
  EXPECT_FALSE(leader.Lead());
  Cluster::Get().Restart();
  EXPECT_TRUE(leader.Lead());
}

TEST_F(LeaderTest, NeverTwoOfManyThatRace) {
  std::atomic<int> leading = 0;
  std::atomic<bool> two = false;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&] {
      for (int round = 0; round < 10; ++round) {
        Leader leader(db_, "auth.reaper");
        if (!leader.Lead()) continue;
        if (++leading > 1) two = true;
        std::this_thread::yield();
        --leading;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_FALSE(two);
  Leader last(db_, "auth.reaper");
  EXPECT_TRUE(Eventually([&] { return last.Lead(); })) << "nobody left the lock behind";
}

}  // namespace
}  // namespace gatehouse::pg::testing
