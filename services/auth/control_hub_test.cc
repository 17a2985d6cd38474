#include "services/auth/control_hub.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "gatehouse/auth/v1/control.methods.h"
#include "libs/base/uuid.h"
#include "services/auth/auth_testing.h"
#include "services/auth/control_store.h"
#include "services/auth/user_store.h"

namespace gatehouse::auth {
namespace {

using testing::Eventually;

// The receiving end of a stream.
class Gateway final : public rpc::RawFeedSender {
 public:
  bool Send(const google::protobuf::MessageLite& message) override {
    std::lock_guard lock(mutex_);
    if (ended_ || is_full_) return false;
    updates_.push_back(static_cast<const v1::ControlUpdate&>(message));
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

  void Fill() {
    std::lock_guard lock(mutex_);
    is_full_ = true;
  }
  absl::Status end() const {
    std::lock_guard lock(mutex_);
    return end_;
  }
  std::vector<v1::ControlUpdate> updates() const {
    std::lock_guard lock(mutex_);
    return updates_;
  }
  // Everything but the snapshot and the heartbeats.
  std::vector<v1::ControlUpdate> changes() const {
    std::vector<v1::ControlUpdate> changes;
    for (const v1::ControlUpdate& update : updates()) {
      if (update.has_epoch() || update.has_revocation()) changes.push_back(update);
    }
    return changes;
  }
  int heartbeats() const {
    const std::vector<v1::ControlUpdate> all = updates();
    return std::count_if(all.begin(), all.end(), [](const v1::ControlUpdate& update) {
      return update.change_case() == v1::ControlUpdate::CHANGE_NOT_SET;
    });
  }
  bool has_snapshot() const { return !updates().empty(); }

 private:
  mutable std::mutex mutex_;
  bool ended_ = false;
  bool is_full_ = false;
  absl::Status end_;
  std::vector<v1::ControlUpdate> updates_;
};

class ControlHubTest : public ::testing::Test {
 protected:
  std::shared_ptr<Gateway> Join() {
    auto gateway = std::make_shared<Gateway>();
    hub_.Join(ControlHub::Sender(gateway));
    return gateway;
  }

  // Commits the revocation of a token; its id.
  std::string Revoke() {
    const std::string id = UuidV7();
    EXPECT_TRUE(database_.db()
                    .InTransaction([&](pg::Tx& tx) -> absl::Status {
                      AppendRevocation(tx, id);
                      return absl::OkStatus();
                    })
                    .ok());
    return id;
  }

  testing::AuthDatabase database_;
  ControlHub hub_{database_.db()};
};

TEST_F(ControlHubTest, BeginsWithASnapshotOfTheLastDay) {
  const std::string id = database_.AddUser("ada");
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(database_.db()
                    .InTransaction([&](pg::Tx& tx) -> absl::Status {
                      RaiseEpoch(tx, id);
                      return absl::OkStatus();
                    })
                    .ok());
  }
  const std::string old = Revoke();
  database_.Execute(
      "UPDATE auth.control_log SET create_time = now() - interval '26 hours'"
      " WHERE sequence = 3");
  const std::string recent = Revoke();
  const auto gateway = Join();
  ASSERT_TRUE(Eventually([&] { return gateway->has_snapshot(); }));
  const v1::ControlUpdate first = gateway->updates()[0];
  EXPECT_EQ(first.sequence(), 4);
  ASSERT_TRUE(first.has_snapshot());
  ASSERT_EQ(first.snapshot().epochs_size(), 1);
  EXPECT_EQ(first.snapshot().epochs(0).subject(), "user/" + id);
  EXPECT_EQ(first.snapshot().epochs(0).epoch(), 2);
  ASSERT_EQ(first.snapshot().revocations_size(), 1);
  EXPECT_EQ(first.snapshot().revocations(0).token_id(), recent);
}

TEST_F(ControlHubTest, AnEmptyLogHasASnapshotToo) {
  const auto gateway = Join();
  ASSERT_TRUE(Eventually([&] { return gateway->heartbeats() > 0; }));
  EXPECT_TRUE(gateway->updates()[0].has_snapshot());
  EXPECT_EQ(gateway->updates()[0].sequence(), 0);
}

TEST_F(ControlHubTest, SendsChangesInTheOrderOfTheirCommits) {
  const auto gateway = Join();
  ASSERT_TRUE(Eventually([&] { return gateway->has_snapshot(); }));
  // The first takes its number and commits late; the second must wait for it.
  const std::string first = UuidV7();
  std::string second;
  std::thread later;
  ASSERT_TRUE(database_.db()
                  .InTransaction([&](pg::Tx& tx) -> absl::Status {
                    AppendRevocation(tx, first);
                    later = std::thread([&] { second = Revoke(); });
                    EXPECT_TRUE(database_.EventuallySomebodyWaits());
                    EXPECT_TRUE(gateway->changes().empty()) << "sent before its commit";
                    return absl::OkStatus();
                  })
                  .ok());
  later.join();
  ASSERT_TRUE(Eventually([&] { return gateway->changes().size() == 2; }));
  EXPECT_EQ(gateway->changes()[0].revocation().token_id(), first);
  EXPECT_EQ(gateway->changes()[1].revocation().token_id(), second);
}

TEST_F(ControlHubTest, ParallelRevocationsLeaveNoGap) {
  constexpr int kThreads = 8;
  constexpr int kEach = 20;
  const auto gateway = Join();
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < kEach; ++n) Revoke();
    });
  }
  for (std::thread& thread : threads) thread.join();
  hub_.Wake();
  const auto told = [&] {
    const auto updates = gateway->updates();
    return updates.empty() ? 0 : updates.back().sequence();
  };
  ASSERT_TRUE(Eventually([&] { return told() == kThreads * kEach; }));
  std::int64_t expected = gateway->updates()[0].sequence();
  for (const v1::ControlUpdate& change : gateway->changes()) {
    EXPECT_EQ(change.sequence(), ++expected);
  }
  EXPECT_EQ(expected, kThreads * kEach);
}

TEST_F(ControlHubTest, ThoseWhoJoinMeanwhileMissAndRepeatNothing) {
  constexpr int kRevocations = 100;
  std::vector<std::shared_ptr<Gateway>> gateways = {Join()};
  for (int i = 0; i < kRevocations; ++i) {
    Revoke();
    if (i % 10 == 5) gateways.push_back(Join());
  }
  for (const auto& gateway : gateways) {
    ASSERT_TRUE(Eventually([&] {
      const auto updates = gateway->updates();
      return !updates.empty() && updates.back().sequence() == kRevocations;
    }));
    std::set<std::string> known;
    const v1::ControlUpdate first = gateway->updates()[0];
    for (const auto& revocation : first.snapshot().revocations()) {
      known.insert(revocation.token_id());
    }
    for (const v1::ControlUpdate& change : gateway->changes()) {
      EXPECT_TRUE(known.insert(change.revocation().token_id()).second) << "told twice";
    }
    EXPECT_EQ(known.size(), static_cast<std::size_t>(kRevocations));
  }
}

TEST_F(ControlHubTest, HeartbeatsCarryTheDatabasesSequence) {
  const auto gateway = Join();
  Revoke();
  Revoke();
  ASSERT_TRUE(Eventually([&] { return gateway->heartbeats() >= 3; }));
  EXPECT_EQ(gateway->updates().back().sequence(), 2);
}

TEST_F(ControlHubTest, NoHeartbeatWithoutTheDatabase) {
  const auto gateway = Join();
  ASSERT_TRUE(Eventually([&] { return gateway->heartbeats() > 0; }));
  database_.Execute("ALTER TABLE auth.control_head RENAME TO hidden");
  // A step that was under way may still send; after that none may. The window
  // can be too short to show a fault, but never shows one that is not there.
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  const int before = gateway->heartbeats();
  std::this_thread::sleep_for(std::chrono::milliseconds(700));
  EXPECT_EQ(gateway->heartbeats(), before);
  const auto newcomer = Join();
  database_.Execute("ALTER TABLE auth.hidden RENAME TO control_head");
  EXPECT_TRUE(Eventually([&] { return gateway->heartbeats() > before; }));
  EXPECT_TRUE(Eventually([&] { return newcomer->has_snapshot(); }));
}

TEST_F(ControlHubTest, EndsAStreamThatCannotKeepUp) {
  const auto slow = Join();
  const auto quick = Join();
  ASSERT_TRUE(Eventually([&] { return slow->has_snapshot() && quick->has_snapshot(); }));
  slow->Fill();
  Revoke();
  ASSERT_TRUE(Eventually([&] { return slow->ended(); }));
  EXPECT_EQ(Reason(slow->end()), "FEED_OVERRUN");
  EXPECT_TRUE(Eventually([&] { return quick->changes().size() == 1; }));
  EXPECT_FALSE(quick->ended());
}

TEST_F(ControlHubTest, EndsAllStreamsWhenTheLogGoesBack) {
  Revoke();
  const auto gateway = Join();
  ASSERT_TRUE(Eventually([&] { return gateway->has_snapshot(); }));
  database_.Execute("UPDATE auth.control_head SET sequence = 0");
  ASSERT_TRUE(Eventually([&] { return gateway->ended(); }));
  EXPECT_EQ(Reason(gateway->end()), "FEED_RESTARTED");
}

TEST_F(ControlHubTest, AnOverlongSnapshotFlushesTheCaches) {
  database_.Execute(
      "INSERT INTO auth.control_log (sequence, kind, subject, epoch)"
      " SELECT n, 'revocation', gen_random_uuid()::text, 0 FROM generate_series(1, 50001) n;"
      "UPDATE auth.control_head SET sequence = 50001");
  const auto gateway = Join();
  ASSERT_TRUE(Eventually([&] { return gateway->updates().size() >= 2; }));
  const v1::ControlUpdate snapshot = gateway->updates()[0];
  EXPECT_EQ(snapshot.snapshot().revocations_size(), 50000);
  EXPECT_LT(snapshot.ByteSizeLong(), 4u << 20);
  EXPECT_TRUE(gateway->updates()[1].has_flush());
}

// Through the RPC, as a gateway sees it.
TEST(ControlServiceTest, TellsGatewaysAndNobodyElse) {
  testing::AuthDatabase database;
  testing::AuthServer server(database);
  std::mutex mutex;
  std::vector<v1::ControlUpdate> updates;
  const auto watch = [&](const std::string& caller, std::atomic<bool>& ended) {
    v1::WatchControlRequest request;
    request.set_gateway_id("g1");
    return server.client(caller).Watch(
        v1::ControlService::kWatchControl, request, {},
        [&](const v1::ControlUpdate& update) {
          std::lock_guard lock(mutex);
          updates.push_back(update);
        },
        [&ended](const absl::Status&) { ended = true; });
  };
  std::atomic<bool> stranger_ended = false;
  const auto stranger = watch("jobs", stranger_ended);
  EXPECT_TRUE(Eventually([&] { return stranger_ended.load(); }));
  EXPECT_TRUE(updates.empty());

  std::atomic<bool> ended = false;
  const auto handle = watch("gateway", ended);
  const auto revoked = [&] {
    std::lock_guard lock(mutex);
    return std::count_if(updates.begin(), updates.end(),
                         [](const v1::ControlUpdate& update) { return update.has_epoch(); });
  };
  ASSERT_TRUE(Eventually([&] {
    std::lock_guard lock(mutex);
    return !updates.empty();
  }));
  const std::string id = database.AddUser("ada");
  ASSERT_TRUE(database.db()
                  .InTransaction([&](pg::Tx& tx) -> absl::Status {
                    RaiseEpoch(tx, id);
                    return absl::OkStatus();
                  })
                  .ok());
  EXPECT_TRUE(Eventually([&] { return revoked() == 1; }));
  handle->Cancel();
  EXPECT_TRUE(Eventually([&] { return ended.load(); }));
}

}  // namespace
}  // namespace gatehouse::auth
