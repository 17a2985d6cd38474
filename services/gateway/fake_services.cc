#include "services/gateway/fake_services.h"

#include <cstdlib>
#include <filesystem>

#include "libs/base/uuid.h"
#include "libs/token/api_token.h"

namespace gatehouse::gateway {

namespace inv = invitations::v1;

FakeControl::FakeControl() {
  heart_ = std::make_unique<exec::Ticker>("heart", [this] {
    std::lock_guard lock(mutex_);
    auth::v1::ControlUpdate beat;
    beat.set_sequence(sequence_);
    if (!muted_) {
      for (auto& sender : senders_) sender.Send(beat);
    }
    return std::chrono::milliseconds(50);
  });
}

void FakeControl::Register(rpc::Service& service) {
  rpc::Policy policy;
  policy.callers = {"gateway"};
  service.Feed(auth::v1::ControlService::kWatchControl, policy,
               [this](std::shared_ptr<rpc::Call>, const auth::v1::WatchControlRequest&,
                      rpc::FeedSender<auth::v1::ControlUpdate> sender) {
                 std::lock_guard lock(mutex_);
                 ++streams_opened_;
                 auth::v1::ControlUpdate snapshot;
                 snapshot.set_sequence(sequence_);
                 snapshot.mutable_snapshot();
                 if (!muted_) sender.Send(snapshot);
                 senders_.push_back(std::move(sender));
               });
}

void FakeControl::Push(auth::v1::ControlUpdate update) {
  std::lock_guard lock(mutex_);
  update.set_sequence(++sequence_);
  for (auto& sender : senders_) sender.Send(update);
}

void FakeControl::Mute(bool muted) {
  std::lock_guard lock(mutex_);
  muted_ = muted;
  if (muted) return;
  for (auto& sender : senders_) sender.Finish(absl::UnavailableError("unmuted"));
  senders_.clear();
}

std::int64_t FakeControl::sequence() const {
  std::lock_guard lock(mutex_);
  return sequence_;
}

int FakeControl::streams_opened() const {
  std::lock_guard lock(mutex_);
  return streams_opened_;
}

struct FakeServices::Process {
  std::vector<rpc::Service> tables;
  std::unique_ptr<rpc::PassportVerifier> verifier;
  std::unique_ptr<rpc::Server> server;
};

FakeServices::FakeServices() {
  std::string pattern = (std::filesystem::temp_directory_path() / "gwXXXXXX").string();
  directory_ = ::mkdtemp(pattern.data());
  token::SigningKey key = token::SigningKey::Generate("gateway");
  const std::map<std::string, std::string> keys = {{"gateway", key.public_key()}};
  issuer_ = std::make_unique<rpc::PassportIssuer>("gateway", std::move(key), clock_);
  for (const char* name : {"auth", "invitations", "billing", "jobs", "orchestrator_monitor"}) {
    processes_[name] = std::make_unique<Process>();
    processes_[name]->verifier = std::make_unique<rpc::PassportVerifier>(name, keys, clock_);
  }
  Register();
  look_up.Do([this](const auth::v1::LookupTokenRequest& request) { return LookUp(request); });
  for (const auto& [name, process] : processes_) Start(name);
}

FakeServices::~FakeServices() {
  for (const auto& [name, process] : processes_) process->server.reset();
  std::filesystem::remove_all(directory_);
}

void FakeServices::Register() {
  const auto table = [this](const char* process, const char* full_name) -> rpc::Service& {
    return processes_[process]->tables.emplace_back(full_name);
  };
  using auth::v1::AuthService;
  rpc::Service& auth = table("auth", AuthService::kFullName);
  issue_token.Register(auth, AuthService::kIssueToken);
  sign_up.Register(auth, AuthService::kSignUp);
  look_up.Register(auth, AuthService::kLookupToken);
  revoke.Register(auth, AuthService::kRevokeToken);
  get_user.Register(auth, AuthService::kGetUser);
  get_tenant.Register(auth, AuthService::kGetTenant);
  rpc::Service& audit = table("auth", auth::v1::AuditService::kFullName);
  append_audit.Register(audit, auth::v1::AuditService::kAppendAudit);
  list_audit.Register(audit, auth::v1::AuditService::kListAuditEvents);
  control.Register(table("auth", auth::v1::ControlService::kFullName));
  rpc::Service& invitation = table("invitations", inv::InvitationService::kFullName);
  create_invitation.Register(invitation, inv::InvitationService::kCreateInvitation);
  list_invitations.Register(invitation, inv::InvitationService::kListInvitations);
  using billing::v1::AccountService;
  rpc::Service& account = table("billing", AccountService::kFullName);
  get_account.Register(account, AccountService::kGetAccount);
  update_account.Register(account, AccountService::kUpdateAccount);
  list_ledger.Register(account, AccountService::kListLedgerEntries);
  adjust.Register(account, AccountService::kAdjustBalance);
  using jobs::v1::JobService;
  rpc::Service& job = table("jobs", JobService::kFullName);
  submit_job.Register(job, JobService::kSubmitJob);
  get_job.Register(job, JobService::kGetJob);
  list_jobs.Register(job, JobService::kListJobs);
  list_job_events.Register(job, JobService::kListJobEvents);
  cancel_job.Register(job, JobService::kCancelJob);
}

Upstreams FakeServices::Clients() {
  const auto client = [this](const std::string& name) {
    return std::make_unique<rpc::Client>(name, "unix:" + directory_ + "/" + name + ".sock",
                                         issuer_.get());
  };
  return {client("auth"), client("invitations"), client("billing"), client("jobs"),
          client("orchestrator_monitor")};
}

void FakeServices::Start(const std::string& service) {
  Process& process = *processes_.at(service);
  rpc::ServerOptions options;
  options.address = "unix:" + directory_ + "/" + service + ".sock";
  std::vector<rpc::Service*> tables;
  for (rpc::Service& table : process.tables) tables.push_back(&table);
  auto server = rpc::Server::Start(options, tables, *process.verifier);
  if (!server.ok()) std::abort();
  process.server = *std::move(server);
  process.server->SetServing(true);
}

void FakeServices::Stop(const std::string& service) { processes_.at(service)->server.reset(); }

void FakeServices::SetServing(const std::string& service, bool serving) {
  processes_.at(service)->server->SetServing(serving);
}

std::string FakeServices::AddToken(const std::string& role,
                                   const std::vector<std::string>& permissions) {
  std::string token = token::NewApiToken("ght");
  auth::v1::LookupTokenResponse answer;
  answer.set_token_id(UuidV7());
  type::v1::Principal& principal = *answer.mutable_principal();
  principal.set_user_id(UuidV7());
  principal.set_username("ada");
  principal.set_tenant_id(7);
  principal.set_role(role);
  principal.set_tier("free");
  for (const std::string& permission : permissions) principal.add_permissions(permission);
  std::lock_guard lock(mutex_);
  tokens_[token::TokenDigest(token)] = answer;
  return token;
}

void FakeServices::RemoveToken(const std::string& token) {
  std::lock_guard lock(mutex_);
  tokens_.erase(token::TokenDigest(token));
}

std::string FakeServices::TokenId(const std::string& token) {
  std::lock_guard lock(mutex_);
  return tokens_.at(token::TokenDigest(token)).token_id();
}

absl::StatusOr<auth::v1::LookupTokenResponse> FakeServices::LookUp(
    const auth::v1::LookupTokenRequest& request) {
  std::lock_guard lock(mutex_);
  const auto found = tokens_.find(request.digest());
  if (found == tokens_.end()) {
    return Error(absl::StatusCode::kNotFound, "TOKEN_NOT_FOUND", "no such token");
  }
  auth::v1::LookupTokenResponse answer = found->second;
  answer.set_control_sequence(control.sequence());
  return answer;
}

}  // namespace gatehouse::gateway
