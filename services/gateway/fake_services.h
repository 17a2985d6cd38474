// The services behind the edge for tests: real RPC servers on unix sockets whose
// answers a test scripts. Not for use outside the gateway's tests.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "gatehouse/auth/v1/announcement.methods.h"
#include "gatehouse/auth/v1/audit.methods.h"
#include "gatehouse/auth/v1/session.methods.h"
#include "gatehouse/auth/v1/tenant.methods.h"
#include "gatehouse/auth/v1/token.methods.h"
#include "gatehouse/auth/v1/user.methods.h"
#include "gatehouse/billing/v1/account.methods.h"
#include "gatehouse/billing/v1/payment.methods.h"
#include "gatehouse/billing/v1/price.methods.h"
#include "gatehouse/billing/v1/revenue.methods.h"
#include "gatehouse/billing/v1/usage.methods.h"
#include "gatehouse/invitations/v1/invitations.methods.h"
#include "gatehouse/jobs/v1/job.methods.h"
#include "libs/rpc/server.h"
#include "libs/token/jwt.h"
#include "services/gateway/fake_control.h"
#include "services/gateway/fake_events.h"
#include "services/gateway/script.h"
#include "services/gateway/upstreams.h"

namespace gatehouse::gateway {

class FakeServices {
 public:
  FakeServices();
  ~FakeServices();

  // Clients of the edge; they may be used while a service is stopped.
  Upstreams Clients();
  void Start(const std::string& service);
  void Stop(const std::string& service);
  void SetServing(const std::string& service, bool serving);

  // A credential that LookupToken knows, for a user of `role` in tenant 7: opaque,
  // of kind TOKEN; or signed for a session of kind ACCESS.
  std::string AddToken(const std::string& role, const std::vector<std::string>& permissions);
  std::string AddSignedToken(const std::string& role, const std::vector<std::string>& permissions);
  // Changes what LookupToken says of a token.
  void EditToken(const std::string& token,
                 const std::function<void(auth::v1::LookupTokenResponse&)>& edit);
  // Makes LookupToken deny it.
  void RemoveToken(const std::string& token);
  std::string TokenId(const std::string& token);
  std::string UserId(const std::string& token);

  // The claims of a signed token that is good now; any claims, signed; by which keys.
  token::Claims ClaimsFor(const std::string& role);
  std::string Sign(const token::Claims& claims) const;
  token::KeySet AccessKeys() const;

  FakeControl control;
  FakeEvents auth_events;
  FakeEvents billing_events;
  FakeEvents job_events;

  Script<auth::v1::LogInRequest, auth::v1::IssuedCredential> log_in;
  Script<auth::v1::SignUpRequest, auth::v1::IssuedCredential> sign_up;
  Script<auth::v1::RegisterRequest, auth::v1::IssuedCredential> register_user;
  Script<auth::v1::RefreshRequest, auth::v1::IssuedCredential> refresh;
  Script<auth::v1::ExtendSessionRequest, auth::v1::IssuedCredential> extend_session;
  Script<auth::v1::LogOutRequest, auth::v1::LogOutResponse> log_out;
  Script<auth::v1::ListSessionsRequest, auth::v1::ListSessionsResponse> list_sessions;
  Script<auth::v1::EndSessionRequest, auth::v1::EndSessionResponse> end_session;
  Script<auth::v1::ChangePasswordRequest, auth::v1::ChangePasswordResponse> change_password;
  Script<auth::v1::RequestPasswordResetRequest, auth::v1::RequestPasswordResetResponse>
      request_password_reset;
  Script<auth::v1::ConfirmPasswordResetRequest, auth::v1::ConfirmPasswordResetResponse>
      confirm_password_reset;

  Script<auth::v1::LookupTokenRequest, auth::v1::LookupTokenResponse> look_up;
  Script<auth::v1::ValidateTokenRequest, auth::v1::ValidateTokenResponse> validate_token;
  Script<auth::v1::CreateTokenRequest, auth::v1::CreateTokenResponse> create_token;
  Script<auth::v1::ListTokensRequest, auth::v1::ListTokensResponse> list_tokens;
  Script<auth::v1::RevokeTokenRequest, auth::v1::RevokeTokenResponse> revoke_token;

  Script<auth::v1::CreateUserRequest, auth::v1::User> create_user;
  Script<auth::v1::GetUserRequest, auth::v1::User> get_user;
  Script<auth::v1::ListUsersRequest, auth::v1::ListUsersResponse> list_users;
  Script<auth::v1::UpdateUserRequest, auth::v1::User> update_user;
  Script<auth::v1::ResetPasswordRequest, auth::v1::ResetPasswordResponse> reset_password;
  Script<auth::v1::RevokeCredentialsRequest, auth::v1::RevokeCredentialsResponse>
      revoke_credentials;
  Script<auth::v1::ClearRevocationRequest, auth::v1::User> clear_revocation;
  Script<auth::v1::ListRolesRequest, auth::v1::ListRolesResponse> list_roles;
  Script<auth::v1::UpdateRoleRequest, auth::v1::Role> update_role;

  Script<auth::v1::GetTenantRequest, auth::v1::Tenant> get_tenant;
  Script<auth::v1::ListTenantsRequest, auth::v1::ListTenantsResponse> list_tenants;
  Script<auth::v1::CreateTenantRequest, auth::v1::Tenant> create_tenant;

  Script<auth::v1::CreateAnnouncementRequest, auth::v1::Announcement> create_announcement;

  Script<auth::v1::AppendAuditRequest, auth::v1::AppendAuditResponse> append_audit;
  Script<auth::v1::ListAuditEventsRequest, auth::v1::ListAuditEventsResponse> list_audit;

  Script<invitations::v1::CreateInvitationRequest, invitations::v1::CreateInvitationResponse>
      create_invitation;
  Script<invitations::v1::ListInvitationsRequest, invitations::v1::ListInvitationsResponse>
      list_invitations;
  Script<invitations::v1::RevokeInvitationRequest, invitations::v1::Invitation> revoke_invitation;

  Script<billing::v1::GetAccountRequest, billing::v1::Account> get_account;
  Script<billing::v1::UpdateAccountRequest, billing::v1::Account> update_account;
  Script<billing::v1::ListLedgerEntriesRequest, billing::v1::ListLedgerEntriesResponse> list_ledger;
  Script<billing::v1::AdjustBalanceRequest, billing::v1::AdjustBalanceResponse> adjust;
  Script<billing::v1::ReverseEntryRequest, billing::v1::AdjustBalanceResponse> reverse_entry;
  Script<billing::v1::ListAccountsRequest, billing::v1::ListAccountsResponse> list_accounts;
  Script<billing::v1::SummarizeAccountsRequest, billing::v1::AccountsSummary> summarize_accounts;
  Script<billing::v1::ExportLedgerRequest, billing::v1::ExportLedgerResponse> export_ledger;
  Script<billing::v1::CreateTopupSessionRequest, billing::v1::CreateTopupSessionResponse>
      create_topup;
  Script<billing::v1::CreatePortalSessionRequest, billing::v1::CreatePortalSessionResponse>
      create_portal;
  Script<billing::v1::GetProfileRequest, billing::v1::Profile> get_profile;
  Script<billing::v1::UpdateProfileRequest, billing::v1::Profile> update_profile;
  Script<billing::v1::ReceiveEventRequest, billing::v1::ReceiveEventResponse> receive_event;
  Script<billing::v1::GetPriceBookRequest, billing::v1::PriceBook> get_price_book;
  Script<billing::v1::ListPriceBooksRequest, billing::v1::ListPriceBooksResponse> list_price_books;
  Script<billing::v1::PublishPricesRequest, billing::v1::PublishPricesResponse> publish_prices;
  Script<billing::v1::QueryCostsRequest, billing::v1::QueryCostsResponse> query_costs;
  Script<billing::v1::GetSummaryRequest, billing::v1::RevenueSummary> get_revenue;
  Script<billing::v1::GetTimeseriesRequest, billing::v1::GetTimeseriesResponse> get_timeseries;
  Script<billing::v1::GetCohortsRequest, billing::v1::GetCohortsResponse> get_cohorts;
  Script<billing::v1::GetAlertLevelsRequest, billing::v1::AlertLevels> get_alert_levels;
  Script<billing::v1::UpdateAlertLevelsRequest, billing::v1::AlertLevels> update_alert_levels;
  Script<jobs::v1::SubmitJobRequest, jobs::v1::SubmitJobResponse> submit_job;
  Script<jobs::v1::GetJobRequest, jobs::v1::Job> get_job;
  Script<jobs::v1::ListJobsRequest, jobs::v1::ListJobsResponse> list_jobs;
  Script<jobs::v1::ListJobEventsRequest, jobs::v1::ListJobEventsResponse> list_job_events;
  Script<jobs::v1::CancelJobRequest, jobs::v1::Job> cancel_job;
  Script<jobs::v1::GetActivityRequest, jobs::v1::Activity> get_activity;

 private:
  struct Process;
  void RegisterAuth();
  void RegisterOthers();
  rpc::Service& Table(const char* process, const char* full_name);
  void Keep(const std::string& key, const std::string& session_id, const std::string& user_id,
            const std::string& role, const std::vector<std::string>& permissions);
  std::string KeyOf(const std::string& token) const;
  absl::StatusOr<auth::v1::LookupTokenResponse> LookUp(const auth::v1::LookupTokenRequest& request);

  SystemClock clock_;
  std::string directory_;
  std::unique_ptr<rpc::PassportIssuer> issuer_;
  std::map<std::string, std::unique_ptr<Process>> processes_;
  std::mutex mutex_;
  // By digest, and by session id for signed ones.
  std::map<std::string, auth::v1::LookupTokenResponse> tokens_;  // guarded by mutex_
  token::SigningKey access_key_ = token::SigningKey::Generate("access");
};

}  // namespace gatehouse::gateway
