#include "services/billing/hold.h"

#include "gtest/gtest.h"
#include "libs/base/time_text.h"

namespace gatehouse::billing {
namespace {

constexpr std::int64_t kEstimate = 100;
const Time kExpireTime = FromMicros(1'000'000);

// A hold of kEstimate on an account of 1000 in each state.
struct Case {
  Hold hold;
  Account account;
};

Case Reserved() {
  Case c;
  c.account.settled_nanos = 1000;
  c.hold.expire_time = kExpireTime;
  c.hold.Reserve(kEstimate, {.policy = Policy::kWarn, .warned = false, .reason = "funds suffice"},
                 &c.account);
  return c;
}

Case In(HoldState state) {
  Case c = Reserved();
  switch (state) {
    case HoldState::kReserved:
      break;
    case HoldState::kBound:
      c.hold.Bind(&c.account);
      break;
    case HoldState::kCaptured:
      EXPECT_TRUE(c.hold.Capture(30, true, &c.account).ok());
      break;
    case HoldState::kReleased:
      c.hold.Release(&c.account);
      break;
    case HoldState::kExpired:
      c.hold.ExpireAt(kExpireTime, &c.account);
      break;
  }
  EXPECT_EQ(c.hold.state, state);
  EXPECT_EQ(c.hold.held_nanos, c.account.held_nanos);
  return c;
}

constexpr HoldState kStates[] = {HoldState::kReserved, HoldState::kBound, HoldState::kCaptured,
                                 HoldState::kReleased, HoldState::kExpired};

TEST(HoldTest, TextsAreReadBack) {
  for (const HoldState state : kStates) {
    EXPECT_EQ(ParseHoldState(HoldStateText(state)), state);
  }
}

TEST(HoldTest, ReserveSetsTheEstimateAside) {
  const Case c = Reserved();
  EXPECT_EQ(c.hold.held_nanos, kEstimate);
  EXPECT_EQ(c.account.held_nanos, kEstimate);
  EXPECT_EQ(c.account.settled_nanos, 1000);
}

TEST(HoldTest, ExpiresAtItsTimeUnlessBound) {
  Case c = Reserved();
  c.hold.ExpireAt(kExpireTime - std::chrono::microseconds(1), &c.account);
  EXPECT_EQ(c.hold.state, HoldState::kReserved);
  c.hold.ExpireAt(kExpireTime, &c.account);
  EXPECT_EQ(c.hold.state, HoldState::kExpired);
  EXPECT_EQ(c.account.held_nanos, 0);

  Case bound = In(HoldState::kBound);
  bound.hold.ExpireAt(kExpireTime, &bound.account);
  EXPECT_EQ(bound.hold.state, HoldState::kBound);
  EXPECT_EQ(bound.account.held_nanos, kEstimate);
}

TEST(HoldTest, BindHoldsInEveryStateButCaptured) {
  for (const HoldState state : kStates) {
    Case c = In(state);
    c.hold.Bind(&c.account);
    const bool captured = state == HoldState::kCaptured;
    EXPECT_EQ(c.hold.state, captured ? HoldState::kCaptured : HoldState::kBound);
    EXPECT_EQ(c.hold.held_nanos, captured ? 0 : kEstimate);
    EXPECT_EQ(c.account.held_nanos, c.hold.held_nanos);
  }
}

TEST(HoldTest, BindHoldsAnewOnlyWhatIsNotCapturedYet) {
  Case c = Reserved();
  ASSERT_TRUE(c.hold.Capture(30, false, &c.account).ok());
  c.hold.Release(&c.account);
  c.hold.Bind(&c.account);
  EXPECT_EQ(c.hold.held_nanos, 70);
  ASSERT_TRUE(c.hold.Capture(90, false, &c.account).ok());
  c.hold.Release(&c.account);
  c.hold.Bind(&c.account);
  EXPECT_EQ(c.hold.held_nanos, 0) << "more than the estimate is captured";
}

TEST(HoldTest, FinalCaptureIsLegalInEveryStateButCaptured) {
  for (const HoldState state : kStates) {
    Case c = In(state);
    const absl::Status status = c.hold.Capture(40, true, &c.account);
    if (state == HoldState::kCaptured) {
      EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
      EXPECT_EQ(Reason(status), "HOLD_CLOSED");
      EXPECT_EQ(c.hold.captured_nanos, 30);
      continue;
    }
    ASSERT_TRUE(status.ok()) << HoldStateText(state);
    EXPECT_EQ(c.hold.state, HoldState::kCaptured);
    EXPECT_EQ(c.hold.captured_nanos, 40);
    EXPECT_EQ(c.account.settled_nanos, 1000) << "booking is the ledger's";
    EXPECT_EQ(c.account.held_nanos, 0) << "the rest is given back";
  }
}

TEST(HoldTest, PartialCapturesKeepTheStateAndUseUpTheHold) {
  for (const HoldState state : kStates) {
    if (state == HoldState::kCaptured) continue;
    Case c = In(state);
    const std::int64_t held = c.hold.held_nanos;
    ASSERT_TRUE(c.hold.Capture(30, false, &c.account).ok());
    EXPECT_EQ(c.hold.state, state);
    EXPECT_EQ(c.hold.held_nanos, held == 0 ? 0 : 70);
    EXPECT_EQ(c.account.held_nanos, c.hold.held_nanos);
    EXPECT_EQ(c.hold.captured_nanos, 30);
  }
}

TEST(HoldTest, OverCaptureIsCountedWhole) {
  Case c = In(HoldState::kBound);
  ASSERT_TRUE(c.hold.Capture(1500, true, &c.account).ok());
  EXPECT_EQ(c.account.held_nanos, 0);
  EXPECT_EQ(c.hold.captured_nanos, 1500);
}

TEST(HoldTest, ReleaseIsLegalInEveryStateAndAgain) {
  for (const HoldState state : kStates) {
    Case c = In(state);
    for (int i = 0; i < 2; ++i) {
      c.hold.Release(&c.account);
      EXPECT_EQ(c.hold.state, state == HoldState::kCaptured ? state : HoldState::kReleased);
      EXPECT_EQ(c.account.held_nanos, 0);
    }
  }
}

TEST(HoldTest, OnlyAnUnusedReservationIsDecidedAnew) {
  EXPECT_TRUE(In(HoldState::kExpired).hold.CanReserveAgain());
  EXPECT_TRUE(In(HoldState::kReleased).hold.CanReserveAgain());
  EXPECT_FALSE(In(HoldState::kReserved).hold.CanReserveAgain());
  EXPECT_FALSE(In(HoldState::kBound).hold.CanReserveAgain());
  EXPECT_FALSE(In(HoldState::kCaptured).hold.CanReserveAgain());

  Case bound = In(HoldState::kBound);
  bound.hold.Release(&bound.account);
  EXPECT_FALSE(bound.hold.CanReserveAgain()) << "it was bound";
  Case used = In(HoldState::kExpired);
  ASSERT_TRUE(used.hold.Capture(0, false, &used.account).ok());
  EXPECT_FALSE(used.hold.CanReserveAgain()) << "it was captured, if only zero";
}

TEST(HoldTest, TheFirstOutcomeAndEndAreKept) {
  const Time later = kExpireTime + std::chrono::seconds(1);
  Case c = In(HoldState::kBound);
  c.hold.End("", kExpireTime);
  EXPECT_EQ(c.hold.end_time, kExpireTime);
  EXPECT_EQ(c.hold.outcome, "") << "not told yet";
  c.hold.End("failed", later);
  c.hold.End("success", later);
  EXPECT_EQ(c.hold.outcome, "failed");
  EXPECT_EQ(c.hold.end_time, kExpireTime);
}

TEST(HoldTest, TheFirstAnswerStaysTheSameInEveryState) {
  for (const HoldState state : kStates) {
    const Hold first = In(state).hold.AsReserved();
    EXPECT_EQ(first.state, HoldState::kReserved);
    EXPECT_EQ(first.held_nanos, kEstimate);
    EXPECT_EQ(first.captured_nanos, 0);
    EXPECT_EQ(first.expire_time, kExpireTime);
  }
}

}  // namespace
}  // namespace gatehouse::billing
