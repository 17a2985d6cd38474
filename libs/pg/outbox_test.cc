#include "libs/pg/outbox.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <thread>

#include "libs/pg/suite_database.h"
#include "libs/pg/testing.h"

namespace gatehouse::pg::testing {
namespace {

using ::testing::ElementsAre;

const std::vector<Migration> kOutbox = {{"0001_create_outbox", R"(
CREATE TABLE auth.outbox (
    id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT outbox_pkey PRIMARY KEY,
    subject text NOT NULL, kind text NOT NULL, payload bytea NOT NULL,
    attempts int NOT NULL DEFAULT 0, next_attempt_time timestamptz NOT NULL DEFAULT now(),
    create_time timestamptz NOT NULL DEFAULT now());
GRANT SELECT, INSERT, UPDATE, DELETE ON auth.outbox TO gatehouse_auth;
)"}};

// Remembers what was delivered, in order. Thread-safe.
class Receiver {
 public:
  void Add(const OutboxMessage& message) {
    std::lock_guard lock(mutex_);
    payloads_.push_back(message.payload);
  }
  std::vector<std::string> All() {
    std::lock_guard lock(mutex_);
    return payloads_;
  }
  std::size_t Size() { return All().size(); }

 private:
  std::mutex mutex_;
  std::vector<std::string> payloads_;
};

class OutboxTest : public SuiteDatabase<kOutbox> {
 protected:
  OutboxTest() { sessions_.Run("TRUNCATE auth.outbox"); }

  // Payload = subject and a number, "a1".
  void Append(const std::vector<std::string>& payloads) {
    const absl::Status status = db_.InTransaction([&](Tx& tx) -> absl::Status {
      for (const std::string& payload : payloads) {
        GH_RETURN_IF_ERROR(AppendOutbox(tx, "auth", payload.substr(0, 1), "test.add", payload));
      }
      return absl::OkStatus();
    });
    ASSERT_TRUE(status.ok()) << status;
  }

  std::string Rows() { return sessions_.Value("SELECT count(*) FROM auth.outbox"); }
  bool Empties() {
    return Eventually([&] { return Rows() == "0"; });
  }

  Receiver receiver_;
};

TEST_F(OutboxTest, DeliversWhatWasCommittedAndNothingElse) {
  Append({"a1"});
  const absl::Status refused = db_.InTransaction([&](Tx& tx) -> absl::Status {
    GH_RETURN_IF_ERROR(AppendOutbox(tx, "auth", "b", "test.add", "b1"));
    return absl::AbortedError("no");
  });
  ASSERT_FALSE(refused.ok());
  OutboxMessage seen;
  OutboxRelay relay(db_, "auth", [&](const OutboxMessage& message) {
    seen = message;
    receiver_.Add(message);
    return absl::OkStatus();
  });
  ASSERT_TRUE(Empties());
  EXPECT_THAT(receiver_.All(), ElementsAre("a1"));
  EXPECT_EQ(seen.subject, "a");
  EXPECT_EQ(seen.kind, "test.add");
}

TEST_F(OutboxTest, PayloadIsAnyBytes) {
  const std::string bytes("a\0\xff\x01", 4);
  Append({bytes});
  OutboxRelay relay(db_, "auth", [&](const OutboxMessage& message) {
    receiver_.Add(message);
    return absl::OkStatus();
  });
  ASSERT_TRUE(Empties());
  EXPECT_THAT(receiver_.All(), ElementsAre(bytes));
}

TEST_F(OutboxTest, KeepsTheOrderOfASubjectWhileOthersFlow) {
  Append({"a1", "b1", "a2", "b2", "a3", "b3"});
  std::atomic<bool> a_works = false;
  std::atomic<int> refused = 0;
  OutboxRelay relay(db_, "auth", [&](const OutboxMessage& message) -> absl::Status {
    if (message.subject == "a" && !a_works) {
      EXPECT_EQ(message.payload, "a1") << "nothing overtakes the first";
      ++refused;
      return absl::UnavailableError("not now");
    }
    receiver_.Add(message);
    return absl::OkStatus();
  });
  ASSERT_TRUE(Eventually([&] { return receiver_.Size() == 3 && refused >= 2; }));
  EXPECT_THAT(receiver_.All(), ElementsAre("b1", "b2", "b3"));
  EXPECT_EQ(Rows(), "3");
  a_works = true;
  ASSERT_TRUE(Empties());
  EXPECT_THAT(receiver_.All(), ElementsAre("b1", "b2", "b3", "a1", "a2", "a3"));
}

TEST_F(OutboxTest, CountsAttemptsAndPutsTheNextOneOff) {
  Append({"a1"});
  std::atomic<int> refused = 0;
  OutboxRelay relay(db_, "auth", [&](const OutboxMessage&) {
    ++refused;
    return absl::UnavailableError("not now");
  });
  ASSERT_TRUE(Eventually([&] { return refused >= 3; }));
  EXPECT_TRUE(Eventually([&] {
    return sessions_.Value(
               "SELECT attempts >= 3 AND next_attempt_time > create_time FROM"
               " auth.outbox") == "t";
  }));
  // The third pause is at least 200 ms, with whatever the first two took at most.
  EXPECT_EQ(sessions_.Value("SELECT next_attempt_time - create_time > interval '0.35 s' FROM"
                            " auth.outbox"),
            "t");
}

TEST_F(OutboxTest, DeliversAgainAfterACrashBetweenDeliveryAndDelete) {
  Append({"a1", "a2"});
  std::atomic<bool> crashed = false;
  const auto deliver = [&](const OutboxMessage& message) {
    receiver_.Add(message);
    if (!crashed) Cluster::Get().CrashAndStayDown();
    crashed = true;
    return absl::OkStatus();
  };
  {
    OutboxRelay relay(db_, "auth", deliver);
    ASSERT_TRUE(Eventually([&] { return crashed.load(); }));
  }
  // The relay has ended without a server to delete the row.
  Cluster::Get().Restart();
  OutboxRelay next(db_, "auth", deliver);
  ASSERT_TRUE(Eventually([&] { return receiver_.Size() == 3; }));
  EXPECT_THAT(receiver_.All(), ElementsAre("a1", "a1", "a2"));
  Sessions sessions(database_);
  EXPECT_TRUE(
      Eventually([&] { return sessions.Value("SELECT count(*) FROM auth.outbox") == "0"; }));
}

TEST_F(OutboxTest, TwoRelaysNeverDeliverAtTheSameTime) {
  std::atomic<int> under_way = 0;
  std::atomic<bool> two = false;
  const auto deliver = [&](const OutboxMessage& message) {
    if (++under_way > 1) two = true;
    receiver_.Add(message);
    std::this_thread::yield();
    --under_way;
    return absl::OkStatus();
  };
  OutboxRelay first(db_, "auth", deliver);
  OutboxRelay second(db_, "auth", deliver);
  std::vector<std::string> expected;
  for (int i = 0; i < 40; ++i) {
    expected.push_back(std::string(1, static_cast<char>('a' + i % 5)) + std::to_string(i));
    Append({expected.back()});
    first.Wake();
    second.Wake();
  }
  ASSERT_TRUE(Empties());
  EXPECT_FALSE(two);
  EXPECT_THAT(receiver_.All(), ::testing::UnorderedElementsAreArray(expected)) << "each once";
}

TEST_F(OutboxTest, AnotherRelayTakesOverFromAKilledLeader) {
  std::mutex mutex;
  std::map<std::string, std::string> by;  // payload → relay
  const auto deliver_as = [&](const std::string& relay) {
    return [&, relay](const OutboxMessage& message) {
      std::lock_guard lock(mutex);
      by[message.payload] = relay;
      return absl::OkStatus();
    };
  };
  auto first = std::make_unique<OutboxRelay>(db_, "auth", deliver_as("first"));
  Append({"a1"});
  ASSERT_TRUE(Empties());
  OutboxRelay second(db_, "auth", deliver_as("second"));
  ASSERT_EQ(sessions_.Terminate("pid IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory'"
                                " AND granted)"),
            1);
  Append({"a2"});
  EXPECT_TRUE(Empties()) << "one of the two leads again";
  first.reset();
  Append({"a3"});
  EXPECT_TRUE(Empties());
  std::lock_guard lock(mutex);
  EXPECT_EQ(by["a1"], "first");
  EXPECT_EQ(by["a3"], "second");
}

TEST_F(OutboxTest, HoldsNoConnectionWhileItDelivers) {
  Options options;
  options.url = database_.Url("gatehouse_auth");
  options.connections_max = 1;
  Database single(options);
  Append({"a1"});
  absl::Status inside = absl::UnknownError("not delivered");
  OutboxRelay relay(single, "auth", [&](const OutboxMessage&) {
    inside = single.Statement([](Tx&) { return absl::OkStatus(); });
    return absl::OkStatus();
  });
  ASSERT_TRUE(Empties());
  EXPECT_TRUE(inside.ok()) << inside;
}

TEST_F(OutboxTest, StopsAfterTheDeliveryInHand) {
  std::vector<std::string> many;
  for (char subject = 'a'; subject <= 'z'; ++subject) many.push_back({subject, '1'});
  Append(many);
  std::atomic<bool> first_begun = false;
  std::atomic<bool> go = false;
  auto relay = std::make_unique<OutboxRelay>(db_, "auth", [&](const OutboxMessage& message) {
    first_begun = true;
    while (!go) std::this_thread::yield();
    receiver_.Add(message);
    return absl::OkStatus();
  });
  ASSERT_TRUE(Eventually([&] { return first_begun.load(); }));
  std::thread ending([&] { relay.reset(); });
  // The relay is told to stop while its first delivery is under way; how far the
  // thread above has come does not matter for the bound below.
  go = true;
  ending.join();
  EXPECT_GE(receiver_.Size(), 1U);
  EXPECT_EQ(std::stoul(Rows()) + receiver_.Size(), many.size()) << "the rest stays for the next";
}

}  // namespace
}  // namespace gatehouse::pg::testing
