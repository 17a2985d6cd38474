#include "services/gateway/fake_services.h"

#include <cstdlib>
#include <filesystem>

#include "gatehouse/auth/v1/control.methods.h"
#include "gatehouse/event/v1/event.methods.h"
#include "libs/base/uuid.h"
#include "libs/token/api_token.h"

namespace gatehouse::gateway {

namespace inv = invitations::v1;

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
  RegisterAuth();
  RegisterOthers();
  control.SetKeys(AccessKeys().ToJson());
  look_up.Do([this](const auth::v1::LookupTokenRequest& request) { return LookUp(request); });
  for (const auto& [name, process] : processes_) Start(name);
}

FakeServices::~FakeServices() {
  for (const auto& [name, process] : processes_) process->server.reset();
  std::filesystem::remove_all(directory_);
}

rpc::Service& FakeServices::Table(const char* process, const char* full_name) {
  return processes_[process]->tables.emplace_back(full_name);
}

void FakeServices::RegisterAuth() {
  using auth::v1::SessionService;
  rpc::Service& session = Table("auth", SessionService::kFullName);
  log_in.Register(session, SessionService::kLogIn);
  sign_up.Register(session, SessionService::kSignUp);
  register_user.Register(session, SessionService::kRegister);
  refresh.Register(session, SessionService::kRefresh);
  extend_session.Register(session, SessionService::kExtendSession);
  log_out.Register(session, SessionService::kLogOut);
  list_sessions.Register(session, SessionService::kListSessions);
  end_session.Register(session, SessionService::kEndSession);
  change_password.Register(session, SessionService::kChangePassword);
  request_password_reset.Register(session, SessionService::kRequestPasswordReset);
  confirm_password_reset.Register(session, SessionService::kConfirmPasswordReset);
  using auth::v1::TokenService;
  rpc::Service& token = Table("auth", TokenService::kFullName);
  look_up.Register(token, TokenService::kLookupToken);
  validate_token.Register(token, TokenService::kValidateToken);
  create_token.Register(token, TokenService::kCreateToken);
  list_tokens.Register(token, TokenService::kListTokens);
  revoke_token.Register(token, TokenService::kRevokeToken);
  using auth::v1::UserService;
  rpc::Service& user = Table("auth", UserService::kFullName);
  create_user.Register(user, UserService::kCreateUser);
  get_user.Register(user, UserService::kGetUser);
  list_users.Register(user, UserService::kListUsers);
  update_user.Register(user, UserService::kUpdateUser);
  reset_password.Register(user, UserService::kResetPassword);
  revoke_credentials.Register(user, UserService::kRevokeCredentials);
  clear_revocation.Register(user, UserService::kClearRevocation);
  list_roles.Register(user, UserService::kListRoles);
  update_role.Register(user, UserService::kUpdateRole);
  using auth::v1::TenantService;
  rpc::Service& tenant = Table("auth", TenantService::kFullName);
  get_tenant.Register(tenant, TenantService::kGetTenant);
  list_tenants.Register(tenant, TenantService::kListTenants);
  create_tenant.Register(tenant, TenantService::kCreateTenant);
  rpc::Service& audit = Table("auth", auth::v1::AuditService::kFullName);
  append_audit.Register(audit, auth::v1::AuditService::kAppendAudit);
  list_audit.Register(audit, auth::v1::AuditService::kListAuditEvents);
  control.Register(Table("auth", auth::v1::ControlService::kFullName));
  create_announcement.Register(Table("auth", auth::v1::AnnouncementService::kFullName),
                               auth::v1::AnnouncementService::kCreateAnnouncement);
  auth_events.Register(Table("auth", event::v1::EventService::kFullName));
}

void FakeServices::RegisterOthers() {
  rpc::Service& invitation = Table("invitations", inv::InvitationService::kFullName);
  create_invitation.Register(invitation, inv::InvitationService::kCreateInvitation);
  list_invitations.Register(invitation, inv::InvitationService::kListInvitations);
  revoke_invitation.Register(invitation, inv::InvitationService::kRevokeInvitation);
  using billing::v1::AccountService;
  rpc::Service& account = Table("billing", AccountService::kFullName);
  get_account.Register(account, AccountService::kGetAccount);
  update_account.Register(account, AccountService::kUpdateAccount);
  list_ledger.Register(account, AccountService::kListLedgerEntries);
  adjust.Register(account, AccountService::kAdjustBalance);
  reverse_entry.Register(account, AccountService::kReverseEntry);
  list_accounts.Register(account, AccountService::kListAccounts);
  summarize_accounts.Register(account, AccountService::kSummarizeAccounts);
  export_ledger.Register(account, AccountService::kExportLedger);
  using billing::v1::PaymentService;
  rpc::Service& payment = Table("billing", PaymentService::kFullName);
  create_topup.Register(payment, PaymentService::kCreateTopupSession);
  create_portal.Register(payment, PaymentService::kCreatePortalSession);
  get_profile.Register(payment, PaymentService::kGetProfile);
  update_profile.Register(payment, PaymentService::kUpdateProfile);
  receive_event.Register(payment, PaymentService::kReceiveEvent);
  using billing::v1::PriceService;
  rpc::Service& price = Table("billing", PriceService::kFullName);
  get_price_book.Register(price, PriceService::kGetPriceBook);
  list_price_books.Register(price, PriceService::kListPriceBooks);
  publish_prices.Register(price, PriceService::kPublishPrices);
  query_costs.Register(Table("billing", billing::v1::UsageService::kFullName),
                       billing::v1::UsageService::kQueryCosts);
  using billing::v1::RevenueService;
  rpc::Service& revenue = Table("billing", RevenueService::kFullName);
  get_revenue.Register(revenue, RevenueService::kGetSummary);
  get_timeseries.Register(revenue, RevenueService::kGetTimeseries);
  get_cohorts.Register(revenue, RevenueService::kGetCohorts);
  get_alert_levels.Register(revenue, RevenueService::kGetAlertLevels);
  update_alert_levels.Register(revenue, RevenueService::kUpdateAlertLevels);
  using jobs::v1::JobService;
  rpc::Service& job = Table("jobs", JobService::kFullName);
  submit_job.Register(job, JobService::kSubmitJob);
  get_job.Register(job, JobService::kGetJob);
  list_jobs.Register(job, JobService::kListJobs);
  list_job_events.Register(job, JobService::kListJobEvents);
  cancel_job.Register(job, JobService::kCancelJob);
  get_activity.Register(job, JobService::kGetActivity);
  billing_events.Register(Table("billing", event::v1::EventService::kFullName));
  job_events.Register(Table("jobs", event::v1::EventService::kFullName));
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

void FakeServices::Keep(const std::string& key, const std::string& session_id,
                        const std::string& user_id, const std::string& role,
                        const std::vector<std::string>& permissions) {
  auth::v1::LookupTokenResponse answer;
  answer.set_token_id(session_id);
  const bool is_signed = key == session_id;
  answer.set_kind(is_signed ? auth::v1::CREDENTIAL_KIND_ACCESS : auth::v1::CREDENTIAL_KIND_TOKEN);
  answer.set_rate_limit_per_second(10);
  answer.set_rate_limit_burst(20);
  type::v1::Principal& principal = *answer.mutable_principal();
  principal.set_user_id(user_id);
  principal.set_user_number(41);
  principal.set_username("ada");
  principal.set_email("ada@example.com");
  principal.set_tenant_id(7);
  principal.set_client_id("acme");
  principal.set_role(role);
  principal.set_tier("free");
  for (const std::string& permission : permissions) principal.add_permissions(permission);
  std::lock_guard lock(mutex_);
  tokens_[key] = answer;
}

std::string FakeServices::AddToken(const std::string& role,
                                   const std::vector<std::string>& permissions) {
  std::string token = token::NewApiToken("ght");
  Keep(token::TokenDigest(token), UuidV7(), UuidV7(), role, permissions);
  return token;
}

token::Claims FakeServices::ClaimsFor(const std::string& role) {
  token::Claims claims;
  claims.issuer = "gatehouse";
  claims.audience = "gatehouse";
  claims.subject = UuidV7();
  claims.id = UuidV7();
  claims.session_id = UuidV7();
  claims.tenant_id = 7;
  claims.epoch = control.sequence();
  claims.role = role;
  claims.issue_time = clock_.Now();
  claims.expire_time = clock_.Now() + std::chrono::minutes(15);
  return claims;
}

token::KeySet FakeServices::AccessKeys() const {
  token::KeySet keys;
  keys.Add(access_key_.kid(), access_key_.public_key());
  return keys;
}

std::string FakeServices::Sign(const token::Claims& claims) const {
  return token::SignJwt(access_key_, claims);
}

std::string FakeServices::AddSignedToken(const std::string& role,
                                         const std::vector<std::string>& permissions) {
  const token::Claims claims = ClaimsFor(role);
  Keep(claims.session_id, claims.session_id, claims.subject, role, permissions);
  return Sign(claims);
}

void FakeServices::EditToken(const std::string& token,
                             const std::function<void(auth::v1::LookupTokenResponse&)>& edit) {
  const std::string key = KeyOf(token);
  std::lock_guard lock(mutex_);
  edit(tokens_.at(key));
}

void FakeServices::RemoveToken(const std::string& token) {
  const std::string key = KeyOf(token);
  std::lock_guard lock(mutex_);
  tokens_.erase(key);
}

std::string FakeServices::TokenId(const std::string& token) {
  const std::string key = KeyOf(token);
  std::lock_guard lock(mutex_);
  return tokens_.at(key).token_id();
}

std::string FakeServices::UserId(const std::string& token) {
  const std::string key = KeyOf(token);
  std::lock_guard lock(mutex_);
  return tokens_.at(key).principal().user_id();
}

// Under what LookupToken is asked for it.
std::string FakeServices::KeyOf(const std::string& token) const {
  if (token.find('.') == std::string::npos) return token::TokenDigest(token);
  return token::VerifyJwt(AccessKeys(), token, "gatehouse", "gatehouse", clock_.Now())->session_id;
}

absl::StatusOr<auth::v1::LookupTokenResponse> FakeServices::LookUp(
    const auth::v1::LookupTokenRequest& request) {
  std::lock_guard lock(mutex_);
  const auto found =
      tokens_.find(request.digest().empty() ? request.session_id() : request.digest());
  if (found == tokens_.end()) {
    return Error(absl::StatusCode::kNotFound, "TOKEN_NOT_FOUND", "no such token");
  }
  auth::v1::LookupTokenResponse answer = found->second;
  answer.set_control_sequence(control.sequence());
  return answer;
}

}  // namespace gatehouse::gateway
