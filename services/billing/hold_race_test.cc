#include <atomic>
#include <future>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "services/billing/account_store.h"
#include "services/billing/billing_testing.h"
#include "services/billing/hold_sweeper.h"

namespace gatehouse::billing {
namespace {

using ::testing::SizeIs;

constexpr std::int64_t kTenant = 7;

// Answers of calls that ran at the same time.
class Answers {
 public:
  template <typename Response>
  void Add(const absl::StatusOr<Response>& answer) {
    std::lock_guard lock(mutex_);
    if (answer.ok()) {
      ++ok;
      distinct.insert(answer->SerializeAsString());
    } else {
      reasons.insert(Reason(answer.status()));
    }
  }

  int ok = 0;
  std::set<std::string> distinct;      // Successful answers that differ.
  std::multiset<std::string> reasons;  // Of the others.

 private:
  std::mutex mutex_;
};

class HoldRaceTest : public BillingTest {
 protected:
  std::int64_t Available() { return AccountOf(kTenant).available().amount_nanos(); }
};

TEST_F(HoldRaceTest, OfEightReservesThatFitOnceOneIsLetPass) {
  SetPolicy(kTenant, v1::Account::POLICY_BLOCK);
  Credit(kTenant, kJobNanos);
  Answers answers;
  Together(8, [&](int) { answers.Add(Reserve(UuidV7(), kTenant)); });
  EXPECT_EQ(answers.ok, 1);
  EXPECT_EQ(answers.reasons.count("RESERVE_INSUFFICIENT"), 7u);
  EXPECT_EQ(Available(), 0);
  ExpectBooksRight();
}

TEST_F(HoldRaceTest, FirstTouchesOfOneAccountAllCount) {
  for (std::int64_t tenant = 100; tenant < 110; ++tenant) {
    Answers answers;
    Together(4, [&](int) { answers.Add(Reserve(UuidV7(), tenant)); });
    EXPECT_EQ(answers.ok, 4) << "no first spend may get lost or fail";
    EXPECT_EQ(AccountOf(tenant).held().amount_nanos(), 4 * kJobNanos);
  }
  ExpectBooksRight();
}

TEST_F(HoldRaceTest, FirstTouchByAdjustAndReserveTogether) {
  for (std::int64_t tenant = 100; tenant < 110; ++tenant) {
    Answers answers;
    Together(4, [&](int i) {
      if (i % 2 == 0) {
        answers.Add(Reserve(UuidV7(), tenant));
      } else {
        answers.Add(accounts_.AdjustBalance(AdjustRequestOf(tenant, kJobNanos)));
      }
    });
    EXPECT_EQ(answers.ok, 4);
    EXPECT_EQ(AccountOf(tenant).available().amount_nanos(), 0);
  }
  ExpectBooksRight();
}

TEST_F(HoldRaceTest, SixteenReservesUnderOneKeyAreOneHoldWithOneAnswer) {
  SetPolicy(kTenant, v1::Account::POLICY_BLOCK);
  Credit(kTenant, kJobNanos);
  const std::string key = UuidV7();
  Answers answers;
  Together(16, [&](int) { answers.Add(Reserve(key, kTenant)); });
  EXPECT_EQ(answers.ok, 16) << "though the money fits only once";
  EXPECT_THAT(answers.distinct, SizeIs(1));
  EXPECT_EQ(Available(), 0);
  ExpectBooksRight();
}

TEST_F(HoldRaceTest, AHundredCallsUnderOneKeyAreOneHoldAndOneEntry) {
  const std::string key = UuidV7();
  Answers reserves;
  Answers captures;
  Together(100, [&](int) { reserves.Add(Reserve(key, kTenant)); });
  Together(100, [&](int) { captures.Add(Capture(key, 1, 1)); });
  EXPECT_EQ(reserves.ok, 100);
  EXPECT_THAT(reserves.distinct, SizeIs(1));
  EXPECT_EQ(captures.ok, 100);
  EXPECT_THAT(captures.distinct, SizeIs(1));
  EXPECT_EQ(Available(), -kJobNanos);
  ExpectBooksRight();
}

// Two processes of the service, at the same tenants and keys.
TEST_F(HoldRaceTest, TwoReplicasMeetWithoutLosingMoney) {
  pg::Database second_db(db_.options());
  HoldService second(second_db, books_);
  const auto reserve = [&](int i, const std::string& key, std::int64_t tenant_id) {
    if (i % 2 == 0) return Reserve(key, tenant_id);
    return Await<v1::Hold>(
        [&](auto reply) { second.Reserve(ReserveRequestOf(key, tenant_id), reply); });
  };
  for (int round = 0; round < 10; ++round) {
    const std::string key = UuidV7();
    Answers same;
    Answers other;
    Together(8, [&](int i) {
      same.Add(reserve(i, key, kTenant + i / 2 % 2));
      other.Add(reserve(i, UuidV7(), 100 + round));
    });
    EXPECT_EQ(same.ok, 4);
    EXPECT_THAT(same.distinct, SizeIs(1));
    EXPECT_EQ(same.reasons.count("IDEMPOTENCY_KEY_REUSED"), 4u);
    EXPECT_EQ(other.ok, 8);
    EXPECT_EQ(AccountOf(100 + round).held().amount_nanos(), 8 * kJobNanos);
  }
  ExpectBooksRight();
}

TEST_F(HoldRaceTest, SixteenRepeatsOnAnExpiredReserveAreDecidedAnewOnce) {
  SetPolicy(kTenant, v1::Account::POLICY_BLOCK);
  Credit(kTenant, kJobNanos);
  const std::string key = UuidV7();
  ASSERT_TRUE(Reserve(key, kTenant).ok());
  LetExpire(key);
  Answers answers;
  Together(16, [&](int i) {
    if (i == 0) {
      EXPECT_TRUE(ExpireHolds(db_).ok());
    } else {
      answers.Add(Reserve(key, kTenant));
    }
  });
  EXPECT_EQ(answers.ok, 15);
  EXPECT_THAT(answers.distinct, SizeIs(1));
  EXPECT_EQ(Available(), 0);
  ExpectBooksRight();
}

TEST_F(HoldRaceTest, OneKeyOfTwoTenantsBelongsToOneOfThem) {
  for (int round = 0; round < 10; ++round) {
    const std::string key = UuidV7();
    Answers answers;
    Together(8, [&](int i) { answers.Add(Reserve(key, kTenant + i % 2)); });
    EXPECT_EQ(answers.ok, 4);
    EXPECT_THAT(answers.distinct, SizeIs(1));
    EXPECT_EQ(answers.reasons.count("IDEMPOTENCY_KEY_REUSED"), 4u);
  }
  ExpectBooksRight();
}

TEST_F(HoldRaceTest, SixteenEqualCapturesAreOneEntryWithOneAnswer) {
  const std::string key = UuidV7();
  ASSERT_TRUE(Reserve(key, kTenant).ok());
  Answers answers;
  Together(16, [&](int) { answers.Add(Capture(key, 1, 1)); });
  EXPECT_EQ(answers.ok, 16);
  EXPECT_THAT(answers.distinct, SizeIs(1));
  EXPECT_EQ(Available(), -kJobNanos);
  ExpectBooksRight();
}

TEST_F(HoldRaceTest, OfManyFinalCapturesOneCloses) {
  const std::string key = UuidV7();
  ASSERT_TRUE(Reserve(key, kTenant).ok());
  Answers answers;
  Together(8, [&](int i) { answers.Add(Capture(key, i + 1, 1)); });
  EXPECT_EQ(answers.ok, 1);
  EXPECT_EQ(answers.reasons.count("HOLD_CLOSED"), 7u);
  EXPECT_EQ(Available(), -kJobNanos);
  ExpectBooksRight();
}

TEST_F(HoldRaceTest, SixteenEqualAdjustmentsAreOneEntryWithOneAnswer) {
  const v1::AdjustBalanceRequest request = AdjustRequestOf(kTenant, 500);
  Answers answers;
  Together(16, [&](int) { answers.Add(accounts_.AdjustBalance(request)); });
  EXPECT_EQ(answers.ok, 16);
  EXPECT_THAT(answers.distinct, SizeIs(1));
  EXPECT_EQ(Available(), 500);
  ExpectBooksRight();
}

TEST_F(HoldRaceTest, OneAdjustmentKeyOfTwoTenantsBelongsToOneOfThem) {
  for (int round = 0; round < 10; ++round) {
    const std::string key = UuidV7();
    Answers answers;
    Together(8, [&](int i) {
      answers.Add(accounts_.AdjustBalance(AdjustRequestOf(kTenant + i % 2, 5, key)));
    });
    EXPECT_EQ(answers.ok, 4);
    EXPECT_THAT(answers.distinct, SizeIs(1));
    EXPECT_EQ(answers.reasons.count("IDEMPOTENCY_KEY_REUSED"), 4u);
  }
  ExpectBooksRight();
}

TEST_F(HoldRaceTest, CaptureBindReleaseAndExpiryMeetWithoutLosingMoney) {
  for (int round = 0; round < 20; ++round) {
    const std::string key = UuidV7();
    ASSERT_TRUE(Reserve(key, kTenant, 2).ok());
    LetExpire(key);
    Together(5, [&](int i) {
      if (i == 0) {
        const auto captured = Capture(key, 1, 1);
        EXPECT_TRUE(captured.ok()) << captured.status();
      } else if (i == 1) {
        EXPECT_TRUE(Release(key).ok());
      } else if (i == 2) {
        EXPECT_TRUE(Bind(key).ok());
      } else {
        EXPECT_TRUE(ExpireHolds(db_).ok());
      }
    });
    EXPECT_EQ(AccountOf(kTenant).held().amount_nanos(), 0) << "the final capture closes it";
    EXPECT_EQ(AccountOf(kTenant).settled().amount_nanos(), -(round + 1) * kJobNanos);
  }
  ExpectBooksRight();
}

TEST_F(HoldRaceTest, AnAccountThatIsNeverFreeDoesNotKeepWhatIsOverdue) {
  const std::string key = UuidV7();
  ASSERT_TRUE(Reserve(key, kTenant).ok());
  Execute("UPDATE billing.holds SET expire_time = now() - interval '5 seconds'");
  std::promise<void> locked;
  std::promise<void> unlock;
  std::thread busy([&] {
    EXPECT_TRUE(db_.InTransaction([&](pg::Tx& tx) {
                     LockAccount(tx, kTenant);
                     locked.set_value();
                     unlock.get_future().wait();
                     return absl::OkStatus();
                   })
                    .ok());
  });
  locked.get_future().wait();
  std::future<absl::StatusOr<int>> expired =
      std::async(std::launch::async, [&] { return ExpireHolds(db_); });
  // It stands in line for the account rather than passing over it.
  EXPECT_TRUE(Eventually([&] {
    return db_
        .Read([](pg::Tx& tx) -> absl::StatusOr<bool> {
          return tx.exec1("SELECT count(*) > 0 FROM pg_locks WHERE NOT granted")[0].as<bool>();
        })
        .value_or(false);
  }));
  unlock.set_value();
  busy.join();
  EXPECT_EQ(expired.get().value(), 1);
  EXPECT_EQ(AccountOf(kTenant).held().amount_nanos(), 0);
}

TEST_F(HoldRaceTest, TwoSweepersExpireEachHoldOnce) {
  constexpr int kHolds = 40;
  for (int i = 0; i < kHolds; ++i) {
    ASSERT_TRUE(Reserve(UuidV7(), kTenant + i % 3).ok());
  }
  Execute("UPDATE billing.holds SET expire_time = now() - interval '1 second'");
  std::atomic<int> expired = 0;
  Together(4, [&](int) {
    // A sweeper passes over what another has locked, so it may see none left
    // while the others still work; all of it is done when all have ended.
    for (auto some = ExpireHolds(db_); some.ok() && *some > 0; some = ExpireHolds(db_)) {
      expired += *some;
    }
  });
  EXPECT_EQ(expired, kHolds);
  ExpectBooksRight();
}

TEST_F(HoldRaceTest, TheSweeperFindsOverdueHoldsByItself) {
  const std::string key = UuidV7();
  v1::ReserveRequest request = ReserveRequestOf(key, kTenant);
  request.set_ttl_seconds(1);
  ASSERT_TRUE(Reserve(request).ok());
  HoldSweeper sweeper(db_);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (AccountOf(kTenant).held().amount_nanos() != 0 &&
         std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  EXPECT_EQ(AccountOf(kTenant).held().amount_nanos(), 0);
  ExpectBooksRight();
}

TEST_F(HoldRaceTest, UnderBlockReservesNeverTakeMoreThanThereIs) {
  SetPolicy(kTenant, v1::Account::POLICY_BLOCK);
  Credit(kTenant, 20 * kJobNanos);
  // The database itself refuses any commit that would show a violation.
  Execute(
      "ALTER TABLE billing.accounts ADD CONSTRAINT accounts_test_check CHECK (held_nanos <= "
      "settled_nanos)");
  const unsigned seed = std::random_device()();
  SCOPED_TRACE(absl::StrCat("seed ", seed));
  Together(8, [&](int thread) {
    std::mt19937 random(seed + thread);
    for (int i = 0; i < 40; ++i) {
      const std::string key = UuidV7();
      const std::int64_t jobs = random() % 6;
      const auto hold = Reserve(key, kTenant, jobs);
      if (!hold.ok()) {
        EXPECT_EQ(Reason(hold.status()), "RESERVE_INSUFFICIENT");
        continue;
      }
      EXPECT_TRUE(Reserve(key, kTenant, jobs).ok());
      // Captures stay within the hold; the tenant is credited what they cost.
      const std::int64_t used = random() % (jobs + 1);
      if (random() % 2 == 0) {
        EXPECT_TRUE(Release(key).ok());
        continue;
      }
      const auto captured = Capture(key, 1, used);
      EXPECT_TRUE(captured.ok()) << captured.status();
      if (used > 0) Credit(kTenant, used * kJobNanos);
    }
  });
  EXPECT_EQ(Available(), 20 * kJobNanos);
  ExpectBooksRight();
}

}  // namespace
}  // namespace gatehouse::billing
