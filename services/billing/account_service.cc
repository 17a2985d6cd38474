#include "services/billing/account_service.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "gatehouse/billing/v1/account.methods.h"
#include "services/billing/account.h"
#include "services/billing/account_store.h"
#include "services/billing/ledger_store.h"
#include "services/billing/low_balance.h"
#include "services/billing/messages.h"
#include "services/billing/money_transaction.h"
#include "services/billing/request_check.h"
#include "services/billing/tier_delivery.h"

namespace gatehouse::billing {
namespace {

constexpr int kPageSizeDefault = 50;
constexpr int kPageSizeMax = 1000;
constexpr int kSkipMax = 100000;
constexpr char kAdjustScope[] = "adjust";

// nullopt for POLICY_UNSPECIFIED, which leaves the policy as it is.
absl::StatusOr<std::optional<Policy>> CheckPolicy(v1::Account::Policy policy) {
  switch (policy) {
    case v1::Account::POLICY_UNSPECIFIED:
      return std::nullopt;
    case v1::Account::POLICY_BLOCK:
      return Policy::kBlock;
    case v1::Account::POLICY_WARN:
      return Policy::kWarn;
    case v1::Account::POLICY_LIMITED:
      return Policy::kLimited;
    default:
      return WithFieldViolation(Error(absl::StatusCode::kInvalidArgument, "POLICY_UNKNOWN",
                                      "the policy must be block, warn or limited"),
                                "policy", "must be block, warn or limited");
  }
}

absl::Status CheckPlanTier(const v1::UpdateAccountRequest& request) {
  if (!request.has_plan_tier() || IsPlanTier(request.plan_tier())) return absl::OkStatus();
  return WithFieldViolation(
      Error(absl::StatusCode::kInvalidArgument, "PLAN_TIER_UNKNOWN",
            "the plan tier must be free, starter, professional or enterprise"),
      "plan_tier", "must be free, starter, professional or enterprise");
}

absl::Status KeyReused() {
  return Error(absl::StatusCode::kAlreadyExists, "IDEMPOTENCY_KEY_REUSED",
               "the idempotency key belongs to another request");
}

absl::StatusOr<v1::AdjustBalanceResponse> AdjustOnce(pg::Tx& tx, const AdjustOrder& order) {
  // The lock comes first, so that a repeat that waited for it sees the answer.
  Account account = LockAccount(tx, order.tenant_id);
  v1::AdjustBalanceResponse response;
  if (const std::optional<KeptAnswer> first = FindAnswer(tx, kAdjustScope, order.key)) {
    if (first->request_hash != order.request_hash) return KeyReused();
    response.ParseFromString(first->response);
    return response;
  }
  const std::int64_t settled_before_nanos = account.settled_nanos;
  const LedgerEntry entry = PostAdjustment(tx, order.amount_nanos, order.reason, &account);
  *response.mutable_entry() = ToProto(entry);
  const KeptAnswer answer{.request_hash = order.request_hash,
                          .response = response.SerializeAsString()};
  // Taken by another tenant's adjustment at the same moment.
  if (!KeepAnswer(tx, kAdjustScope, order.key, answer)) return KeyReused();
  GH_RETURN_IF_ERROR(TellLowBalance(tx, settled_before_nanos, account));
  return response;
}

}  // namespace

AccountService::AccountService(pg::Database& db, std::function<void()> wake_relay)
    : db_(db), wake_relay_(std::move(wake_relay)), rpc_(v1::AccountService::kFullName) {
  const rpc::Policy by_gateway{.callers = {"gateway"}};
  const rpc::Policy by_gateway_or_jobs{.callers = {"gateway", "jobs"}};
  rpc_.Unary(
      v1::AccountService::kGetAccount, by_gateway_or_jobs,
      [this](rpc::Call&, const v1::GetAccountRequest& request) { return GetAccount(request); });
  rpc_.Unary(v1::AccountService::kUpdateAccount, by_gateway,
             [this](rpc::Call&, const v1::UpdateAccountRequest& request) {
               return UpdateAccount(request);
             });
  rpc_.Unary(v1::AccountService::kListLedgerEntries, by_gateway,
             [this](rpc::Call&, const v1::ListLedgerEntriesRequest& request) {
               return ListLedgerEntries(request);
             });
  rpc_.Unary(v1::AccountService::kAdjustBalance, by_gateway,
             [this](rpc::Call&, const v1::AdjustBalanceRequest& request) {
               return AdjustBalance(request);
             });
}

absl::StatusOr<v1::Account> AccountService::GetAccount(const v1::GetAccountRequest& request) {
  GH_RETURN_IF_ERROR(CheckTenant(request.tenant_id()));
  GH_ASSIGN_OR_RETURN(const Account account, db_.Read([&](pg::Tx& tx) -> absl::StatusOr<Account> {
    return FindAccount(tx, request.tenant_id());
  }));
  return ToProto(account);
}

absl::StatusOr<v1::Account> AccountService::UpdateAccount(const v1::UpdateAccountRequest& request) {
  GH_RETURN_IF_ERROR(CheckTenant(request.tenant_id()));
  GH_ASSIGN_OR_RETURN(const std::optional<Policy> policy, CheckPolicy(request.policy()));
  GH_RETURN_IF_ERROR(CheckPlanTier(request));
  const auto update = [&](pg::Tx& tx) -> absl::StatusOr<Account> {
    Account account = LockAccount(tx, request.tenant_id());
    if (policy) {
      account.policy = *policy;
      SavePolicy(tx, account);
    }
    if (request.has_plan_tier() && account.ChangeTier(request.plan_tier())) {
      SaveTier(tx, account);
      GH_RETURN_IF_ERROR(AppendTier(tx, account));
    }
    return account;
  };
  // Done twice, it changes nothing the second time.
  GH_ASSIGN_OR_RETURN(const Account account,
                      pg::RepeatInDoubt([&] { return db_.InTransaction(update); }));
  if (request.has_plan_tier()) wake_relay_();
  return ToProto(account);
}

absl::StatusOr<v1::ListLedgerEntriesResponse> AccountService::ListLedgerEntries(
    const v1::ListLedgerEntriesRequest& request) {
  GH_RETURN_IF_ERROR(CheckTenant(request.tenant_id()));
  if (request.page_size() < 0 || request.skip() < 0 || request.skip() > kSkipMax) {
    return Error(absl::StatusCode::kInvalidArgument, "REQUEST_INVALID",
                 "page_size must not be negative and skip must be in [0, 100000]");
  }
  const int limit =
      request.page_size() == 0 ? kPageSizeDefault : std::min(request.page_size(), kPageSizeMax);
  GH_ASSIGN_OR_RETURN(
      const LedgerPage page, db_.Read([&](pg::Tx& tx) -> absl::StatusOr<LedgerPage> {
        return billing::ListLedgerEntries(tx, request.tenant_id(), request.skip(), limit);
      }));
  v1::ListLedgerEntriesResponse response;
  response.set_total_size(page.total_size);
  for (const LedgerEntry& entry : page.entries) *response.add_entries() = ToProto(entry);
  return response;
}

absl::StatusOr<v1::AdjustBalanceResponse> AccountService::AdjustBalance(
    const v1::AdjustBalanceRequest& request) {
  GH_ASSIGN_OR_RETURN(const AdjustOrder order, CheckAdjust(request));
  return InMoneyTransaction(db_, "billing.adjust.commit", "billing.adjust.committed",
                            [&](pg::Tx& tx) { return AdjustOnce(tx, order); });
}

}  // namespace gatehouse::billing
