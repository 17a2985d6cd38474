#include "services/auth/auth_testing.h"

#include <gtest/gtest.h>

#include <utility>

#include "libs/base/secret.h"
#include "libs/base/uuid.h"
#include "services/auth/user_store.h"

namespace gatehouse::auth::testing {
namespace {

// One hash for every user that a test adds.
const std::string& PasswordHash() {
  static const auto* const hash = new std::string(*TheHasher().Hash(kPassword));
  return *hash;
}

pg::testing::TestDatabase& TheDatabase() {
  static auto* const database = new pg::testing::TestDatabase("auth", Migrations());
  return *database;
}

pg::Options OneConnection(pg::Options options) {
  options.connections_max = 1;
  return options;
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

absl::StatusOr<std::int64_t> FakeRedeemer::Redeem(const Signup& signup) {
  std::lock_guard lock(mutex_);
  ++calls_;
  if (!faults_before_.empty()) {
    const absl::Status fault = faults_before_.front();
    faults_before_.pop_front();
    return fault;
  }
  absl::StatusOr<std::int64_t> tenant_id = RedeemLocked(signup);
  if (!faults_after_.empty()) {
    const absl::Status fault = faults_after_.front();
    faults_after_.pop_front();
    return fault;
  }
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

std::set<std::string> FakeRedeemer::redemption_ids() const {
  std::lock_guard lock(mutex_);
  std::set<std::string> ids;
  for (const auto& [id, digest] : redemptions_) ids.insert(id);
  return ids;
}

AuthDatabase::AuthDatabase() : database_(TheDatabase()) {
  // Not TRUNCATE: it makes new files, which takes longer than most of the tests.
  Execute(
      "DELETE FROM auth.tokens; DELETE FROM auth.users; DELETE FROM auth.tenants;"
      "DELETE FROM auth.signups; DELETE FROM auth.control_log; DELETE FROM auth.audit_events;"
      "DELETE FROM auth.audit_chain; UPDATE auth.control_head SET sequence = 0");
}

std::string AuthDatabase::AddUser(const std::string& username, const std::string& role) {
  std::string id = UuidV7();
  const absl::Status status = db().InTransaction([&](pg::Tx& tx) -> absl::Status {
    const std::optional<Tenant> tenant = InsertTenant(tx, username, username);
    if (!tenant) return absl::InternalError("the tenant exists");
    InsertUser(tx, {.id = id,
                    .username = username,
                    .email = username + "@example.com",
                    .password_hash = PasswordHash(),
                    .role = role,
                    .tenant_id = tenant->id});
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

bool AuthDatabase::EventuallySomebodyWaits() {
  return Eventually([this] { return Count("pg_locks WHERE NOT granted") > 0; });
}

AuthServer::AuthServer(AuthDatabase& database)
    : control_db_(OneConnection(database.db().options())),
      saga_(database.db(), TheHasher(), redeemer_),
      hub_(control_db_),
      auth_(database.db(), TheHasher(), saga_, hub_),
      control_(hub_),
      audit_(database.db()) {
  std::map<std::string, std::string> public_keys;
  for (const char* caller : {"gateway", "jobs", "billing", "invitations"}) {
    token::SigningKey key = token::SigningKey::Generate(caller);
    public_keys[caller] = key.public_key();
    issuers_.push_back(std::make_unique<rpc::PassportIssuer>(caller, std::move(key), clock_));
  }
  verifier_ = std::make_unique<rpc::PassportVerifier>("auth", public_keys, clock_);
  auto server = rpc::Server::Start({.address = "127.0.0.1:0"},
                                   {&auth_.rpc(), &control_.rpc(), &audit_.rpc()}, *verifier_);
  EXPECT_TRUE(server.ok()) << server.status();
  server_ = *std::move(server);
  server_->SetServing(true);
  for (const auto& issuer : issuers_) {
    clients_[issuer->issuer()] =
        std::make_unique<rpc::Client>("auth", server_->address(), issuer.get());
  }
}

}  // namespace gatehouse::auth::testing
