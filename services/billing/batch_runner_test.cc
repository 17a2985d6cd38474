// Batches on a real database: what is in one transaction, and who is hurt when it fails.
#include "services/billing/batch_runner.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "services/billing/billing_testing.h"
#include "services/billing/columns.h"
#include "services/billing/messages.h"
#include "services/billing/money_batch.h"

namespace gatehouse::billing {
namespace {

using ::testing::Each;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr std::int64_t kTenant = 7;
constexpr std::int64_t kOther = 8;

// Answers by name: "ok" or the reason.
class Outcomes {
 public:
  auto Teller(const std::string& name) {
    return [this, name](const absl::StatusOr<Answer>& answer) {
      const std::lock_guard lock(mutex_);
      told_[name].push_back(answer.ok() ? "ok" : Reason(answer.status()));
      if (answer.ok()) answers_[name] = *answer;
    };
  }
  // What was told to `name`; "" before, "twice" when more than once.
  std::string Of(const std::string& name) {
    const std::lock_guard lock(mutex_);
    const std::vector<std::string>& told = told_[name];
    if (told.empty()) return "";
    return told.size() == 1 ? told[0] : "twice";
  }
  Answer AnswerOf(const std::string& name) {
    const std::lock_guard lock(mutex_);
    return answers_[name];
  }
  std::vector<std::string> All() {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> all;
    for (const auto& [name, told] : told_) all.insert(all.end(), told.begin(), told.end());
    return all;
  }

 private:
  std::mutex mutex_;
  std::map<std::string, std::vector<std::string>> told_;
  std::map<std::string, Answer> answers_;
};

class BatchRunnerTest : public BillingTest {
 protected:
  Task ReserveTask(const std::string& name, std::int64_t tenant_id, std::int64_t jobs = 1,
                   const std::string& key = UuidV7()) {
    return {.order = *CheckReserve(ReserveRequestOf(key, tenant_id, jobs)),
            .done = outcomes_.Teller(name),
            .tenant_id = 0};
  }
  Task CaptureTask(const std::string& name, const std::string& key, std::int64_t number,
                   std::int64_t jobs) {
    return {.order = *CheckCapture(CaptureRequestOf(key, number, jobs, true)),
            .done = outcomes_.Teller(name),
            .tenant_id = 0};
  }

  // Locks an account, as something that takes long does, until UnlockAccount.
  void LockAccountOf(std::int64_t tenant_id) {
    std::unique_lock lock(mutex_);
    locker_ = std::thread([this, tenant_id] {
      EXPECT_TRUE(db_.InTransaction([&](pg::Tx& tx) {
                       tx.exec_params(
                           "SELECT 1 FROM billing.accounts WHERE tenant_id = $1 "
                           "FOR UPDATE",
                           tenant_id);
                       std::unique_lock inner(mutex_);
                       is_locked_ = true;
                       changed_.notify_all();
                       changed_.wait(inner, [&] { return !is_locked_; });
                       return absl::OkStatus();
                     })
                      .ok());
    });
    changed_.wait(lock, [&] { return is_locked_; });
  }
  void UnlockAccount() {
    {
      const std::lock_guard lock(mutex_);
      is_locked_ = false;
      changed_.notify_all();
    }
    locker_.join();
  }

  Outcomes outcomes_;
  static void Tell(const std::vector<Told>& told) {
    for (const Told& one : told) one.done(one.answer);
  }

  std::vector<Task> Run(BatchRunner& runner, std::vector<Task> tasks,
                        std::int64_t awaited_tenant_id) {
    Turn turn(turn_);
    return runner.Run(std::move(tasks), awaited_tenant_id, &turn);
  }

  BatchRunner runner_{db_, books_, Tell};

 private:
  FairMutex turn_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_locked_ = false;
  std::thread locker_;
};

TEST_F(BatchRunnerTest, ColumnsArriveAsTheyAre) {
  Column numbers(Column::Type::kNumber), texts(Column::Type::kText), uuids(Column::Type::kUuid),
      bytes(Column::Type::kBytes), none(Column::Type::kText);
  for (const std::int64_t number : {INT64_MIN, std::int64_t{-1}, std::int64_t{0}, INT64_MAX}) {
    numbers.AddNumber(number);
  }
  for (const char* text : {"", "NULL", "a\"b\\{},", "\xc3\xbc"}) texts.AddBytes(text);
  uuids.AddUuid("0190a0b0-c0d0-7e0f-8a1b-2c3d4e5f6071");
  uuids.AddUuid("");
  uuids.AddUuid("0190A0B0-C0D0-7E0F-8A1B-2C3D4E5F60FF");
  bytes.AddBytes(std::string("\0\xff", 2));
  const absl::Status read = db_.Read([&](pg::Tx& tx) {
    const pqxx::result rows = tx.exec_params(
        "SELECT $1::bigint[], $2::text[] = ARRAY['', 'NULL', E'a\"b\\\\{},', U&'\\00fc'], "
        "$3::uuid[], $4::bytea[] = ARRAY['\\x00ff'::bytea], $5::text[]",
        numbers.Take(), texts.Take(), uuids.Take(), bytes.Take(), none.Take());
    EXPECT_STREQ(rows[0][0].c_str(), "{-9223372036854775808,-1,0,9223372036854775807}");
    EXPECT_TRUE(rows[0][1].as<bool>());
    EXPECT_STREQ(
        rows[0][2].c_str(),
        "{0190a0b0-c0d0-7e0f-8a1b-2c3d4e5f6071,NULL,0190a0b0-c0d0-7e0f-8a1b-2c3d4e5f60ff}");
    EXPECT_TRUE(rows[0][3].as<bool>());
    EXPECT_STREQ(rows[0][4].c_str(), "{}");
    return absl::OkStatus();
  });
  EXPECT_TRUE(read.ok()) << read;
}

TEST_F(BatchRunnerTest, CallsOfManyTenantsAreOneTransaction) {
  Credit(kTenant, 5 * kJobNanos);
  Credit(kOther, 5 * kJobNanos);
  const std::string key = UuidV7();
  std::vector<Task> tasks;
  tasks.push_back(ReserveTask("first", kTenant, 2, key));
  tasks.push_back(ReserveTask("other", kOther, 1));
  tasks.push_back(ReserveTask("twin", kTenant, 2, key));
  tasks.push_back(CaptureTask("capture", key, 1, 1));
  tasks.push_back(CaptureTask("repeated", key, 1, 1));
  tasks.push_back(CaptureTask("nobody's", UuidV7(), 1, 1));
  EXPECT_THAT(Run(runner_, std::move(tasks), 0), IsEmpty());
  for (const char* name : {"first", "other", "twin", "capture", "repeated"}) {
    EXPECT_EQ(outcomes_.Of(name), "ok") << name;
  }
  EXPECT_EQ(outcomes_.Of("nobody's"), "HOLD_NOT_FOUND");
  EXPECT_EQ(outcomes_.AnswerOf("capture").entry_id, outcomes_.AnswerOf("repeated").entry_id);
  ExpectSql("SELECT count(*) = 2 AND count(DISTINCT xmin::text) = 1 FROM billing.holds");
  ExpectSql("SELECT count(*) = 1 FROM billing.captures");
  // The answer is stored as it was given, for whoever asks again.
  const auto again = Capture(key, 1, 1);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->SerializeAsString(), ToProto(outcomes_.AnswerOf("capture")).SerializeAsString());
  ExpectBooksRight();
}

TEST_F(BatchRunnerTest, ACallThatTheDatabaseRefusesHurtsOnlyItself) {
  for (const std::int64_t tenant : {kTenant, kOther}) Credit(tenant, 100 * kJobNanos);
  // The database itself refuses what holds so much.
  Execute(absl::StrCat("ALTER TABLE billing.accounts ADD CONSTRAINT accounts_test_check CHECK ",
                       "(held_nanos < ", 50 * kJobNanos, ")"));
  std::vector<Task> tasks;
  for (int i = 0; i < 10; ++i) {
    tasks.push_back(ReserveTask(absl::StrCat("good ", i), i % 2 == 0 ? kTenant : kOther));
    if (i == 4) tasks.push_back(ReserveTask("bad", kTenant, 60));
  }
  EXPECT_THAT(Run(runner_, std::move(tasks), 0), IsEmpty());
  EXPECT_EQ(outcomes_.Of("bad"), "DATABASE_ERROR");
  for (int i = 0; i < 10; ++i) EXPECT_EQ(outcomes_.Of(absl::StrCat("good ", i)), "ok") << i;
  EXPECT_EQ(AccountOf(kTenant).held().amount_nanos(), 5 * kJobNanos);
  ExpectBooksRight();
}

TEST_F(BatchRunnerTest, CallsOnABusyAccountComeBackAndTheOthersAreDone) {
  const std::string key = UuidV7();
  ASSERT_TRUE(Reserve(key, kTenant).ok());
  Credit(kOther, kJobNanos);
  LockAccountOf(kTenant);
  std::vector<Task> tasks;
  tasks.push_back(ReserveTask("busy", kTenant));
  tasks.push_back(CaptureTask("busy too", key, 1, 1));
  tasks.push_back(ReserveTask("new", 100));
  tasks.push_back(ReserveTask("free", kOther));
  std::vector<Task> busy = Run(runner_, std::move(tasks), 0);
  UnlockAccount();
  EXPECT_EQ(outcomes_.Of("free"), "ok");
  ASSERT_THAT(busy, SizeIs(3));
  EXPECT_EQ(busy[0].tenant_id, kTenant);
  EXPECT_EQ(busy[1].tenant_id, kTenant);
  EXPECT_EQ(busy[2].tenant_id, 100) << "it has no row yet";
  EXPECT_THAT(Run(runner_, std::move(busy), kTenant), IsEmpty());
  EXPECT_THAT(outcomes_.All(), Each("ok"));
  EXPECT_THAT(outcomes_.All(), SizeIs(4));
  ExpectBooksRight();
}

TEST_F(BatchRunnerTest, OnlyCallsOnTheAccountThatIsWaitedForTimeOut) {
  Credit(kTenant, kJobNanos);
  pg::Options options = db_.options();
  options.statement_timeout = std::chrono::milliseconds(200);
  pg::Database hasty(options);
  BatchRunner runner(hasty, books_, Tell);
  LockAccountOf(kTenant);
  std::vector<Task> tasks;
  tasks.push_back(ReserveTask("other", kOther));
  tasks.push_back(ReserveTask("stuck", kTenant));
  tasks[0].tenant_id = kOther;
  tasks[1].tenant_id = kTenant;
  std::vector<Task> rest = Run(runner, std::move(tasks), kTenant);
  EXPECT_EQ(outcomes_.Of("stuck"), "DATABASE_TIMEOUT");
  ASSERT_THAT(rest, SizeIs(1));
  EXPECT_THAT(Run(runner, std::move(rest), kOther), IsEmpty());
  EXPECT_EQ(outcomes_.Of("other"), "ok");
  UnlockAccount();
  EXPECT_EQ(AccountOf(kTenant).held().amount_nanos(), 0);
}

TEST_F(BatchRunnerTest, AStuckTenantDelaysNoOther) {
  Credit(kTenant, kJobNanos);
  Credit(kOther, kJobNanos);
  MoneyBatch batch(db_, books_);
  LockAccountOf(kTenant);
  batch.Submit(ReserveTask("stuck", kTenant));
  for (int i = 0; i < 3; ++i) {
    const std::string name = absl::StrCat("free ", i);
    batch.Submit(ReserveTask(name, kOther));
    EXPECT_TRUE(Eventually([&] { return outcomes_.Of(name) == "ok"; })) << name;
  }
  EXPECT_EQ(outcomes_.Of("stuck"), "");
  UnlockAccount();
  EXPECT_TRUE(Eventually([&] { return outcomes_.Of("stuck") == "ok"; }));
}

TEST_F(BatchRunnerTest, AReservationWhoseCallerHasLeftIsNotMade) {
  Credit(kTenant, kJobNanos);
  MoneyBatch batch(db_, books_);
  Task late = ReserveTask("late", kTenant);
  late.deadline = std::chrono::steady_clock::now();
  batch.Submit(std::move(late));
  EXPECT_TRUE(Eventually([&] { return outcomes_.Of("late") == "EXPIRED_IN_QUEUE"; }));
  EXPECT_EQ(AccountOf(kTenant).held().amount_nanos(), 0);
}

TEST(FairMutexTest, WhoAsksIsNextHoweverBusyTheOtherIs) {
  FairMutex mutex;
  std::atomic<bool> asks = false;
  std::atomic<bool> had_it = false;
  std::thread other;
  mutex.lock();
  other = std::thread([&] {
    asks = true;
    mutex.lock();
    had_it = true;
    mutex.unlock();
  });
  // Between asking and being in line lies a moment, so more than one round may go by; an
  // unfair lock could give this loop every round.
  int rounds = 0;
  for (; !had_it && rounds < 1'000'000; ++rounds) {
    mutex.unlock();
    mutex.lock();
  }
  mutex.unlock();
  other.join();
  EXPECT_TRUE(asks);
  EXPECT_LT(rounds, 1'000'000);
}

TEST_F(BatchRunnerTest, TooManyWaitingCallsAreRefusedAndTheOthersDone) {
  Credit(kTenant, kJobNanos);
  int submitted = 0;
  {
    MoneyBatch batch(db_, books_, {.orders_max = 500, .queue_max = 3});
    LockAccountOf(kTenant);
    // They gather behind the locked account.
    EXPECT_TRUE(Eventually([&] {
      const std::string name = absl::StrCat("call ", submitted++);
      batch.Submit(ReserveTask(name, kTenant));
      return outcomes_.Of(name) == "OVERLOADED";
    }));
    EXPECT_THAT(outcomes_.All(), Each("OVERLOADED")) << "nobody else was told anything yet";
    UnlockAccount();
  }
  // The end of a batch answers all that it took.
  const std::vector<std::string> told = outcomes_.All();
  EXPECT_THAT(told, SizeIs(submitted));
  EXPECT_EQ(std::count(told.begin(), told.end(), "ok"), submitted - 1);
  ExpectBooksRight();
}

TEST_F(BatchRunnerTest, TheEndAnswersEverythingThatWaits) {
  Credit(kTenant, kJobNanos);
  Credit(kOther, kJobNanos);
  LockAccountOf(kTenant);
  std::thread unlocker;
  {
    MoneyBatch batch(db_, books_, {.orders_max = 2, .queue_max = 100});
    for (int i = 0; i < 20; ++i) {
      batch.Submit(ReserveTask(absl::StrCat("call ", i), i % 2 == 0 ? kTenant : kOther));
    }
    unlocker = std::thread([&] {
      EXPECT_TRUE(Eventually([&] { return !outcomes_.All().empty(); }));
      UnlockAccount();
    });
  }
  unlocker.join();
  EXPECT_THAT(outcomes_.All(), SizeIs(20));
  EXPECT_THAT(outcomes_.All(), Each("ok"));
  ExpectBooksRight();
}

}  // namespace
}  // namespace gatehouse::billing
