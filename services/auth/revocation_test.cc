#include "services/auth/revocation.h"

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <thread>

#include "libs/base/uuid.h"
#include "services/auth/auth_testing.h"
#include "services/auth/control_store.h"
#include "services/auth/owner_store.h"

namespace gatehouse::auth {
namespace {

class RevocationTest : public ::testing::Test {
 protected:
  void Commit(const std::function<void(pg::Tx&)>& change) {
    EXPECT_EQ(database_.db().InTransaction([&](pg::Tx& tx) -> absl::Status {
      change(tx);
      return absl::OkStatus();
    }),
              absl::OkStatus());
  }

  static void Insert(pg::Tx& tx, const std::string& id, const std::string& user_id,
                     std::int64_t epoch) {
    tx.exec_params(
        "INSERT INTO auth.credentials (id, user_id, kind, digest, epoch)"
        " VALUES ($1, $2, 'token', sha256($3::text::bytea), $4)",
        id, user_id, id, epoch);
  }

  // A live credential of the user; its id.
  std::string AddCredential(const std::string& user_id) {
    std::string id = UuidV7();
    Commit([&](pg::Tx& tx) { Insert(tx, id, user_id, ControlSequence(tx)); });
    return id;
  }
  bool IsMarked(const std::string& credential_id) {
    return database_.Count("auth.credentials WHERE revoke_time IS NOT NULL AND id = '" +
                           credential_id + "'") == 1;
  }

  std::int64_t Number(const std::string& sql) { return std::stoll(database_.Select(sql)); }
  std::int64_t Sequence() { return Number("SELECT sequence FROM auth.control_head"); }
  // "kind subject epoch" of the newest entry of the log.
  std::string Newest() {
    return database_.Select(
        "SELECT kind || ' ' || subject || ' ' || epoch FROM auth.control_log"
        " ORDER BY sequence DESC LIMIT 1");
  }
  std::int64_t TenantOf(const std::string& user_id) {
    return Number("SELECT tenant_id FROM auth.users WHERE id = '" + user_id + "'");
  }

  testing::AuthDatabase database_;
  const std::string ada_ = database_.AddUser("ada");
  const std::string bob_ = database_.AddUser("bob");
};

TEST_F(RevocationTest, AnEpochIsTheSequenceOfItsChange) {
  Commit([](pg::Tx& tx) { AppendSubjectChange(tx, "role/user"); });
  std::int64_t epoch = 0;
  Commit([&](pg::Tx& tx) { epoch = RaiseUserEpoch(tx, ada_); });
  EXPECT_EQ(epoch, 2);
  EXPECT_EQ(Sequence(), 2);
  EXPECT_EQ(Newest(), "epoch user/" + ada_ + " 2");
  EXPECT_EQ(Number("SELECT epoch FROM auth.users WHERE id = '" + ada_ + "'"), 2);
  EXPECT_EQ(Number("SELECT epoch FROM auth.users WHERE id = '" + bob_ + "'"), 0);
}

TEST_F(RevocationTest, MarksTheLiveCredentialsOfTheUser) {
  const std::string first = AddCredential(ada_);
  const std::string second = AddCredential(ada_);
  const std::string of_bob = AddCredential(bob_);
  database_.Execute("UPDATE auth.credentials SET revoke_time = '2020-01-01' WHERE id = '" + first +
                    "'");
  Commit([&](pg::Tx& tx) { RaiseUserEpoch(tx, ada_); });
  EXPECT_TRUE(IsMarked(second));
  EXPECT_FALSE(IsMarked(of_bob));
  EXPECT_EQ(database_.Count("auth.credentials WHERE revoke_time = '2020-01-01'"), 1)
      << "what was dead before keeps its time";
  const std::string later = AddCredential(ada_);
  EXPECT_FALSE(IsMarked(later));
  EXPECT_EQ(Number("SELECT c.epoch - u.epoch FROM auth.credentials c JOIN auth.users u"
                   " ON u.id = c.user_id WHERE c.id = '" +
                   later + "'"),
            0)
      << "issued after it";
}

TEST_F(RevocationTest, WhatItMarksIsToBeToldFromWhatWasDeadBefore) {
  const std::string before = AddCredential(ada_);
  Commit([&](pg::Tx& tx) { RaiseUserEpoch(tx, ada_); });
  const std::string live = AddCredential(ada_);
  std::vector<std::string> marked;
  std::int64_t epoch = 0, sequence = -1;
  Commit([&](pg::Tx& tx) {
    marked.clear();
    epoch = RaiseUserEpoch(tx, ada_);
    sequence = ControlSequence(tx);
    for (const auto& row :
         tx.exec("SELECT id::text FROM auth.credentials WHERE revoke_time = now()")) {
      marked.push_back(row[0].as<std::string>());
    }
  });
  EXPECT_EQ(marked, std::vector<std::string>{live});
  EXPECT_EQ(sequence, epoch) << "the epoch of what is kept";
}

TEST_F(RevocationTest, ATenantsEpochLeavesTheRowsOfCredentialsAlone) {
  const std::string credential = AddCredential(ada_);
  std::optional<std::int64_t> epoch;
  Commit([&](pg::Tx& tx) { epoch = RaiseTenantEpoch(tx, TenantOf(ada_)); });
  EXPECT_EQ(epoch, 1);
  const std::string tenant = std::to_string(TenantOf(ada_));
  EXPECT_EQ(Newest(), "epoch tenant/" + tenant + " 1");
  EXPECT_EQ(Number("SELECT epoch FROM auth.tenants WHERE id = " + tenant), 1);
  EXPECT_EQ(database_.Count("auth.tenants WHERE epoch <> 0"), 1);
  EXPECT_FALSE(IsMarked(credential));
}

TEST_F(RevocationTest, AnUnknownTenantChangesNothing) {
  std::optional<std::int64_t> epoch = 1;
  Commit([&](pg::Tx& tx) { epoch = RaiseTenantEpoch(tx, 1LL << 60); });
  EXPECT_EQ(epoch, std::nullopt);
  EXPECT_EQ(Sequence(), 0);
}

TEST_F(RevocationTest, TheGlobalEpochStandsBesideTheCounter) {
  const std::string credential = AddCredential(ada_);
  std::int64_t epoch = 0;
  Commit([&](pg::Tx& tx) { epoch = RaiseGlobalEpoch(tx); });
  EXPECT_EQ(epoch, 1);
  EXPECT_EQ(Newest(), "epoch global 1");
  EXPECT_EQ(Number("SELECT global_epoch FROM auth.control_head"), 1);
  EXPECT_FALSE(IsMarked(credential));
  Commit([](pg::Tx& tx) { AppendSubjectChange(tx, "role/user"); });
  EXPECT_EQ(Number("SELECT global_epoch FROM auth.control_head"), 1) << "other changes keep it";
}

TEST_F(RevocationTest, ARollbackRevokesNothing) {
  const std::string credential = AddCredential(ada_);
  EXPECT_FALSE(database_.db()
                   .InTransaction([&](pg::Tx& tx) -> absl::Status {
                     RaiseUserEpoch(tx, ada_);
                     return absl::AbortedError("changed its mind");
                   })
                   .ok());
  EXPECT_FALSE(IsMarked(credential));
  EXPECT_EQ(Sequence(), 0);
}

TEST_F(RevocationTest, AnIssueComesBeforeOrAfterARevocation) {
  std::atomic<bool> stop = false;
  std::vector<std::thread> issuers;
  for (int i = 0; i < 3; ++i) {
    issuers.emplace_back([&] {
      while (!stop) {
        Commit([&](pg::Tx& tx) {
          EXPECT_TRUE(LockOwner(tx, ada_).has_value());
          Insert(tx, UuidV7(), ada_, ControlSequence(tx));
        });
      }
    });
  }
  for (int i = 0; i < 50; ++i) Commit([&](pg::Tx& tx) { RaiseUserEpoch(tx, ada_); });
  EXPECT_TRUE(testing::Eventually([&] { return database_.Count("auth.credentials") > 50; }));
  stop = true;
  for (std::thread& issuer : issuers) issuer.join();
  const std::string rows = "auth.credentials c JOIN auth.users u ON u.id = c.user_id ";
  EXPECT_EQ(database_.Count(rows + "WHERE c.revoke_time IS NULL AND c.epoch < u.epoch"), 0);
  EXPECT_EQ(database_.Count(rows + "WHERE c.revoke_time IS NOT NULL AND c.epoch >= u.epoch"), 0);
}

// Who revokes one credential holds its row and then waits for the counter. If a
// revocation of the user took the counter first, each would wait for the other.
TEST_F(RevocationTest, DoesNotHoldTheCounterWhileItWaitsForACredential) {
  const std::string credential = AddCredential(ada_);
  std::atomic<int> attempts = 0;
  std::thread user_revoker;
  Commit([&](pg::Tx& tx) {
    ++attempts;
    tx.exec_params("UPDATE auth.credentials SET last_used_time = now() WHERE id = $1", credential);
    user_revoker = std::thread([&] {
      Commit([&](pg::Tx& other) {
        ++attempts;
        RaiseUserEpoch(other, ada_);
      });
    });
    EXPECT_TRUE(database_.EventuallySomebodyWaits());
    AppendRevocation(tx, credential);
  });
  user_revoker.join();
  EXPECT_EQ(attempts, 2) << "neither was rolled back as a deadlock";
  EXPECT_EQ(Sequence(), 2);
}

}  // namespace
}  // namespace gatehouse::auth
