#include "services/auth/control_hub.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <map>
#include <set>
#include <thread>

#include "gatehouse/auth/v1/control.methods.h"
#include "libs/base/uuid.h"
#include "services/auth/auth_testing.h"
#include "services/auth/control_service.h"
#include "services/auth/control_store.h"
#include "services/auth/revocation.h"

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
      if (update.change_case() == v1::ControlUpdate::CHANGE_NOT_SET) continue;
      if (!update.has_snapshot()) changes.push_back(update);
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

  // Commits what `change` does.
  void Commit(const std::function<void(pg::Tx&)>& change) {
    EXPECT_EQ(database_.db().InTransaction([&](pg::Tx& tx) -> absl::Status {
      change(tx);
      return absl::OkStatus();
    }),
              absl::OkStatus());
  }

  // Commits the revocation of a token; its id.
  std::string Revoke() {
    std::string id = UuidV7();
    Commit([&](pg::Tx& tx) { AppendRevocation(tx, id); });
    return id;
  }

  // The keys as they are published now.
  std::string Published() {
    const auto keys = database_.db().Read(
        [](pg::Tx& tx) -> absl::StatusOr<std::string> { return PublishedKeys(tx).ToJson(); });
    EXPECT_TRUE(keys.ok()) << keys.status();
    return keys.value_or("");
  }

  // Waits until `gateway` has been told one change more; that change.
  static v1::ControlUpdate Next(const Gateway& gateway, std::size_t told = 0) {
    EXPECT_TRUE(Eventually([&] { return gateway.changes().size() > told; }));
    const std::vector<v1::ControlUpdate> changes = gateway.changes();
    return changes.size() > told ? changes[told] : v1::ControlUpdate();
  }

  testing::AuthDatabase database_;
  KeyRing keys_{testing::kSecretKey};
  ControlHub hub_{database_.db()};
};

TEST_F(ControlHubTest, BeginsWithASnapshotOfTheLastDay) {
  const std::string id = database_.AddUser("ada");
  for (int i = 0; i < 2; ++i) {
    Commit([&](pg::Tx& tx) { RaiseUserEpoch(tx, id); });
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

TEST_F(ControlHubTest, ASnapshotHoldsTheNewestEpochOfEverySubject) {
  const std::string ada = database_.AddUser("ada");
  const std::int64_t tenant = std::stoll(database_.Select("SELECT id FROM auth.tenants"));
  Commit([&](pg::Tx& tx) { RaiseTenantEpoch(tx, tenant); });
  Commit([&](pg::Tx& tx) { RaiseGlobalEpoch(tx); });
  Commit([&](pg::Tx& tx) { RaiseUserEpoch(tx, ada); });
  Commit([&](pg::Tx& tx) { AppendSubjectChange(tx, "user/" + ada); });
  Commit([&](pg::Tx& tx) { RaiseGlobalEpoch(tx); });
  const auto gateway = Join();
  ASSERT_TRUE(Eventually([&] { return gateway->has_snapshot(); }));
  std::map<std::string, std::int64_t> epochs;
  const v1::ControlUpdate first = gateway->updates()[0];
  for (const v1::Epoch& epoch : first.snapshot().epochs()) epochs[epoch.subject()] = epoch.epoch();
  EXPECT_EQ(first.sequence(), 5);
  EXPECT_EQ(epochs,
            (std::map<std::string, std::int64_t>{
                {"tenant/" + std::to_string(tenant), 1}, {"user/" + ada, 3}, {"global", 5}}));
  EXPECT_EQ(first.snapshot().revocations_size(), 0);
}

TEST_F(ControlHubTest, ASnapshotHoldsTheKeys) {
  ASSERT_EQ(keys_.Ensure(database_.db()), absl::OkStatus());
  const auto gateway = Join();
  ASSERT_TRUE(Eventually([&] { return gateway->has_snapshot(); }));
  const std::string told = gateway->updates()[0].snapshot().keys().jwks_json();
  EXPECT_EQ(told, Published());
  EXPECT_NE(told.find(database_.Select("SELECT kid FROM auth.signing_keys")), std::string::npos);
}

TEST_F(ControlHubTest, EpochsAndChangesOfSubjectsReachAStream) {
  const std::string ada = database_.AddUser("ada");
  const std::int64_t tenant = std::stoll(database_.Select("SELECT id FROM auth.tenants"));
  const auto gateway = Join();
  ASSERT_TRUE(Eventually([&] { return gateway->has_snapshot(); }));
  Commit([&](pg::Tx& tx) { RaiseTenantEpoch(tx, tenant); });
  Commit([&](pg::Tx& tx) { RaiseGlobalEpoch(tx); });
  Commit([&](pg::Tx& tx) { RaiseUserEpoch(tx, ada); });
  Commit([&](pg::Tx& tx) { AppendSubjectChange(tx, "role/admin"); });
  const std::vector<std::string> subjects = {"tenant/" + std::to_string(tenant), "global",
                                             "user/" + ada};
  for (std::size_t i = 0; i < subjects.size(); ++i) {
    const v1::ControlUpdate update = Next(*gateway, i);
    EXPECT_EQ(update.epoch().subject(), subjects[i]);
    EXPECT_EQ(update.epoch().epoch(), update.sequence()) << "an epoch is a sequence";
  }
  EXPECT_EQ(Next(*gateway, 3).subject_change().subject(), "role/admin");
  EXPECT_EQ(Next(*gateway, 3).sequence(), 4);
}

TEST_F(ControlHubTest, NewKeysReachAStream) {
  ASSERT_EQ(keys_.Ensure(database_.db()), absl::OkStatus());
  const auto gateway = Join();
  ASSERT_TRUE(Eventually([&] { return gateway->has_snapshot(); }));
  std::string kid;
  Commit([&](pg::Tx& tx) { kid = keys_.Rotate(tx, std::chrono::seconds(600)).value(); });
  const v1::ControlUpdate update = Next(*gateway);
  EXPECT_EQ(update.sequence(), 2);
  EXPECT_EQ(update.keys().jwks_json(), Published());
  EXPECT_NE(update.keys().jwks_json().find(kid), std::string::npos);
}

TEST_F(ControlHubTest, SeveralChangesOfTheKeysAreToldOnce) {
  const auto gateway = Join();
  ASSERT_TRUE(Eventually([&] { return gateway->has_snapshot(); }));
  std::string revoked;
  Commit([&](pg::Tx& tx) {
    AppendKeysChange(tx);
    AppendKeysChange(tx);
    AppendRevocation(tx, revoked = UuidV7());
    AppendKeysChange(tx);
    AppendRevocation(tx, revoked);
  });
  EXPECT_EQ(Next(*gateway, 2).sequence(), 5);
  const std::vector<v1::ControlUpdate> changes = gateway->changes();
  ASSERT_EQ(changes.size(), 3u);
  EXPECT_EQ(changes[0].revocation().token_id(), revoked);
  EXPECT_TRUE(changes[1].has_keys());
  EXPECT_EQ(changes[1].sequence(), 4);
}

TEST_F(ControlHubTest, AKeyThatRetiresByTimeIsToldWithoutAChangeInTheLog) {
  ASSERT_EQ(keys_.Ensure(database_.db()), absl::OkStatus());
  const std::string old = database_.Select("SELECT kid FROM auth.signing_keys");
  Commit([&](pg::Tx& tx) { EXPECT_TRUE(keys_.Rotate(tx, std::chrono::seconds(0)).ok()); });
  ControlHub hub(database_.db(), std::chrono::milliseconds(20));
  const auto gateway = std::make_shared<Gateway>();
  hub.Join(ControlHub::Sender(gateway));
  ASSERT_TRUE(Eventually([&] { return gateway->heartbeats() > 1; }));
  EXPECT_TRUE(gateway->changes().empty()) << "the same keys are not told again";
  database_.Execute(
      "UPDATE auth.signing_keys SET activate_time = now() - interval '2 hours',"
      " retire_time = now() - interval '1 hour' WHERE kid = '" +
      old + "'");
  const v1::ControlUpdate update = Next(*gateway);
  EXPECT_EQ(update.sequence(), 2);
  EXPECT_EQ(update.keys().jwks_json(), Published());
  EXPECT_EQ(update.keys().jwks_json().find(old), std::string::npos);
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
                    RaiseUserEpoch(tx, id);
                    return absl::OkStatus();
                  })
                  .ok());
  EXPECT_TRUE(Eventually([&] { return revoked() == 1; }));
  handle->Cancel();
  EXPECT_TRUE(Eventually([&] { return ended.load(); }));
}

}  // namespace
}  // namespace gatehouse::auth
