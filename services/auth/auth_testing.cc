#include "services/auth/auth_testing.h"

#include <gtest/gtest.h>

#include <thread>
#include <utility>

#include "gatehouse/auth/v1/token.methods.h"
#include "libs/base/secret.h"
#include "libs/base/uuid.h"
#include "libs/token/api_token.h"
#include "services/auth/announcement_service.h"
#include "services/auth/audit_service.h"
#include "services/auth/control_service.h"
#include "services/auth/login.h"
#include "services/auth/registration.h"
#include "services/auth/session_service.h"
#include "services/auth/tenant_service.h"
#include "services/auth/token_service.h"
#include "services/auth/user_service.h"

namespace gatehouse::auth::testing {
namespace {

// One hash for every user that a test adds.
const std::string& PasswordHash() {
  static const auto* const hash = new std::string(*TheHasher().Hash(kPassword));
  return *hash;
}

pg::testing::TestDatabase& TheDatabase() {
  static auto* const database = [] {
    auto* const made = new pg::testing::TestDatabase("auth", Migrations());
    // Tests change the roles; this is what they were.
    pg::testing::Cluster::Get().Execute(made->name(),
                                        "CREATE TABLE roles_made AS SELECT * FROM auth.roles");
    return made;
  }();
  return *database;
}

pg::Options OneConnection(pg::Options options) {
  options.connections_max = 1;
  return options;
}

// The first of `faults`, taken out; OK when there is none.
absl::Status Next(std::deque<absl::Status>& faults) {
  if (faults.empty()) return absl::OkStatus();
  absl::Status fault = faults.front();
  faults.pop_front();
  return fault;
}

}  // namespace

PasswordHasher& TheHasher() {
  static auto* const hasher = new PasswordHasher({.threads = 2});
  return *hasher;
}

bool Eventually(const std::function<bool()>& condition) {
  const SteadyTime end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

void FakeRedeemer::Invite(const std::string& passkey, int uses, std::int64_t tenant_id) {
  std::lock_guard lock(mutex_);
  invitations_[Sha256(passkey)] = {uses, tenant_id};
}

void FakeRedeemer::FailBefore(std::vector<absl::Status> faults) {
  std::lock_guard lock(mutex_);
  faults_before_.assign(faults.begin(), faults.end());
}

void FakeRedeemer::FailAfter(std::vector<absl::Status> faults) {
  std::lock_guard lock(mutex_);
  faults_after_.assign(faults.begin(), faults.end());
}

void FakeRedeemer::FailChecks(std::vector<absl::Status> faults) {
  std::lock_guard lock(mutex_);
  check_faults_.assign(faults.begin(), faults.end());
}

absl::Status FakeRedeemer::Check(const Signup& signup) {
  std::lock_guard lock(mutex_);
  ++checks_;
  GH_RETURN_IF_ERROR(Next(check_faults_));
  const auto found = invitations_.find(signup.passkey_digest);
  if (found == invitations_.end()) {
    return Error(absl::StatusCode::kNotFound, "INVITATION_NOT_FOUND", "no such invitation");
  }
  if (found->second.uses_left == 0) {
    return Error(absl::StatusCode::kFailedPrecondition, "INVITATION_ALREADY_REDEEMED", "used");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::int64_t> FakeRedeemer::Redeem(const Signup& signup) {
  std::lock_guard lock(mutex_);
  ++calls_;
  GH_RETURN_IF_ERROR(Next(faults_before_));
  absl::StatusOr<std::int64_t> tenant_id = RedeemLocked(signup);
  GH_RETURN_IF_ERROR(Next(faults_after_));
  return tenant_id;
}

absl::StatusOr<std::int64_t> FakeRedeemer::RedeemLocked(const Signup& signup) {
  const auto found = invitations_.find(signup.passkey_digest);
  if (found == invitations_.end()) {
    return Error(absl::StatusCode::kNotFound, "INVITATION_NOT_FOUND", "no such invitation");
  }
  const auto [redemption, is_new] = redemptions_.emplace(signup.id, signup.passkey_digest);
  if (!is_new) {
    if (redemption->second == signup.passkey_digest) return found->second.tenant_id;
    return Error(absl::StatusCode::kAlreadyExists, "REDEMPTION_ID_REUSED", "another token");
  }
  if (found->second.uses_left == 0) {
    redemptions_.erase(redemption);
    return Error(absl::StatusCode::kFailedPrecondition, "INVITATION_ALREADY_REDEEMED", "used");
  }
  --found->second.uses_left;
  return found->second.tenant_id;
}

int FakeRedeemer::calls() const {
  std::lock_guard lock(mutex_);
  return calls_;
}

int FakeRedeemer::checks() const {
  std::lock_guard lock(mutex_);
  return checks_;
}

std::set<std::string> FakeRedeemer::redemption_ids() const {
  std::lock_guard lock(mutex_);
  std::set<std::string> ids;
  for (const auto& [id, digest] : redemptions_) ids.insert(id);
  return ids;
}

void FakeMailer::Fail(std::vector<absl::Status> faults) {
  std::lock_guard lock(mutex_);
  faults_.assign(faults.begin(), faults.end());
}

absl::Status FakeMailer::Send(const mail::Message& message) {
  std::lock_guard lock(mutex_);
  ++attempts_;
  GH_RETURN_IF_ERROR(Next(faults_));
  messages_.push_back(message);
  return absl::OkStatus();
}

int FakeMailer::attempts() const {
  std::lock_guard lock(mutex_);
  return attempts_;
}

std::vector<mail::Message> FakeMailer::messages() const {
  std::lock_guard lock(mutex_);
  return messages_;
}

mail::Message FakeMailer::Await(std::size_t count) {
  if (!Eventually([&] { return messages().size() >= count; })) return {};
  return messages().back();
}

AuthDatabase::AuthDatabase() : database_(TheDatabase()) {
  // Not TRUNCATE: it makes new files, which takes longer than most of the tests.
  Execute(
      "DELETE FROM auth.credentials; DELETE FROM auth.password_resets; DELETE FROM auth.users;"
      "DELETE FROM auth.tenants; DELETE FROM auth.signups; DELETE FROM auth.login_attempts;"
      "DELETE FROM auth.signing_keys; DELETE FROM auth.outbox; DELETE FROM auth.control_log;"
      "DELETE FROM auth.audit_events; DELETE FROM auth.audit_chain; DELETE FROM auth.events;"
      "UPDATE auth.control_head SET sequence = 0, global_epoch = 0;"
      "UPDATE auth.roles r SET permissions = m.permissions, scopes = m.scopes,"
      " rate_limit_per_second = m.rate_limit_per_second, rate_limit_burst = m.rate_limit_burst"
      " FROM roles_made m WHERE m.role = r.role");
}

std::string AuthDatabase::AddUser(const std::string& username, const std::string& role) {
  static constexpr char kAddTenant[] = R"(
  INSERT INTO auth.tenants (client_id, name) VALUES ($1, $1) RETURNING id)";
  static constexpr char kAddUser[] = R"(
  INSERT INTO auth.users (id, username, email, password_hash, role, tenant_id)
  VALUES ($1, $2, $2 || '@example.com', $3, $4, $5))";
  std::string id = UuidV7();
  const absl::Status status = db().InTransaction([&](pg::Tx& tx) -> absl::Status {
    const auto tenant_id = tx.exec_params(kAddTenant, username)[0][0].as<std::int64_t>();
    tx.exec_params(kAddUser, id, username, PasswordHash(), role, tenant_id);
    return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
  return id;
}

void AuthDatabase::Execute(const std::string& sql) {
  pg::testing::Cluster::Get().Execute(database_.name(), sql);
}

std::string AuthDatabase::Select(const std::string& sql) {
  const auto value = db().Statement([&](pg::Tx& tx) -> absl::StatusOr<std::string> {
    const pqxx::result rows = tx.exec(sql);
    if (rows.empty() || rows[0][0].is_null()) return std::string();
    return rows[0][0].as<std::string>();
  });
  EXPECT_TRUE(value.ok()) << value.status() << " in " << sql;
  return value.ok() ? *value : "";
}

int AuthDatabase::Count(const std::string& from) {
  const std::string count = Select("SELECT count(*) FROM " + from);
  return count.empty() ? -1 : std::stoi(count);
}

bool AuthDatabase::EventuallySomebodyWaits(int count) {
  return Eventually([this, count] { return Count("pg_locks WHERE NOT granted") >= count; });
}

struct AuthServer::Parts {
  Parts(AuthDatabase& database, const AuthServerOptions& options)
      : control_db(OneConnection(database.db().options())),
        keys(kSecretKey),
        throttle(database.db(), kSecretKey),
        issuer(keys, kSecretKey, kSessionAge),
        login(database.db(), TheHasher(), throttle, issuer, options.first_admin),
        saga(database.db(), TheHasher(), redeemer),
        registration(database.db(), TheHasher(), options.registration_is_open),
        recovery(database.db(), TheHasher(), throttle, issuer, mailer, kSecretKey),
        hub(control_db),
        session_service(database.db(), login, saga, registration, recovery, issuer, hub),
        token_service(database.db(), hub),
        user_service(database.db(), TheHasher(), hub),
        tenant_service(database.db(), hub),
        control_service(database.db(), hub),
        audit_service(database.db()),
        announcement_service(database.db(), [] {}) {}

  SystemClock clock;
  pg::Database control_db;
  FakeRedeemer redeemer;
  FakeMailer mailer;
  KeyRing keys;
  LoginThrottle throttle;
  CredentialIssuer issuer;
  Login login;
  SignupSaga saga;
  Registration registration;
  PasswordRecovery recovery;
  ControlHub hub;
  SessionService session_service;
  TokenService token_service;
  UserService user_service;
  TenantService tenant_service;
  ControlService control_service;
  AuditService audit_service;
  AnnouncementService announcement_service;
  std::vector<std::unique_ptr<rpc::PassportIssuer>> issuers;
  std::unique_ptr<rpc::PassportVerifier> verifier;
  std::unique_ptr<rpc::Server> server;  // last: stops before the rest goes
};

AuthServer::AuthServer(AuthDatabase& database, const AuthServerOptions& options)
    : database_(database), parts_(std::make_unique<Parts>(database, options)) {
  Parts& parts = *parts_;
  const absl::Status keyed = parts.keys.Ensure(database.db());
  EXPECT_TRUE(keyed.ok()) << keyed;
  // The making of the key is no change that a test has made.
  database.Execute("DELETE FROM auth.control_log; UPDATE auth.control_head SET sequence = 0");
  std::map<std::string, std::string> public_keys;
  for (const char* caller : {"gateway", "jobs", "billing", "invitations"}) {
    token::SigningKey key = token::SigningKey::Generate(caller);
    public_keys[caller] = key.public_key();
    parts.issuers.push_back(
        std::make_unique<rpc::PassportIssuer>(caller, std::move(key), parts.clock));
  }
  parts.verifier = std::make_unique<rpc::PassportVerifier>("auth", public_keys, parts.clock);
  auto server = rpc::Server::Start(
      {.address = "127.0.0.1:0"},
      {&parts.session_service.rpc(), &parts.token_service.rpc(), &parts.user_service.rpc(),
       &parts.tenant_service.rpc(), &parts.control_service.rpc(), &parts.audit_service.rpc(),
       &parts.announcement_service.rpc()},
      *parts.verifier);
  EXPECT_TRUE(server.ok()) << server.status();
  parts.server = *std::move(server);
  parts.server->SetServing(true);
  for (const auto& issuer : parts.issuers) {
    clients_[issuer->issuer()] =
        std::make_unique<rpc::Client>("auth", parts.server->address(), issuer.get());
  }
}

AuthServer::~AuthServer() { clients_.clear(); }

FakeRedeemer& AuthServer::redeemer() { return parts_->redeemer; }
FakeMailer& AuthServer::mailer() { return parts_->mailer; }
ControlHub& AuthServer::hub() { return parts_->hub; }
KeyRing& AuthServer::keys() { return parts_->keys; }
LoginThrottle& AuthServer::throttle() { return parts_->throttle; }
CredentialIssuer& AuthServer::issuer() { return parts_->issuer; }
PasswordRecovery& AuthServer::recovery() { return parts_->recovery; }

IssuedCredential AuthServer::Issue(const std::string& user_id, CredentialKind kind,
                                   bool is_persistent) {
  auto issued = database_.db().InTransaction([&](pg::Tx& tx) -> absl::StatusOr<IssuedCredential> {
    LockOwner(tx, user_id);
    return issuer().Issue(tx, {.user_id = user_id, .kind = kind, .is_persistent = is_persistent});
  });
  EXPECT_TRUE(issued.ok()) << issued.status();
  return issued.value_or(IssuedCredential());
}

absl::StatusOr<v1::LookupTokenResponse> AuthServer::Lookup(const std::string& token) {
  v1::LookupTokenRequest request;
  if (token::LooksLikeApiToken(token)) {
    request.set_digest(token::TokenDigest(token));
  } else {
    GH_ASSIGN_OR_RETURN(const token::KeySet keys,
                        database_.db().Read([](pg::Tx& tx) -> absl::StatusOr<token::KeySet> {
                          return PublishedKeys(tx);
                        }));
    GH_ASSIGN_OR_RETURN(const token::Claims claims,
                        token::VerifyJwt(keys, token, kIssuer, kAudience, parts_->clock.Now()));
    request.set_session_id(claims.session_id);
    request.set_epoch(claims.epoch);
  }
  return gateway().Call(v1::TokenService::kLookupToken, request);
}

int AuthServer::Live(const std::vector<std::string>& tokens) {
  int live = 0;
  for (const std::string& token : tokens) live += Lookup(token).ok() ? 1 : 0;
  return live;
}

rpc::CallOptions As(const std::string& user_id, const std::string& username,
                    const std::string& role) {
  rpc::CallOptions options;
  options.principal.set_user_id(user_id);
  options.principal.set_username(username);
  options.principal.set_role(role);
  return options;
}

}  // namespace gatehouse::auth::testing
