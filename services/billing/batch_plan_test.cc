#include "services/billing/batch_plan.h"

#include <memory>

#include "gmock/gmock.h"
#include "libs/base/time_text.h"

namespace gatehouse::billing {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr std::int64_t kTenant = 7;
constexpr std::int64_t kPrice = 100;
constexpr char kKey[] = "0190a0b0-c0d0-7e0f-8a1b-2c3d4e5f6071";
constexpr char kOtherKey[] = "0190a0b0-c0d0-7e0f-8a1b-2c3d4e5f6072";
const Time kNow = FromMicros(1'000'000'000);

PriceBook Book() {
  PriceBook book;
  book.version = 3;
  book.prices[{"per_job", "text.stats"}] = {.unit_nanos = kPrice, .per_units = 1};
  return book;
}

std::vector<UsageLine> Jobs(std::int64_t jobs) { return {{"per_job", "text.stats", jobs}}; }

ReserveOrder Reserve(const std::string& key, std::int64_t jobs, std::int64_t tenant_id = kTenant) {
  ReserveOrder order;
  order.key = key;
  order.tenant_id = tenant_id;
  order.estimate = Jobs(jobs);
  order.ttl_seconds = 60;
  order.request_hash = key + std::to_string(jobs);
  order.tool = "text.stats";
  return order;
}

CaptureOrder Capture(const std::string& key, std::int64_t number, std::int64_t jobs,
                     bool final = true) {
  CaptureOrder order;
  order.key = key;
  order.number = number;
  order.usage = Jobs(jobs);
  order.final = final;
  order.outcome = "success";
  order.request_hash = key + std::to_string(number) + std::to_string(jobs);
  return order;
}

class BatchPlanTest : public ::testing::Test {
 protected:
  BatchPlanTest() : plan_(kNow, book_) {}

  void AddAccount(std::int64_t settled_nanos, Policy policy = Policy::kBlock,
                  std::int64_t held_nanos = 0) {
    Account account;
    account.tenant_id = kTenant;
    account.settled_nanos = settled_nanos;
    account.held_nanos = held_nanos;
    account.policy = policy;
    plan_.AddAccount(account);
  }

  // Of one job, made by Reserve(key, 1).
  static Hold StoredHold(const std::string& key, Time expire_time) {
    Account account;
    Hold hold;
    hold.key = key;
    hold.tenant_id = kTenant;
    hold.request_hash = key + "1";
    hold.Reserve(kPrice, {.policy = Policy::kBlock, .warned = false, .reason = "x"}, &account);
    hold.expire_time = expire_time;
    return hold;
  }

  // The answer or the reason of the refusal; "busy" without its account.
  std::string Do(const Order& order) {
    const auto answer = plan_.Decide(order);
    if (!answer) return "busy";
    if (!answer->ok()) return Reason(answer->status());
    last_ = **answer;
    return "ok";
  }

  const PriceBook book_ = Book();
  BatchPlan plan_;
  Answer last_;
};

TEST_F(BatchPlanTest, LaterCallsSeeEarlierOnesAndTheHoldIsStoredAsItIsAtLast) {
  AddAccount(10 * kPrice);
  EXPECT_EQ(Do(Reserve(kKey, 3)), "ok");
  EXPECT_EQ(last_.hold.expire_time, kNow + std::chrono::seconds(60));
  EXPECT_EQ(Do(BindOrder{kKey}), "ok");
  EXPECT_EQ(Do(Capture(kKey, 1, 1, false)), "ok");
  EXPECT_EQ(last_.hold.held_nanos, 2 * kPrice);
  EXPECT_EQ(Do(Capture(kKey, 2, 1)), "ok");
  ASSERT_THAT(plan_.holds(), SizeIs(1));
  const PlannedHold& planned = *plan_.holds()[0];
  EXPECT_TRUE(planned.is_new);
  EXPECT_EQ(planned.hold.state, HoldState::kCaptured);
  EXPECT_EQ(planned.hold.tool, "text.stats");
  EXPECT_EQ(planned.hold.outcome, "success");
  EXPECT_EQ(planned.hold.end_time, kNow);
  EXPECT_EQ(planned.estimate.price_version, 3);
  ASSERT_THAT(plan_.accounts(), SizeIs(1));
  EXPECT_EQ(plan_.accounts()[0]->account.settled_nanos, 8 * kPrice);
  EXPECT_EQ(plan_.accounts()[0]->account.held_nanos, 0);
  EXPECT_EQ(plan_.accounts()[0]->settled_before_nanos, 10 * kPrice);
  EXPECT_THAT(plan_.captures(), SizeIs(2));
  ASSERT_THAT(plan_.rows(), SizeIs(2));
  EXPECT_EQ(plan_.rows()[1].balance_after_nanos, 8 * kPrice);
  EXPECT_EQ(plan_.rows()[1].posting.notes, "1 per_job of text.stats");
}

TEST_F(BatchPlanTest, WhatIsNoLongerSoldIsBookedAtThePriceOfItsHold) {
  PriceBook older = Book();
  older.version = 2;
  older.prices[{"per_job", "gone"}] = {.unit_nanos = 7, .per_units = 1};
  BatchPlan plan(kNow, book_, [&](int version) {
    EXPECT_EQ(version, 2);
    return std::make_shared<const PriceBook>(older);
  });
  Account account;
  account.tenant_id = kTenant;
  plan.AddAccount(account);
  Hold hold = StoredHold(kKey, kNow);
  hold.price_version = 2;
  plan.AddHold(hold);
  CaptureOrder order = Capture(kKey, 1, 1);
  order.usage = {{"per_job", "gone", 3}};
  const auto answer = plan.Decide(order);
  ASSERT_TRUE(answer && answer->ok());
  EXPECT_EQ((*answer)->amount_nanos, 21);
  EXPECT_EQ(plan.captures()[0].quote.price_version, 2);
  order.number = 2;
  order.usage = {{"per_job", "never", 1}};
  EXPECT_EQ(Reason(plan.Decide(order)->status()), "PRICE_UNKNOWN");
}

TEST_F(BatchPlanTest, MoneyThatFitsOnceIsSetAsideOnce) {
  AddAccount(kPrice);
  EXPECT_EQ(Do(Reserve(kKey, 1)), "ok");
  EXPECT_EQ(Do(Reserve(kOtherKey, 1)), "RESERVE_INSUFFICIENT");
  EXPECT_EQ(Do(ReleaseOrder{kKey, ""}), "ok");
  EXPECT_EQ(Do(Reserve(kOtherKey, 1)), "ok") << "what was given back is there again";
  EXPECT_EQ(plan_.accounts()[0]->account.held_nanos, kPrice);
}

TEST_F(BatchPlanTest, DuplicatesGetTheSameAnswerAndOtherRequestsNone) {
  AddAccount(kPrice);
  EXPECT_EQ(Do(Reserve(kKey, 1)), "ok");
  EXPECT_EQ(Do(Reserve(kKey, 1)), "ok") << "though the money fits only once";
  EXPECT_EQ(Do(Reserve(kKey, 2)), "IDEMPOTENCY_KEY_REUSED");
  EXPECT_EQ(Do(Reserve(kKey, 1, kTenant + 1)), "IDEMPOTENCY_KEY_REUSED");
  EXPECT_EQ(Do(Capture(kKey, 1, 1)), "ok");
  const Answer first = last_;
  EXPECT_EQ(Do(Capture(kKey, 1, 1)), "ok");
  EXPECT_EQ(last_.entry_id, first.entry_id);
  EXPECT_EQ(Do(Capture(kKey, 1, 2)), "IDEMPOTENCY_KEY_REUSED");
  EXPECT_EQ(Do(Capture(kKey, 2, 1)), "HOLD_CLOSED");
  EXPECT_EQ(Do(Reserve(kKey, 1)), "ok");
  EXPECT_EQ(last_.hold.state, HoldState::kReserved) << "as it was answered first";
  EXPECT_EQ(last_.hold.held_nanos, kPrice);
  EXPECT_THAT(plan_.rows(), SizeIs(1));
  EXPECT_THAT(plan_.holds(), SizeIs(1));
}

TEST_F(BatchPlanTest, AStoredCaptureIsAnsweredAsItWas) {
  AddAccount(kPrice);
  Hold hold = StoredHold(kKey, kNow);
  hold.state = HoldState::kCaptured;
  hold.capture_count = 1;
  plan_.AddHold(hold);
  plan_.AddCapture(kKey, 1, Capture(kKey, 1, 1).request_hash, "the answer");
  EXPECT_EQ(Do(Capture(kKey, 1, 1)), "ok");
  EXPECT_EQ(last_.first_response, "the answer");
  EXPECT_EQ(Do(Capture(kKey, 1, 2)), "IDEMPOTENCY_KEY_REUSED");
  EXPECT_TRUE(plan_.empty());
}

TEST_F(BatchPlanTest, WhatIsTakenAboveTheReserveIsDebtAndRefusedNextTime) {
  AddAccount(2 * kPrice);
  EXPECT_EQ(Do(Reserve(kKey, 2)), "ok");
  EXPECT_EQ(Do(Capture(kKey, 1, 5)), "ok");
  EXPECT_EQ(last_.amount_nanos, 5 * kPrice);
  EXPECT_EQ(plan_.accounts()[0]->account.settled_nanos, -3 * kPrice);
  ASSERT_THAT(plan_.rows(), SizeIs(2));
  EXPECT_EQ(plan_.rows()[1].posting.entry_type, "debt");
  EXPECT_EQ(plan_.rows()[1].amount_nanos, 3 * kPrice);
  EXPECT_EQ(plan_.rows()[1].cause_id, last_.entry_id);
  EXPECT_EQ(Do(Reserve(kOtherKey, 0)), "RESERVE_INSUFFICIENT");
}

TEST_F(BatchPlanTest, ARefusalChangesNothing) {
  AddAccount(kPrice, Policy::kBlock, kPrice);
  plan_.AddHold(StoredHold(kOtherKey, kNow + std::chrono::seconds(1)));
  EXPECT_EQ(Do(Reserve(kKey, 1)), "RESERVE_INSUFFICIENT");
  EXPECT_EQ(Do(BindOrder{kKey}), "HOLD_NOT_FOUND");
  EXPECT_EQ(Do(ReleaseOrder{kKey, "failed"}), "HOLD_NOT_FOUND");
  EXPECT_EQ(Do(Capture(kKey, 1, 1)), "HOLD_NOT_FOUND");
  ReserveOrder unknown = Reserve(kKey, 1);
  unknown.estimate[0].resource = "text.poems";
  EXPECT_EQ(Do(unknown), "PRICE_UNKNOWN");
  CaptureOrder priceless = Capture(kOtherKey, 1, 1);
  priceless.usage[0].resource = "text.poems";
  EXPECT_EQ(Do(priceless), "PRICE_UNKNOWN");
  EXPECT_TRUE(plan_.empty());
  EXPECT_THAT(plan_.accounts(), IsEmpty());
  EXPECT_THAT(plan_.rows(), IsEmpty());
}

TEST_F(BatchPlanTest, AnOverdueReserveThatIsRefusedStaysForTheSweeper) {
  AddAccount(kPrice, Policy::kBlock, 2 * kPrice);
  plan_.AddHold(StoredHold(kKey, kNow));
  EXPECT_EQ(Do(Reserve(kKey, 1)), "RESERVE_INSUFFICIENT");
  EXPECT_TRUE(plan_.empty());
  EXPECT_TRUE(plan_.Expire(kKey));
  EXPECT_FALSE(plan_.Expire(kKey));
  EXPECT_EQ(plan_.accounts()[0]->account.held_nanos, kPrice);
}

TEST_F(BatchPlanTest, AnOverdueReserveIsDecidedAnewWithItsOwnMoney) {
  AddAccount(kPrice, Policy::kBlock, kPrice);
  plan_.AddHold(StoredHold(kKey, kNow));
  EXPECT_EQ(Do(Reserve(kKey, 1)), "ok");
  EXPECT_EQ(last_.hold.expire_time, kNow + std::chrono::seconds(60));
  ASSERT_THAT(plan_.holds(), SizeIs(1));
  EXPECT_TRUE(plan_.holds()[0]->is_anew);
  EXPECT_TRUE(plan_.holds()[0]->changed);
  EXPECT_EQ(plan_.holds()[0]->estimate.amount_nanos, kPrice);
  EXPECT_EQ(plan_.accounts()[0]->account.held_nanos, kPrice);
}

TEST_F(BatchPlanTest, AHoldThatIsMadeAndMadeAnewInOneBatchIsNew) {
  AddAccount(kPrice);
  EXPECT_EQ(Do(Reserve(kKey, 1)), "ok");
  EXPECT_EQ(Do(ReleaseOrder{kKey, "cancelled"}), "ok");
  EXPECT_EQ(Do(Reserve(kKey, 1)), "ok");
  ASSERT_THAT(plan_.holds(), SizeIs(1));
  EXPECT_TRUE(plan_.holds()[0]->is_new);
  EXPECT_FALSE(plan_.holds()[0]->is_anew);
  EXPECT_EQ(plan_.holds()[0]->hold.outcome, "") << "the work begins again";
}

TEST_F(BatchPlanTest, StepsThatChangeNothingStoreNothing) {
  AddAccount(kPrice, Policy::kBlock, kPrice);
  Hold hold = StoredHold(kKey, kNow);
  Account account;
  hold.Bind(&account);
  plan_.AddHold(hold);
  EXPECT_EQ(Do(BindOrder{kKey}), "ok");
  EXPECT_EQ(Do(Reserve(kKey, 1)), "ok");
  EXPECT_TRUE(plan_.empty());
  EXPECT_EQ(Do(ReleaseOrder{kKey, ""}), "ok");
  EXPECT_FALSE(plan_.empty());
}

TEST_F(BatchPlanTest, AnOutcomeIsKeptThoughTheHoldWasGivenBackBefore) {
  AddAccount(kPrice);
  Hold hold = StoredHold(kKey, kNow);
  Account account;
  hold.Release(&account);
  plan_.AddHold(hold);
  EXPECT_EQ(Do(ReleaseOrder{kKey, "failed"}), "ok");
  EXPECT_EQ(Do(ReleaseOrder{kKey, "success"}), "ok");
  ASSERT_THAT(plan_.holds(), SizeIs(1));
  EXPECT_EQ(plan_.holds()[0]->hold.outcome, "failed");
  EXPECT_EQ(plan_.holds()[0]->hold.end_time, kNow);
}

TEST_F(BatchPlanTest, WithoutItsAccountACallIsNotDecided) {
  plan_.AddHold(StoredHold(kKey, kNow));
  EXPECT_EQ(Do(Reserve(kOtherKey, 1)), "busy");
  EXPECT_EQ(Do(Reserve(kKey, 1)), "busy");
  EXPECT_EQ(Do(BindOrder{kKey}), "busy");
  EXPECT_EQ(Do(ReleaseOrder{kKey, ""}), "busy");
  EXPECT_EQ(Do(Capture(kKey, 1, 1)), "busy");
  EXPECT_FALSE(plan_.Expire(kKey));
  EXPECT_EQ(plan_.TenantOf(BindOrder{kKey}), kTenant);
  EXPECT_EQ(plan_.TenantOf(Reserve(kOtherKey, 1)), kTenant);
  EXPECT_EQ(plan_.TenantOf(BindOrder{kOtherKey}), 0);
  EXPECT_TRUE(plan_.empty());
}

}  // namespace
}  // namespace gatehouse::billing
