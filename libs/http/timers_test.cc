#include "libs/http/timers.h"

#include <gmock/gmock.h>

namespace gatehouse::http {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;

class TimersTest : public ::testing::Test {
 protected:
  TimersTest() {
    timers_.SetDuration(TimerKind::kIdle, milliseconds(100));
    timers_.SetDuration(TimerKind::kHead, milliseconds(10));
  }
  ~TimersTest() override {
    for (auto* node : {&a_, &b_, &c_}) timers_.Disarm(node);
  }

  std::vector<Timers::Node*> Expired(int at) {
    std::vector<Timers::Node*> expired;
    timers_.Expire(At(at), [&](Timers::Node* node) { expired.push_back(node); });
    return expired;
  }
  static SteadyTime At(int at) { return SteadyTime(milliseconds(at)); }

  Timers timers_;
  Timers::Node a_, b_, c_;
};

TEST_F(TimersTest, ExpireInOrderAndOnce) {
  timers_.Arm(&a_, TimerKind::kIdle, At(0));
  timers_.Arm(&b_, TimerKind::kIdle, At(5));
  timers_.Arm(&c_, TimerKind::kHead, At(6));
  EXPECT_EQ(timers_.Next(), At(16));
  EXPECT_THAT(Expired(15), ElementsAre());
  EXPECT_THAT(Expired(16), ElementsAre(&c_));
  EXPECT_THAT(Expired(200), ElementsAre(&a_, &b_));
  EXPECT_FALSE(a_.armed());
  EXPECT_EQ(timers_.Next(), std::nullopt);
}

TEST_F(TimersTest, ArmingAgainBeginsAnew) {
  timers_.Arm(&a_, TimerKind::kIdle, At(0));
  timers_.Arm(&b_, TimerKind::kIdle, At(1));
  timers_.Arm(&a_, TimerKind::kIdle, At(50));
  EXPECT_THAT(Expired(101), ElementsAre(&b_));
  timers_.Arm(&a_, TimerKind::kHead, At(101));
  EXPECT_EQ(timers_.Next(), At(111));
}

TEST_F(TimersTest, ADisarmedNodeDoesNotExpire) {
  timers_.Arm(&a_, TimerKind::kIdle, At(0));
  timers_.Arm(&b_, TimerKind::kIdle, At(0));
  timers_.Disarm(&a_);
  timers_.Disarm(&a_);
  EXPECT_THAT(Expired(1000), ElementsAre(&b_));
}

TEST_F(TimersTest, WhatExpiresMayDisarmOthers) {
  timers_.Arm(&a_, TimerKind::kIdle, At(0));
  timers_.Arm(&b_, TimerKind::kIdle, At(0));
  timers_.Arm(&c_, TimerKind::kIdle, At(0));
  int calls = 0;
  timers_.Expire(At(100), [&](Timers::Node*) {
    ++calls;
    timers_.Disarm(&b_);
  });
  EXPECT_EQ(calls, 2);
}

}  // namespace
}  // namespace gatehouse::http
