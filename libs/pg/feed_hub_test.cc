#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <set>
#include <thread>

#include "libs/pg/feed.h"
#include "libs/pg/feed_tables.h"
#include "libs/pg/suite_database.h"
#include "libs/pg/testing.h"

namespace gatehouse::pg::testing {
namespace {

using ::testing::ElementsAre;

constexpr char kListens[] = "query LIKE 'LISTEN%'";

// What one subscriber got, in order. Thread-safe.
class Got {
 public:
  FeedHub::Sink Sink() {
    return [this](const Event& event) {
      std::lock_guard lock(mutex_);
      events_.push_back(event);
    };
  }
  std::vector<Event> Events() {
    std::lock_guard lock(mutex_);
    return events_;
  }
  std::vector<std::string> Subjects() {
    std::vector<std::string> subjects;
    for (const Event& event : Events()) subjects.push_back(event.subject);
    return subjects;
  }
  bool Gets(std::size_t count) {
    return Eventually([&] { return Events().size() >= count; });
  }

 private:
  std::mutex mutex_;
  std::vector<Event> events_;
};

class FeedHubTest : public SuiteDatabase<kFeedTables> {
 protected:
  FeedHubTest() { sessions_.Run("TRUNCATE auth.events"); }

  void Append(const std::string& subject) {
    const absl::Status status =
        db_.InTransaction([&](Tx& tx) { return AppendEvent(tx, "auth", EventOf(subject)); });
    ASSERT_TRUE(status.ok()) << status;
  }
};

TEST_F(FeedHubTest, EverySubscriberGetsWhatHappensFromNowOn) {
  Append("before");
  FeedHub hub(db_, "auth");
  Got first;
  Got second;
  const auto first_handle = hub.Subscribe(first.Sink());
  const auto second_handle = hub.Subscribe(second.Sink());
  ASSERT_NE(first_handle, nullptr);
  Append("a");
  Append("b");
  hub.Notify();
  ASSERT_TRUE(first.Gets(2));
  ASSERT_TRUE(second.Gets(2));
  EXPECT_THAT(first.Subjects(), ElementsAre("a", "b"));
  EXPECT_THAT(second.Subjects(), ElementsAre("a", "b"));
}

TEST_F(FeedHubTest, SubscriberGetsAllEventsOfConcurrentWritersInOrder) {
  constexpr int kWriters = 4;
  constexpr int kEventsEach = 50;
  FeedHub hub(db_, "auth");
  Got got;
  const auto handle = hub.Subscribe(got.Sink());
  std::vector<std::thread> writers;
  for (int writer = 0; writer < kWriters; ++writer) {
    writers.emplace_back([&, writer] {
      for (int i = 0; i < kEventsEach; ++i) {
        const std::string subject = std::to_string(writer) + "." + std::to_string(i);
        const absl::Status status = db_.InTransaction([&](Tx& tx) {
          absl::Status appended = AppendEvent(tx, "auth", EventOf(subject));
          // Commits come in another order than sequence numbers.
          tx.exec("SELECT pg_sleep(random() * 0.005)");
          return appended;
        });
        EXPECT_TRUE(status.ok()) << status;
        hub.Notify();
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  ASSERT_TRUE(got.Gets(kWriters * kEventsEach));
  const std::vector<Event> events = got.Events();
  std::set<std::string> subjects;
  for (std::size_t i = 0; i < events.size(); ++i) {
    subjects.insert(events[i].subject);
    if (i == 0) continue;
    const Cursor& previous = events[i - 1].cursor;
    EXPECT_LT(std::make_pair(previous.transaction_id, previous.sequence),
              std::make_pair(events[i].cursor.transaction_id, events[i].cursor.sequence));
  }
  EXPECT_EQ(subjects.size(), events.size()) << "each once";
  EXPECT_EQ(subjects.size(), static_cast<std::size_t>(kWriters * kEventsEach));
}

TEST_F(FeedHubTest, LateCommitterReachesTheSubscriber) {
  FeedHub hub(db_, "auth");
  Got got;
  const auto handle = hub.Subscribe(got.Sink());
  pqxx::connection late_connection(database_.Url("gatehouse_auth"));
  pqxx::work late(late_connection);
  ASSERT_TRUE(AppendEvent(late, "auth", EventOf("late")).ok());
  Append("early");
  hub.Notify();
  late.commit();
  ASSERT_TRUE(got.Gets(2));
  EXPECT_THAT(got.Subjects(), ElementsAre("late", "early"));
}

TEST_F(FeedHubTest, PollsWithoutAnyNotification) {
  FeedHub hub(db_, "auth");
  Got got;
  const auto handle = hub.Subscribe(got.Sink());
  Append("a");
  EXPECT_TRUE(got.Gets(1));
}

TEST_F(FeedHubTest, GoesOnWhenItsListeningSessionIsKilledAndListensAgain) {
  FeedHub hub(db_, "auth");
  Got got;
  const auto handle = hub.Subscribe(got.Sink());
  ASSERT_TRUE(Eventually([&] { return sessions_.Count(kListens) == 1; }));
  const std::string killed = sessions_.Value(
      "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query LIKE"
      " 'LISTEN%'");
  sessions_.Value("SELECT pg_terminate_backend(" + killed + ")");
  Append("a");
  EXPECT_TRUE(got.Gets(1));
  EXPECT_TRUE(Eventually(
      [&] { return sessions_.Count(std::string(kListens) + " AND pid <> " + killed) == 1; }));
  Append("b");
  EXPECT_TRUE(got.Gets(2));
}

TEST_F(FeedHubTest, GoesOnAfterACrashOfTheServer) {
  FeedHub hub(db_, "auth");
  Got got;
  const auto handle = hub.Subscribe(got.Sink());
  Append("a");
  Cluster::Get().Crash();
  Append("b");
  ASSERT_TRUE(got.Gets(2));
  EXPECT_THAT(got.Subjects(), ElementsAre("a", "b"));
}

TEST_F(FeedHubTest, SendsTheNotificationToTheOtherProcesses) {
  class Hearing : public pqxx::notification_receiver {
   public:
    Hearing(pqxx::connection& connection, const std::string& channel)
        : pqxx::notification_receiver(connection, channel) {}
    void operator()(const std::string&, int) override { ++count; }
    int count = 0;
  };
  pqxx::connection other(database_.Url("gatehouse_auth"));
  Hearing hearing(other, "auth_events");
  FeedHub hub(db_, "auth");
  ASSERT_NE(hub.Subscribe([](const Event&) {}), nullptr) << "it has begun";
  hub.Notify();
  EXPECT_TRUE(Eventually([&] {
    other.get_notifs();
    return hearing.count > 0;
  }));
}

TEST_F(FeedHubTest, EndingASubscriptionWaitsForTheCallUnderWay) {
  FeedHub hub(db_, "auth");
  std::atomic<bool> inside = false;
  std::atomic<bool> go = false;
  std::atomic<bool> left = false;
  auto handle = hub.Subscribe([&](const Event&) {
    inside = true;
    while (!go) std::this_thread::yield();
    left = true;
  });
  Append("a");
  hub.Notify();
  ASSERT_TRUE(Eventually([&] { return inside.load(); }));
  std::atomic<bool> ending_begun = false;
  std::atomic<bool> ended = false;
  bool left_before_end = false;
  std::thread ending([&] {
    ending_begun = true;
    handle.reset();
    left_before_end = left;
    ended = true;
  });
  while (!ending_begun) std::this_thread::yield();
  // However long it is given, it must not end: the call is still under way.
  for (int round = 0; round < 1000 && !ended; ++round) std::this_thread::yield();
  EXPECT_FALSE(ended);
  go = true;
  ending.join();
  EXPECT_TRUE(left_before_end);
}

TEST_F(FeedHubTest, EndedSubscriptionGetsNothingMore) {
  FeedHub hub(db_, "auth");
  Got ended;
  Got staying;
  auto handle = hub.Subscribe(ended.Sink());
  const auto other = hub.Subscribe(staying.Sink());
  handle.reset();
  Append("a");
  hub.Notify();
  ASSERT_TRUE(staying.Gets(1));
  EXPECT_TRUE(ended.Events().empty());
}

TEST_F(FeedHubTest, SinkMayEndItsOwnSubscription) {
  FeedHub hub(db_, "auth");
  std::mutex mutex;
  std::shared_ptr<void> handle;
  std::atomic<int> calls = 0;
  {
    std::lock_guard lock(mutex);
    handle = hub.Subscribe([&](const Event&) {
      std::lock_guard inner(mutex);
      ++calls;
      handle.reset();
    });
  }
  Got staying;
  const auto other = hub.Subscribe(staying.Sink());
  Append("a");
  Append("b");
  hub.Notify();
  ASSERT_TRUE(staying.Gets(2));
  EXPECT_EQ(calls, 1);
}

TEST_F(FeedHubTest, SubscriptionMayOutliveTheHub) {
  auto hub = std::make_unique<FeedHub>(db_, "auth");
  Got got;
  std::shared_ptr<void> handle = hub->Subscribe(got.Sink());
  hub.reset();
  handle.reset();
  EXPECT_TRUE(got.Events().empty());
}

TEST_F(FeedHubTest, SubscribersComeAndGoUnderLoad) {
  FeedHub hub(db_, "auth");
  std::atomic<bool> stop = false;
  std::vector<std::thread> subscribers;
  for (int thread = 0; thread < 3; ++thread) {
    subscribers.emplace_back([&] {
      while (!stop) {
        Got got;  // Gone when its handle is: a call after that would be seen by ASAN.
        const auto handle = hub.Subscribe(got.Sink());
        std::this_thread::yield();
      }
    });
  }
  Got steady;
  const auto handle = hub.Subscribe(steady.Sink());
  for (int i = 0; i < 50; ++i) {
    Append(std::to_string(i));
    hub.Notify();
  }
  EXPECT_TRUE(steady.Gets(50));
  stop = true;
  for (std::thread& thread : subscribers) thread.join();
}

TEST_F(FeedHubTest, StartsAnewAfterARestoreOfTheFeed) {
  FeedHub hub(db_, "auth");
  Got got;
  const auto handle = hub.Subscribe(got.Sink());
  Append("a");
  ASSERT_TRUE(got.Gets(1));
  sessions_.Run("UPDATE auth.feed SET incarnation = 8");
  ASSERT_TRUE(Eventually([&] {
    Append("b");
    hub.Notify();
    const std::vector<Event> events = got.Events();
    return events.back().cursor.incarnation == 8;
  }));
}

TEST(FeedHubWithoutDatabase, RefusesSubscribersInsteadOfLosingEvents) {
  Options options;
  options.url = "postgresql://nobody@/none?host=/tmp/none";
  Database db(options);
  FeedHub hub(db, "auth");
  EXPECT_EQ(hub.Subscribe([](const Event&) {}), nullptr);
}

}  // namespace
}  // namespace gatehouse::pg::testing
