#include "libs/service/event_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <mutex>

#include "gatehouse/event/v1/event.methods.h"
#include "libs/pg/feed_sweeper.h"
#include "libs/pg/feed_tables.h"
#include "libs/pg/suite_database.h"
#include "libs/rpc/client.h"

namespace gatehouse::service {
namespace {

using event::v1::WatchRequest;
using event::v1::WatchResponse;
using pg::testing::EventOf;
using pg::testing::Eventually;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// The receiving end of a stream, which takes as much as it is let.
class Reader final : public rpc::RawFeedSender {
 public:
  bool Send(const google::protobuf::MessageLite& message) override {
    std::lock_guard lock(mutex_);
    if (ended_ || room_ == 0) return false;
    --room_;
    messages_.push_back(static_cast<const WatchResponse&>(message));
    return true;
  }
  void Finish(const absl::Status& status) override {
    std::lock_guard lock(mutex_);
    ended_ = true;
    end_ = status;
  }
  bool ended() const override {
    std::lock_guard lock(mutex_);
    return ended_;
  }

  void SetRoom(int messages) {
    std::lock_guard lock(mutex_);
    room_ = messages;
  }
  absl::Status AwaitEnd() const {
    EXPECT_TRUE(Eventually([&] { return ended(); }));
    std::lock_guard lock(mutex_);
    return end_;
  }
  std::vector<WatchResponse> Messages() const {
    std::lock_guard lock(mutex_);
    return messages_;
  }
  // Subjects of the events in order, with "gap" where one was told.
  std::vector<std::string> Got() const {
    std::vector<std::string> got;
    for (const WatchResponse& message : Messages()) {
      if (message.has_event()) got.push_back(message.event().subject());
      if (message.has_gap()) got.push_back("gap");
    }
    return got;
  }
  bool Gets(std::size_t count) const {
    return Eventually([&] { return Got().size() >= count; });
  }
  // The position told last.
  event::v1::Cursor Position() const {
    EXPECT_TRUE(Eventually([&] { return !Messages().empty(); }));
    const WatchResponse last = Messages().empty() ? WatchResponse() : Messages().back();
    if (last.has_event()) return last.event().cursor();
    return last.has_gap() ? last.gap().resumed_at() : last.heartbeat();
  }

 private:
  mutable std::mutex mutex_;
  int room_ = 1 << 20;
  bool ended_ = false;
  absl::Status end_;
  std::vector<WatchResponse> messages_;
};

class EventServiceTest : public pg::testing::SuiteDatabase<pg::testing::kFeedTables> {
 protected:
  EventServiceTest() {
    sessions_.Run(
        "TRUNCATE auth.events;"
        "UPDATE auth.feed SET incarnation = 7, swept_transaction_id = '0', swept_sequence = 0");
  }

  std::shared_ptr<Reader> Watch(const WatchRequest& request, int room = 1 << 20) {
    auto reader = std::make_shared<Reader>();
    reader->SetRoom(room);
    service_.Watch(request, EventService::Sender(reader));
    return reader;
  }
  // From now on; returns when it has begun.
  std::shared_ptr<Reader> WatchFromNow(const std::vector<std::string>& types = {}) {
    WatchRequest request;
    for (const std::string& type : types) request.add_types(type);
    auto reader = Watch(request);
    reader->Position();
    return reader;
  }
  std::shared_ptr<Reader> WatchAfter(const event::v1::Cursor& cursor, int room = 1 << 20) {
    WatchRequest request;
    *request.mutable_cursor() = cursor;
    return Watch(request, room);
  }

  void Append(const std::string& subject, const std::string& type = "test.happened") {
    const absl::Status status = db_.InTransaction([&](pg::Tx& tx) {
      pg::Event event = EventOf(subject);
      event.type = type;
      return pg::AppendEvent(tx, "auth", event);
    });
    ASSERT_TRUE(status.ok()) << status;
  }
  void AppendMany(int count) {
    sessions_.Run(
        "INSERT INTO auth.events (tenant_id, user_id, type, subject, data)"
        " SELECT 1, 'ada', 'test.happened', n::text, '{}' FROM generate_series(1, " +
        std::to_string(count) + ") AS n");
  }
  static std::vector<std::string> Numbers(int count) {
    std::vector<std::string> numbers;
    for (int i = 1; i <= count; ++i) numbers.push_back(std::to_string(i));
    return numbers;
  }

  pg::FeedHub hub_{db_, "auth"};
  EventService service_{
      db_, hub_, "auth", {.heartbeat_interval = std::chrono::milliseconds(50), .batch = 100}};
};

TEST_F(EventServiceTest, WithoutACursorItStartsFromNowAndSaysWhereThatIs) {
  Append("before");
  const auto reader = WatchFromNow();
  Append("a");
  Append("b");
  hub_.Notify();
  ASSERT_TRUE(reader->Gets(2));
  EXPECT_THAT(reader->Got(), ElementsAre("a", "b"));
  const WatchResponse first = reader->Messages().front();
  ASSERT_TRUE(first.has_heartbeat());
  const auto again = WatchAfter(first.heartbeat());
  ASSERT_TRUE(again->Gets(2));
  EXPECT_THAT(again->Got(), ElementsAre("a", "b"));
}

TEST_F(EventServiceTest, AnEventCrossesWhole) {
  const auto reader = WatchFromNow();
  Append("job/1");
  hub_.Notify();
  ASSERT_TRUE(reader->Gets(1));
  event::v1::Event event;
  for (const WatchResponse& message : reader->Messages()) {
    if (message.has_event()) event = message.event();
  }
  EXPECT_EQ(event.cursor().incarnation(), 7);
  EXPECT_GT(event.cursor().transaction_id(), 0U);
  EXPECT_GT(event.cursor().sequence(), 0);
  EXPECT_EQ(event.tenant_id(), 1);
  EXPECT_EQ(event.user_id(), "ada");
  EXPECT_EQ(event.type(), "test.happened");
  EXPECT_EQ(event.data_json(), "{}");
  EXPECT_GT(event.create_time().seconds(), 1'700'000'000);
}

TEST_F(EventServiceTest, CatchesUpOverManyBatchesAndGoesOnLive) {
  const auto head = WatchFromNow()->Position();
  AppendMany(1234);
  const auto reader = WatchAfter(head);
  ASSERT_TRUE(reader->Gets(1234));
  Append("live");
  hub_.Notify();
  ASSERT_TRUE(reader->Gets(1235));
  std::vector<std::string> expected = Numbers(1234);
  expected.push_back("live");
  EXPECT_EQ(reader->Got(), expected) << "in order, each once";
}

TEST_F(EventServiceTest, ALateCommitterIsNotLost) {
  const auto reader = WatchFromNow();
  pqxx::connection late_connection(database_.Url("gatehouse_auth"));
  pqxx::work late(late_connection);
  ASSERT_TRUE(pg::AppendEvent(late, "auth", EventOf("late")).ok());
  Append("early");
  hub_.Notify();
  const auto meanwhile = WatchFromNow();
  EXPECT_THAT(reader->Got(), IsEmpty());
  late.commit();
  for (const auto& one : {reader, meanwhile}) {
    ASSERT_TRUE(one->Gets(2));
    EXPECT_THAT(one->Got(), ElementsAre("late", "early"));
  }
}

TEST_F(EventServiceTest, TypesAreNamesOrPrefixes) {
  const auto reader = WatchFromNow({"execution.*", "system.alert"});
  const auto everything = WatchFromNow();
  Append("a", "execution.started");
  Append("b", "executionx.started");
  Append("c", "system.alert");
  Append("d", "system.alert.more");
  Append("e", "execution");
  Append("f", "execution.completed");
  hub_.Notify();
  ASSERT_TRUE(everything->Gets(6));
  ASSERT_TRUE(reader->Gets(3));
  EXPECT_THAT(reader->Got(), ElementsAre("a", "c", "f"));
  ASSERT_TRUE(Eventually([&] {
    return reader->Position().transaction_id() == everything->Position().transaction_id();
  })) << "heartbeats tell how far it was read, not what was sent last";
}

TEST_F(EventServiceTest, RefusesTooManyTypes) {
  WatchRequest request;
  for (int i = 0; i < 101; ++i) request.add_types("a" + std::to_string(i));
  const absl::Status end = Watch(request)->AwaitEnd();
  EXPECT_EQ(end.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Reason(end), "EVENT_TYPES_INVALID");
}

TEST_F(EventServiceTest, ASlowReaderMissesNothing) {
  const auto head = WatchFromNow()->Position();
  AppendMany(500);
  const auto slow = WatchAfter(head, 150);
  const auto quick = WatchAfter(head);
  ASSERT_TRUE(quick->Gets(500)) << "nobody waits for the slow one";
  EXPECT_LE(slow->Got().size(), 150U);
  Append("later");
  hub_.Notify();
  ASSERT_TRUE(quick->Gets(501));
  slow->SetRoom(1 << 20);
  ASSERT_TRUE(slow->Gets(501));
  std::vector<std::string> expected = Numbers(500);
  expected.push_back("later");
  EXPECT_EQ(slow->Got(), expected);
}

TEST_F(EventServiceTest, WhatIsKeptNoMoreIsAGap) {
  const auto first = WatchFromNow();
  const auto head = first->Position();
  Append("old");
  hub_.Notify();
  ASSERT_TRUE(first->Gets(1));
  const auto behind_old = first->Position();
  sessions_.Run("UPDATE auth.events SET create_time = now() - interval '25 hours'");
  ASSERT_EQ(pg::SweepFeed(db_, "auth", pg::kFeedAge, 100).value_or(-1), 1);
  Append("new");
  const auto reader = WatchAfter(head);
  ASSERT_TRUE(reader->Gets(2));
  EXPECT_THAT(reader->Got(), ElementsAre("gap", "new"));
  const auto lucky = WatchAfter(behind_old);
  ASSERT_TRUE(lucky->Gets(1));
  EXPECT_THAT(lucky->Got(), ElementsAre("new")) << "nothing is missing behind the swept one";
}

TEST_F(EventServiceTest, AGapIsToldOnAQuietFeedToo) {
  const auto head = WatchFromNow()->Position();
  Append("old");
  sessions_.Run("UPDATE auth.events SET create_time = now() - interval '25 hours'");
  ASSERT_EQ(pg::SweepFeed(db_, "auth", pg::kFeedAge, 100).value_or(-1), 1);
  const auto reader = WatchAfter(head);
  ASSERT_TRUE(reader->Gets(1));
  EXPECT_THAT(reader->Got(), ElementsAre("gap"));
}

TEST_F(EventServiceTest, ARestoreEndsStreamsAndRefusesTheirCursors) {
  const auto reader = WatchFromNow();
  const auto cursor = reader->Position();
  sessions_.Run("UPDATE auth.feed SET incarnation = 8");
  EXPECT_EQ(Reason(reader->AwaitEnd()), "FEED_INCARNATION_CHANGED");
  const absl::Status refused = WatchAfter(cursor)->AwaitEnd();
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Reason(refused), "FEED_INCARNATION_CHANGED");
  EXPECT_EQ(WatchFromNow()->Position().incarnation(), 8);
}

TEST_F(EventServiceTest, APositionThatWasNeverGivenOutIsOfAnotherDatabase) {
  event::v1::Cursor cursor = WatchFromNow()->Position();
  cursor.set_transaction_id(cursor.transaction_id() + 1'000'000'000);
  EXPECT_EQ(Reason(WatchAfter(cursor)->AwaitEnd()), "FEED_INCARNATION_CHANGED");
}

TEST_F(EventServiceTest, HeartbeatsComeWhileNothingHappens) {
  const auto reader = WatchFromNow();
  EXPECT_TRUE(Eventually([&] { return reader->Messages().size() >= 4; }));
  EXPECT_THAT(reader->Got(), IsEmpty());
}

TEST_F(EventServiceTest, GoesOnAfterACrashOfTheDatabase) {
  const auto reader = WatchFromNow();
  Append("a");
  pg::testing::Cluster::Get().Crash();
  Append("b");
  ASSERT_TRUE(reader->Gets(2));
  EXPECT_THAT(reader->Got(), ElementsAre("a", "b"));
}

// Over a real server: who may call, and that a stream lives and ends with it.
TEST_F(EventServiceTest, OnlyTheGatewayMayWatch) {
  const SystemClock clock;
  std::map<std::string, std::string> keys;
  std::map<std::string, std::unique_ptr<rpc::PassportIssuer>> issuers;
  for (const char* caller : {"gateway", "billing"}) {
    token::SigningKey key = token::SigningKey::Generate(caller);
    keys[caller] = key.public_key();
    issuers[caller] = std::make_unique<rpc::PassportIssuer>(caller, std::move(key), clock);
  }
  rpc::PassportVerifier verifier("auth", keys, clock);
  auto server = rpc::Server::Start({.address = "127.0.0.1:0"}, {&service_.rpc()}, verifier);
  ASSERT_TRUE(server.ok()) << server.status();
  const auto watch = [&](rpc::Client& client, const std::shared_ptr<Reader>& reader) {
    return client.Watch(
        event::v1::EventService::kWatch, WatchRequest(), rpc::CallOptions(),
        [reader](const WatchResponse& message) { reader->Send(message); },
        [reader](const absl::Status& status) { reader->Finish(status); });
  };
  rpc::Client gateway("auth", (*server)->address(), issuers.at("gateway").get());
  rpc::Client billing("auth", (*server)->address(), issuers.at("billing").get());
  const auto refused = std::make_shared<Reader>();
  const auto refused_call = watch(billing, refused);
  EXPECT_EQ(Reason(refused->AwaitEnd()), "CALLER_NOT_ALLOWED");
  const auto reader = std::make_shared<Reader>();
  const auto call = watch(gateway, reader);
  reader->Position();
  Append("a");
  hub_.Notify();
  EXPECT_TRUE(reader->Gets(1));
  (*server)->Drain(std::chrono::milliseconds(100));
  EXPECT_FALSE(reader->AwaitEnd().ok());
}

}  // namespace
}  // namespace gatehouse::service
