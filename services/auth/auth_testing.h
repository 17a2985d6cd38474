// What the tests of auth share: a database with users, stand-ins for the invitations
// service and the mail server, and the services behind a real RPC server. Never used
// by the program.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "gatehouse/auth/v1/session.pb.h"
#include "gatehouse/auth/v1/token.pb.h"
#include "libs/mail/mail.h"
#include "libs/pg/testing.h"
#include "libs/rpc/client.h"
#include "services/auth/control_hub.h"
#include "services/auth/credential_issuer.h"
#include "services/auth/key_ring.h"
#include "services/auth/login_throttle.h"
#include "services/auth/migrations.h"
#include "services/auth/password_recovery.h"
#include "services/auth/signup_saga.h"

namespace gatehouse::auth::testing {

inline constexpr char kPassword[] = "kestrel-plum-91";
inline constexpr char kSecretKey[] = "secret key of the tests, at least 32 bytes";
inline constexpr std::chrono::hours kSessionAge{14 * 24};

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

  // The next redemptions fail with these, one each, and redeem nothing.
  void FailBefore(std::vector<absl::Status> faults);
  // The next redemptions redeem, and then fail with these all the same.
  void FailAfter(std::vector<absl::Status> faults);
  // The next checks fail with these, one each.
  void FailChecks(std::vector<absl::Status> faults);

  absl::Status Check(const Signup& signup) override;
  absl::StatusOr<std::int64_t> Redeem(const Signup& signup) override;

  int calls() const;  // Of Redeem.
  int checks() const;
  std::set<std::string> redemption_ids() const;

 private:
  struct Invitation {
    int uses_left = 0;
    std::int64_t tenant_id = 0;
  };
  absl::StatusOr<std::int64_t> RedeemLocked(const Signup& signup);

  mutable std::mutex mutex_;
  int calls_ = 0, checks_ = 0;
  std::deque<absl::Status> faults_before_, faults_after_, check_faults_;
  std::map<std::string, Invitation> invitations_;   // by digest
  std::map<std::string, std::string> redemptions_;  // id → digest
};

// Keeps what is sent. Thread-safe.
class FakeMailer final : public mail::Mailer {
 public:
  // The next messages are refused with these, one each, and not kept.
  void Fail(std::vector<absl::Status> faults);

  absl::Status Send(const mail::Message& message) override;

  int attempts() const;
  std::vector<mail::Message> messages() const;
  // Waits for `count` messages in all; the last of them, or an empty one.
  mail::Message Await(std::size_t count = 1);

 private:
  mutable std::mutex mutex_;
  int attempts_ = 0;
  std::deque<absl::Status> faults_;
  std::vector<mail::Message> messages_;
};

// A migrated database, and SQL to look at it. It is one for the whole program,
// emptied for each test, which is ten times as fast as a new one; so only one of
// these may exist at a time.
class AuthDatabase {
 public:
  AuthDatabase();

  pg::Database& db() { return database_.db(); }
  std::string url() const { return database_.Url("gatehouse_auth"); }
  const std::string& name() const { return database_.name(); }

  // A user with kPassword in a tenant named like it; the user's id.
  std::string AddUser(const std::string& username, const std::string& role = "user");

  // As the superuser.
  void Execute(const std::string& sql);
  // One value, as the runtime role.
  std::string Select(const std::string& sql);
  int Count(const std::string& from);
  // Waits until `count` transactions wait for another's lock.
  bool EventuallySomebodyWaits(int count = 1);

 private:
  pg::testing::TestDatabase& database_;
};

struct AuthServerOptions {
  bool registration_is_open = true;
  std::string first_admin = "admin";
};

// The services behind one server, and a client per calling process.
class AuthServer {
 public:
  explicit AuthServer(AuthDatabase& database, const AuthServerOptions& options = {});
  ~AuthServer();

  // Callers: "gateway", "jobs", "billing", "invitations".
  rpc::Client& client(const std::string& caller) { return *clients_.at(caller); }
  rpc::Client& gateway() { return client("gateway"); }

  FakeRedeemer& redeemer();
  FakeMailer& mailer();
  ControlHub& hub();
  KeyRing& keys();
  LoginThrottle& throttle();
  CredentialIssuer& issuer();
  PasswordRecovery& recovery();

  // What a login of the user gives, without the cost of checking a password.
  IssuedCredential Issue(const std::string& user_id, CredentialKind kind = CredentialKind::kToken,
                         bool is_persistent = false);

  // LookupToken by the gateway, of an opaque credential or an access token.
  absl::StatusOr<v1::LookupTokenResponse> Lookup(const std::string& token);
  // How many of them are live.
  int Live(const std::vector<std::string>& tokens);

 private:
  struct Parts;
  AuthDatabase& database_;
  std::unique_ptr<Parts> parts_;
  std::map<std::string, std::unique_ptr<rpc::Client>> clients_;
};

// Options of a call on behalf of the user.
rpc::CallOptions As(const std::string& user_id, const std::string& username = "",
                    const std::string& role = "user");

}  // namespace gatehouse::auth::testing
