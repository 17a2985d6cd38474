// The services behind the edge for tests: real RPC servers on unix sockets whose
// answers a test scripts. Not for use outside the gateway's tests.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "gatehouse/auth/v1/audit.methods.h"
#include "gatehouse/auth/v1/auth.methods.h"
#include "gatehouse/auth/v1/control.methods.h"
#include "gatehouse/billing/v1/account.methods.h"
#include "gatehouse/invitations/v1/invitations.methods.h"
#include "gatehouse/jobs/v1/job.methods.h"
#include "libs/exec/pool.h"
#include "libs/rpc/server.h"
#include "services/gateway/upstreams.h"

namespace gatehouse::gateway {

// One method: remembers its requests, answers as told. Thread-safe.
template <typename Request, typename Response>
class Script {
 public:
  using Answer = std::function<absl::StatusOr<Response>(const Request&)>;
  using AnswerToCall = std::function<absl::StatusOr<Response>(rpc::Call&, const Request&)>;

  void DoWithCall(AnswerToCall answer) {
    std::lock_guard lock(mutex_);
    answer_ = std::move(answer);
  }
  void Do(Answer answer) {
    DoWithCall([answer](rpc::Call&, const Request& request) { return answer(request); });
  }
  void Return(const Response& response) {
    Do([response](const Request&) { return response; });
  }
  void Fail(const absl::Status& status) {
    Do([status](const Request&) { return status; });
  }

  std::size_t calls() const {
    std::lock_guard lock(mutex_);
    return requests_.size();
  }
  Request last() const {
    std::lock_guard lock(mutex_);
    return requests_.empty() ? Request() : requests_.back();
  }
  std::vector<Request> requests() const {
    std::lock_guard lock(mutex_);
    return requests_;
  }
  // On whose behalf the last call was made, and its ids.
  type::v1::Principal principal() const {
    std::lock_guard lock(mutex_);
    return principal_;
  }
  std::string request_id() const {
    std::lock_guard lock(mutex_);
    return request_id_;
  }
  std::string trace_parent() const {
    std::lock_guard lock(mutex_);
    return trace_parent_;
  }

  void Register(rpc::Service& service, const rpc::Method<Request, Response>& method) {
    rpc::Policy policy;
    policy.callers = {"gateway"};
    policy.deadline_max = std::chrono::seconds(30);
    service.Unary(method, policy, [this](rpc::Call& call, const Request& request) {
      AnswerToCall answer;
      {
        std::lock_guard lock(mutex_);
        requests_.push_back(request);
        principal_ = call.principal();
        request_id_ = call.request_id();
        trace_parent_ = call.trace_parent();
        answer = answer_;
      }
      return answer ? answer(call, request) : absl::StatusOr<Response>(Response());
    });
  }

 private:
  mutable std::mutex mutex_;
  AnswerToCall answer_;
  std::vector<Request> requests_;
  type::v1::Principal principal_;
  std::string request_id_;
  std::string trace_parent_;
};

// Auth's control stream: a snapshot to each who opens it, then what is pushed,
// and heartbeats. Muted, it says nothing; unmuted, it ends the streams that were
// opened meanwhile.
class FakeControl {
 public:
  FakeControl();
  void Register(rpc::Service& service);
  // Assigns the next sequence to `update` and sends it.
  void Push(auth::v1::ControlUpdate update);
  void Mute(bool muted);
  std::int64_t sequence() const;
  int streams_opened() const;

 private:
  mutable std::mutex mutex_;
  std::vector<rpc::FeedSender<auth::v1::ControlUpdate>> senders_;
  std::int64_t sequence_ = 1;
  int streams_opened_ = 0;
  bool muted_ = false;
  std::unique_ptr<exec::Ticker> heart_;
};

class FakeServices {
 public:
  FakeServices();
  ~FakeServices();

  // Clients of the edge; they may be used while a service is stopped.
  Upstreams Clients();
  void Start(const std::string& service);
  void Stop(const std::string& service);
  void SetServing(const std::string& service, bool serving);

  // A credential that LookupToken knows, for a user of `role` in tenant 7.
  std::string AddToken(const std::string& role, const std::vector<std::string>& permissions);
  // Makes LookupToken deny it.
  void RemoveToken(const std::string& token);
  std::string TokenId(const std::string& token);

  FakeControl control;
  Script<auth::v1::IssueTokenRequest, auth::v1::IssueTokenResponse> issue_token;
  Script<auth::v1::SignUpRequest, auth::v1::SignUpResponse> sign_up;
  Script<auth::v1::LookupTokenRequest, auth::v1::LookupTokenResponse> look_up;
  Script<auth::v1::RevokeTokenRequest, auth::v1::RevokeTokenResponse> revoke;
  Script<auth::v1::GetUserRequest, auth::v1::User> get_user;
  Script<auth::v1::GetTenantRequest, auth::v1::Tenant> get_tenant;
  Script<auth::v1::AppendAuditRequest, auth::v1::AppendAuditResponse> append_audit;
  Script<auth::v1::ListAuditEventsRequest, auth::v1::ListAuditEventsResponse> list_audit;
  Script<invitations::v1::CreateInvitationRequest, invitations::v1::CreateInvitationResponse>
      create_invitation;
  Script<invitations::v1::ListInvitationsRequest, invitations::v1::ListInvitationsResponse>
      list_invitations;
  Script<billing::v1::GetAccountRequest, billing::v1::Account> get_account;
  Script<billing::v1::UpdateAccountRequest, billing::v1::Account> update_account;
  Script<billing::v1::ListLedgerEntriesRequest, billing::v1::ListLedgerEntriesResponse> list_ledger;
  Script<billing::v1::AdjustBalanceRequest, billing::v1::AdjustBalanceResponse> adjust;
  Script<jobs::v1::SubmitJobRequest, jobs::v1::SubmitJobResponse> submit_job;
  Script<jobs::v1::GetJobRequest, jobs::v1::Job> get_job;
  Script<jobs::v1::ListJobsRequest, jobs::v1::ListJobsResponse> list_jobs;
  Script<jobs::v1::ListJobEventsRequest, jobs::v1::ListJobEventsResponse> list_job_events;
  Script<jobs::v1::CancelJobRequest, jobs::v1::Job> cancel_job;

 private:
  struct Process;
  void Register();
  absl::StatusOr<auth::v1::LookupTokenResponse> LookUp(const auth::v1::LookupTokenRequest& request);

  SystemClock clock_;
  std::string directory_;
  std::unique_ptr<rpc::PassportIssuer> issuer_;
  std::map<std::string, std::unique_ptr<Process>> processes_;
  std::mutex mutex_;
  std::map<std::string, auth::v1::LookupTokenResponse> tokens_;  // guarded by mutex_; by digest
};

}  // namespace gatehouse::gateway
