#include "services/gateway/event_hub.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <mutex>
#include <thread>

#include "services/gateway/fake_services.h"
#include "services/gateway/gateway_fixture.h"

namespace gatehouse::gateway {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// What a sink was given. Thread-safe.
class Got {
 public:
  EventHub::Sink Sink() {
    return [this](const LiveEventPtr& event) {
      std::lock_guard lock(mutex_);
      events_.push_back(event);
    };
  }
  std::vector<LiveEventPtr> Events() const {
    std::lock_guard lock(mutex_);
    return events_;
  }
  std::vector<std::string> Types() const {
    std::vector<std::string> types;
    for (const LiveEventPtr& event : Events()) types.push_back(event->is_gap ? "gap" : event->type);
    return types;
  }
  bool Gets(std::size_t count) const {
    return Eventually([&] { return Events().size() >= count; });
  }

 private:
  mutable std::mutex mutex_;
  std::vector<LiveEventPtr> events_;
};

class EventHubTest : public ::testing::Test {
 protected:
  EventHubTest() {
    EXPECT_TRUE(Eventually([&] { return hub_->position() == "a1.700.0-b1.700.0-j1.700.0"; }))
        << hub_->position();
  }

  void Push(const std::string& type) { services_.job_events.Push(type, 7, "ada", "{}"); }
  bool EventuallyWatched() {
    return Eventually([&] { return services_.job_events.streams() == 1; });
  }

  FakeServices services_;
  const Upstreams clients_ = services_.Clients();
  std::unique_ptr<EventHub> hub_ = std::make_unique<EventHub>(
      std::vector<rpc::Client*>{clients_.auth.get(), clients_.billing.get(), clients_.jobs.get()});
};

TEST_F(EventHubTest, EverySinkGetsTheEventsOfAllServices) {
  Got first, second;
  const auto one = hub_->Subscribe(first.Sink());
  const auto two = hub_->Subscribe(second.Sink());
  services_.job_events.Push("execution.started", 7, "ada", R"({"execution_id":"x"})");
  ASSERT_TRUE(first.Gets(1));
  services_.auth_events.Push("system.notification", 0, "", R"({"message":"hello"})");
  ASSERT_TRUE(first.Gets(2));
  services_.billing_events.Push("system.alert", 8, "", "{}");
  ASSERT_TRUE(first.Gets(3));
  ASSERT_TRUE(second.Gets(3));
  EXPECT_THAT(first.Types(),
              ElementsAre("execution.started", "system.notification", "system.alert"));
  EXPECT_EQ(first.Types(), second.Types());
  const LiveEvent event = *first.Events()[0];
  EXPECT_EQ(event.tenant_id, 7);
  EXPECT_EQ(event.user_id, "ada");
  EXPECT_EQ(event.data_json, R"({"execution_id":"x"})");
  EXPECT_EQ(event.time, "2027-01-15T08:00:00.000000Z");
  EXPECT_EQ(event.position, "a1.700.0-b1.700.0-j1.701.1");
  EXPECT_EQ(first.Events()[2]->position, "a1.701.1-b1.701.1-j1.701.1");
  EXPECT_EQ(hub_->position(), "a1.701.1-b1.701.1-j1.701.1");
  EXPECT_LT(first.Events()[0]->number, first.Events()[1]->number);
}

TEST_F(EventHubTest, WhatHappenedMeanwhileCanBeAskedFor) {
  Got got;
  const auto handle = hub_->Subscribe(got.Sink());
  for (const char* type : {"a", "b", "c"}) Push(type);
  ASSERT_TRUE(got.Gets(3));
  const auto missed = hub_->After(got.Events()[0]->position);
  ASSERT_TRUE(missed.has_value());
  ASSERT_EQ(missed->size(), 2U);
  EXPECT_EQ((*missed)[0], got.Events()[1]) << "the very same";
  EXPECT_FALSE(hub_->After("rubbish").has_value());
  EXPECT_FALSE(hub_->After("a1.700.0-b1.700.0-j2.700.0").has_value());
}

TEST_F(EventHubTest, TakesUpABrokenStreamWhereItBroke) {
  Got got;
  const auto handle = hub_->Subscribe(got.Sink());
  Push("a");
  ASSERT_TRUE(got.Gets(1));
  services_.Stop("jobs");
  Push("b");  // Committed while nobody listened.
  services_.Start("jobs");
  ASSERT_TRUE(got.Gets(2));
  Push("c");
  ASSERT_TRUE(got.Gets(3));
  EXPECT_THAT(got.Types(), ElementsAre("a", "b", "c"));
  EXPECT_EQ(services_.job_events.requests().back().cursor().sequence(), 1);
}

TEST_F(EventHubTest, GoesOnAfterErrorsOfEveryKind) {
  Got got;
  const auto handle = hub_->Subscribe(got.Sink());
  const std::vector<absl::Status> errors = {absl::OkStatus(), absl::InternalError("x"),
                                            absl::UnimplementedError("x")};
  for (const absl::Status& status : errors) {
    ASSERT_TRUE(EventuallyWatched());
    services_.job_events.End(status);
    Push("event");
  }
  ASSERT_TRUE(got.Gets(3));
  EXPECT_THAT(got.Types(), ElementsAre("event", "event", "event"));
}

TEST_F(EventHubTest, WhatComesTwiceIsToldOnce) {
  Got got;
  const auto handle = hub_->Subscribe(got.Sink());
  Push("a");
  Push("b");
  services_.job_events.Repeat();
  Push("c");
  ASSERT_TRUE(got.Gets(3));
  EXPECT_THAT(got.Types(), ElementsAre("a", "b", "c"));
}

TEST_F(EventHubTest, AGapIsHandedOn) {
  Got got;
  const auto handle = hub_->Subscribe(got.Sink());
  services_.job_events.Forget();
  Push("a");
  ASSERT_TRUE(got.Gets(2));
  EXPECT_THAT(got.Types(), ElementsAre("gap", "a"));
  EXPECT_EQ(got.Events()[0]->position, "a1.700.0-b1.700.0-j1.701.1");
  EXPECT_NE(got.Events()[0]->time, "");
}

TEST_F(EventHubTest, ARestoredFeedStartsAnewBehindAGap) {
  Got got;
  const auto handle = hub_->Subscribe(got.Sink());
  Push("a");
  ASSERT_TRUE(got.Gets(1));
  const std::string before = hub_->position();
  services_.job_events.Restore();
  ASSERT_TRUE(got.Gets(2));
  Push("b");
  ASSERT_TRUE(got.Gets(3));
  EXPECT_THAT(got.Types(), ElementsAre("a", "gap", "b"));
  EXPECT_EQ(got.Events()[2]->position, "a1.700.0-b1.700.0-j2.702.2");
  EXPECT_FALSE(hub_->After(before).has_value());
  EXPECT_FALSE(services_.job_events.requests().back().has_cursor());
}

TEST_F(EventHubTest, AServiceThatComesLateHasNoPositionUntilThen) {
  services_.Stop("billing");
  EventHub hub({clients_.auth.get(), clients_.billing.get()});
  ASSERT_TRUE(Eventually([&] { return hub.position() == "a1.700.0"; }));
  Got got;
  const auto handle = hub.Subscribe(got.Sink());
  services_.auth_events.Push("a", 0, "", "{}");
  ASSERT_TRUE(got.Gets(1));
  services_.Start("billing");
  ASSERT_TRUE(Eventually([&] { return hub.position() == "a1.701.1-b1.700.0"; }));
  EXPECT_THAT(got.Types(), ElementsAre("a")) << "a first beginning is no gap";
}

TEST_F(EventHubTest, AnEndedSubscriptionGetsNothingMore) {
  Got ended, staying;
  auto handle = hub_->Subscribe(ended.Sink());
  const auto other = hub_->Subscribe(staying.Sink());
  handle.reset();
  Push("a");
  ASSERT_TRUE(staying.Gets(1));
  EXPECT_THAT(ended.Types(), IsEmpty());
}

TEST_F(EventHubTest, EndingASubscriptionWaitsForTheCallUnderWay) {
  std::atomic<bool> inside = false, go = false, left = false;
  auto handle = hub_->Subscribe([&](const LiveEventPtr&) {
    inside = true;
    while (!go) std::this_thread::yield();
    left = true;
  });
  Push("a");
  ASSERT_TRUE(Eventually([&] { return inside.load(); }));
  std::atomic<bool> ended = false;
  bool left_before_end = false;
  std::thread ending([&] {
    handle.reset();
    left_before_end = left;
    ended = true;
  });
  for (int round = 0; round < 1000 && !ended; ++round) std::this_thread::yield();
  EXPECT_FALSE(ended);
  go = true;
  ending.join();
  EXPECT_TRUE(left_before_end);
}

TEST_F(EventHubTest, ASinkMayEndItsOwnSubscription) {
  std::mutex mutex;
  std::shared_ptr<void> handle;
  std::atomic<int> calls = 0;
  {
    std::lock_guard lock(mutex);
    handle = hub_->Subscribe([&](const LiveEventPtr&) {
      std::lock_guard inner(mutex);
      ++calls;
      handle.reset();
    });
  }
  Got staying;
  const auto other = hub_->Subscribe(staying.Sink());
  Push("a");
  Push("b");
  ASSERT_TRUE(staying.Gets(2));
  EXPECT_EQ(calls, 1);
}

TEST_F(EventHubTest, AHandleMayOutliveTheHub) {
  Got got;
  const auto handle = hub_->Subscribe(got.Sink());
  hub_.reset();
  EXPECT_THAT(got.Types(), IsEmpty());
}

TEST_F(EventHubTest, SubscribersComeAndGoUnderLoad) {
  std::atomic<bool> stop = false;
  std::vector<std::thread> subscribers;
  for (int thread = 0; thread < 3; ++thread) {
    subscribers.emplace_back([&] {
      while (!stop) {
        Got got;  // Gone when its handle is: a call after that would be seen by ASAN.
        const auto handle = hub_->Subscribe(got.Sink());
        hub_->After(hub_->position());
      }
    });
  }
  Got steady;
  const auto handle = hub_->Subscribe(steady.Sink());
  for (int i = 0; i < 300; ++i) {
    Push("j");
    services_.auth_events.Push("a", 0, "", "{}");
  }
  EXPECT_TRUE(steady.Gets(600));
  stop = true;
  for (std::thread& thread : subscribers) thread.join();
  std::uint64_t last = 0;
  for (const LiveEventPtr& event : steady.Events()) {
    EXPECT_EQ(event->number, last + 1) << "in order, each once";
    last = event->number;
  }
}

}  // namespace
}  // namespace gatehouse::gateway
