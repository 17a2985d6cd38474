#include "libs/pg/feed_sweeper.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/pg/feed_tables.h"
#include "libs/pg/suite_database.h"
#include "libs/pg/testing.h"

namespace gatehouse::pg::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class FeedSweeperTest : public SuiteDatabase<kFeedTables> {
 protected:
  FeedSweeperTest() {
    sessions_.Run(
        "TRUNCATE auth.events; UPDATE auth.feed SET swept_transaction_id = '0', swept_sequence = "
        "0");
  }

  void Append(const std::string& subject) {
    const absl::Status status =
        db_.InTransaction([&](Tx& tx) { return AppendEvent(tx, "auth", EventOf(subject)); });
    ASSERT_TRUE(status.ok()) << status;
  }

  void Age(const std::string& subject) {
    sessions_.Run(
        "UPDATE auth.events SET create_time = now() - interval '25 hours' WHERE subject ='" +
        subject + "'");
  }

  int Sweep(int batch = 1000) { return SweepFeed(db_, "auth", kFeedAge, batch).value_or(-1); }

  std::vector<std::string> SubjectsAfter(const Cursor& cursor) {
    std::vector<std::string> subjects;
    const auto events = ReadFeed(db_, "auth", cursor, 100);
    if (!events.ok()) return {Reason(events.status())};
    for (const Event& event : *events) subjects.push_back(event.subject);
    return subjects;
  }

  Cursor Head() { return FeedHead(db_, "auth").value(); }
  Cursor Tail() { return FeedTail(db_, "auth").value(); }
};

TEST_F(FeedSweeperTest, OldEventsGoAndAReaderBeforeThemIsTold) {
  const Cursor before = Head();
  Append("a");
  const Cursor after_a = Head();
  Append("b");
  const Cursor after_b = Head();
  Append("c");
  Age("a");
  Age("b");
  EXPECT_EQ(Sweep(), 2);
  EXPECT_THAT(SubjectsAfter(before), ElementsAre("FEED_EVENTS_GONE"));
  EXPECT_THAT(SubjectsAfter(after_a), ElementsAre("FEED_EVENTS_GONE"));
  EXPECT_THAT(SubjectsAfter(after_b), ElementsAre("c")) << "nothing is missing";
  EXPECT_EQ(Tail(), after_b);
  EXPECT_THAT(SubjectsAfter(Tail()), ElementsAre("c"));
}

TEST_F(FeedSweeperTest, TheHeadOfAnEmptiedFeedIsBehindWhatWent) {
  Append("a");
  const Cursor head = Head();
  Age("a");
  EXPECT_EQ(Sweep(), 1);
  EXPECT_EQ(Head(), head);
  EXPECT_THAT(SubjectsAfter(head), IsEmpty());
  Append("b");
  EXPECT_THAT(SubjectsAfter(head), ElementsAre("b"));
}

TEST_F(FeedSweeperTest, GoesInBatchesOldestFirst) {
  for (const char* subject : {"a", "b", "c"}) {
    Append(subject);
    Age(subject);
  }
  EXPECT_EQ(Sweep(2), 2);
  EXPECT_THAT(SubjectsAfter(Tail()), ElementsAre("c"));
  EXPECT_EQ(Sweep(2), 1);
  EXPECT_EQ(Sweep(2), 0);
}

TEST_F(FeedSweeperTest, LeavesNoHoleBehindAYoungerOne) {
  Append("young");
  const Cursor young = Head();
  Append("old");
  Age("old");
  EXPECT_EQ(Sweep(), 0) << "the older one follows the younger one";
  EXPECT_THAT(SubjectsAfter(young), ElementsAre("old"));
}

TEST_F(FeedSweeperTest, WhatNobodyCouldReadYetStays) {
  pqxx::connection open_connection(database_.Url("gatehouse_auth"));
  pqxx::work open(open_connection);
  ASSERT_TRUE(AppendEvent(open, "auth", EventOf("open")).ok());
  Append("a");
  Age("a");
  EXPECT_EQ(Sweep(), 0);
  open.commit();
  Age("open");
  EXPECT_EQ(Sweep(), 2);
}

TEST_F(FeedSweeperTest, SweepsByItself) {
  Append("a");
  Age("a");
  FeedSweeper sweeper(db_, "auth");
  EXPECT_TRUE(
      Eventually([&] { return sessions_.Value("SELECT count(*) FROM auth.events") == "0"; }));
}

}  // namespace
}  // namespace gatehouse::pg::testing
