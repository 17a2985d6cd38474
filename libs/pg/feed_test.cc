#include "libs/pg/feed.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/pg/feed_tables.h"
#include "libs/pg/suite_database.h"
#include "libs/pg/testing.h"

namespace gatehouse::pg::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class FeedTest : public SuiteDatabase<kFeedTables> {
 protected:
  FeedTest() { sessions_.Run("TRUNCATE auth.events"); }

  absl::Status Append(const std::string& subject) {
    return db_.InTransaction([&](Tx& tx) { return AppendEvent(tx, "auth", EventOf(subject)); });
  }

  std::vector<std::string> SubjectsAfter(const Cursor& cursor, int limit = 100) {
    std::vector<std::string> subjects;
    const std::vector<Event> events = ReadFeed(db_, "auth", cursor, limit).value();
    for (const Event& event : events) subjects.push_back(event.subject);
    return subjects;
  }

  Cursor Head() { return FeedHead(db_, "auth").value(); }
};

TEST_F(FeedTest, HeadOfAnEmptyFeedIsItsBeginning) {
  const Cursor head = Head();
  EXPECT_EQ(head.incarnation, 7);
  EXPECT_THAT(SubjectsAfter(head), IsEmpty());
  ASSERT_TRUE(Append("a").ok());
  EXPECT_THAT(SubjectsAfter(head), ElementsAre("a"));
}

TEST_F(FeedTest, EventCrossesWhole) {
  const Time before = std::chrono::system_clock::now();
  const Cursor head = Head();
  const absl::Status appended = db_.InTransaction([](Tx& tx) {
    Event event;
    event.tenant_id = 42;
    event.user_id = "u";
    event.type = "job.created";
    event.subject = "s";
    event.data_json = R"({"text": "ü\"", "n": 1})";
    return AppendEvent(tx, "auth", event);
  });
  ASSERT_TRUE(appended.ok()) << appended;
  const std::vector<Event> events = ReadFeed(db_, "auth", head, 10).value();
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].tenant_id, 42);
  EXPECT_EQ(events[0].user_id, "u");
  EXPECT_EQ(events[0].type, "job.created");
  EXPECT_EQ(events[0].subject, "s");
  EXPECT_EQ(events[0].data_json, R"({"n": 1, "text": "ü\""})");
  EXPECT_EQ(events[0].cursor.incarnation, 7);
  EXPECT_GE(events[0].create_time, before - std::chrono::seconds(1));
  EXPECT_LE(events[0].create_time, std::chrono::system_clock::now() + std::chrono::seconds(1));
}

TEST_F(FeedTest, ReadsOnInPages) {
  Cursor cursor = Head();
  const absl::Status appended = db_.InTransaction([](Tx& tx) -> absl::Status {
    for (const char* subject : {"a", "b", "c"}) {
      GH_RETURN_IF_ERROR(AppendEvent(tx, "auth", EventOf(subject)));
    }
    return absl::OkStatus();
  });
  ASSERT_TRUE(appended.ok()) << appended;
  ASSERT_TRUE(Append("d").ok());
  EXPECT_THAT(SubjectsAfter(cursor, 2), ElementsAre("a", "b"));
  cursor = ReadFeed(db_, "auth", cursor, 2)->back().cursor;
  EXPECT_THAT(SubjectsAfter(cursor, 2), ElementsAre("c", "d"));
  EXPECT_THAT(SubjectsAfter(Head()), IsEmpty());
}

// The one that begins first commits last: its sequence is the smaller one.
TEST_F(FeedTest, LateCommitterWithTheSmallerSequenceIsNotLost) {
  const Cursor head = Head();
  pqxx::connection late_connection(database_.Url("gatehouse_auth"));
  pqxx::work late(late_connection);
  ASSERT_TRUE(AppendEvent(late, "auth", EventOf("late")).ok());
  ASSERT_TRUE(Append("early").ok());

  EXPECT_THAT(SubjectsAfter(head), IsEmpty()) << "the early one waits for the late one";
  const Cursor meanwhile = Head();
  late.commit();
  EXPECT_THAT(SubjectsAfter(head), ElementsAre("late", "early"));
  EXPECT_THAT(SubjectsAfter(meanwhile), ElementsAre("late", "early"))
      << "the head taken meanwhile is safe to start after";
}

// The one that got its transaction id first takes its sequence last.
TEST_F(FeedTest, OrderIsThatOfTransactionsNotOfSequences) {
  const Cursor head = Head();
  pqxx::connection first_connection(database_.Url("gatehouse_auth"));
  pqxx::work first(first_connection);
  first.exec("SELECT pg_current_xact_id()");
  ASSERT_TRUE(Append("second").ok());
  ASSERT_TRUE(AppendEvent(first, "auth", EventOf("first")).ok());
  EXPECT_THAT(SubjectsAfter(head), IsEmpty());
  first.commit();
  const std::vector<Event> events = ReadFeed(db_, "auth", head, 10).value();
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(events[0].subject, "first");
  EXPECT_GT(events[0].cursor.sequence, events[1].cursor.sequence);
}

TEST_F(FeedTest, RolledBackEventsHoldNothingBack) {
  const Cursor head = Head();
  {
    pqxx::connection connection(database_.Url("gatehouse_auth"));
    pqxx::work work(connection);
    ASSERT_TRUE(AppendEvent(work, "auth", EventOf("never")).ok());
    ASSERT_TRUE(Append("a").ok());
    work.abort();
  }
  EXPECT_THAT(SubjectsAfter(head), ElementsAre("a"));
}

TEST_F(FeedTest, RefusesACursorOfAnotherIncarnation) {
  Cursor cursor = Head();
  cursor.incarnation = 6;
  const auto outcome = ReadFeed(db_, "auth", cursor, 10);
  EXPECT_EQ(Reason(outcome.status()), "FEED_INCARNATION_CHANGED");
  EXPECT_EQ(outcome.status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(FeedTest, DataThatIsNotJsonIsRefused) {
  const absl::Status status = db_.InTransaction([](Tx& tx) {
    Event event = EventOf("a");
    event.data_json = "{";
    return AppendEvent(tx, "auth", event);
  });
  EXPECT_EQ(Reason(status), "DATABASE_ERROR");
}

}  // namespace
}  // namespace gatehouse::pg::testing
