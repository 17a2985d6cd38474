// What the tests of auth share: a database with users, a stand-in for the
// invitations service, and the services behind a real RPC server. Never used by
// the program.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "libs/base/clock.h"
#include "libs/pg/testing.h"
#include "libs/rpc/client.h"
#include "libs/rpc/server.h"
#include "services/auth/audit_service.h"
#include "services/auth/auth_service.h"
#include "services/auth/control_service.h"
#include "services/auth/migrations.h"
#include "services/auth/signup_saga.h"

namespace gatehouse::auth::testing {

inline constexpr char kPassword[] = "kestrel-plum-91";

// One for the whole program: hashing is slow on purpose, and a new one hashes.
PasswordHasher& TheHasher();

// Whether `condition` comes true within ten seconds.
bool Eventually(const std::function<bool()>& condition);

// Redeems as the invitations service does, from memory, with faults on demand.
// Thread-safe.
class FakeRedeemer final : public InvitationRedeemer {
 public:
  // Makes `passkey` valid for `uses`; redeemers join `tenant_id`.
  void Invite(const std::string& passkey, int uses = 1, std::int64_t tenant_id = 0);

  // The next calls fail with these, one each, and redeem nothing.
  void FailBefore(std::vector<absl::Status> faults);
  // The next calls redeem, and then fail with these all the same.
  void FailAfter(std::vector<absl::Status> faults);

  absl::StatusOr<std::int64_t> Redeem(const Signup& signup) override;

  int calls() const;
  std::set<std::string> redemption_ids() const;

 private:
  struct Invitation {
    int uses_left = 0;
    std::int64_t tenant_id = 0;
  };
  absl::StatusOr<std::int64_t> RedeemLocked(const Signup& signup);

  mutable std::mutex mutex_;
  int calls_ = 0;
  std::deque<absl::Status> faults_before_, faults_after_;
  std::map<std::string, Invitation> invitations_;   // by digest
  std::map<std::string, std::string> redemptions_;  // id → digest
};

// A migrated database, and SQL to look at it. It is one for the whole program,
// emptied for each test, which is ten times as fast as a new one; so only one of
// these may exist at a time.
class AuthDatabase {
 public:
  AuthDatabase();

  pg::Database& db() { return database_.db(); }
  std::string url() const { return database_.Url("gatehouse_auth"); }

  // A user with kPassword in a tenant named like it; the user's id.
  std::string AddUser(const std::string& username, const std::string& role = "user");

  // As the superuser.
  void Execute(const std::string& sql);
  // One value, as the runtime role.
  std::string Select(const std::string& sql);
  int Count(const std::string& from);
  // Waits until a transaction waits for another's lock.
  bool EventuallySomebodyWaits();

 private:
  pg::testing::TestDatabase& database_;
};

// The three services behind one server, and a client per calling process.
class AuthServer {
 public:
  explicit AuthServer(AuthDatabase& database);

  rpc::Client& gateway() { return *clients_.at("gateway"); }
  rpc::Client& client(const std::string& caller) { return *clients_.at(caller); }
  FakeRedeemer& redeemer() { return redeemer_; }
  ControlHub& hub() { return hub_; }

 private:
  SystemClock clock_;
  pg::Database control_db_;
  FakeRedeemer redeemer_;
  SignupSaga saga_;
  ControlHub hub_;
  AuthService auth_;
  ControlService control_;
  AuditService audit_;
  std::vector<std::unique_ptr<rpc::PassportIssuer>> issuers_;
  std::unique_ptr<rpc::PassportVerifier> verifier_;
  std::unique_ptr<rpc::Server> server_;
  std::map<std::string, std::unique_ptr<rpc::Client>> clients_;
};

}  // namespace gatehouse::auth::testing
