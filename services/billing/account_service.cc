#include "services/billing/account_service.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "gatehouse/billing/v1/account.methods.h"
#include "services/billing/account.h"
#include "services/billing/account_list.h"
#include "services/billing/account_store.h"
#include "services/billing/adjustment.h"
#include "services/billing/ledger_export.h"
#include "services/billing/ledger_request.h"
#include "services/billing/ledger_store.h"
#include "services/billing/messages.h"
#include "services/billing/money_transaction.h"
#include "services/billing/request_check.h"
#include "services/billing/tier_delivery.h"

namespace gatehouse::billing {
namespace {

constexpr int kPageSizeDefault = 50;
constexpr int kPageSizeMax = 1000;
constexpr int kSkipMax = 100000;

}  // namespace

AccountService::AccountService(pg::Database& db, std::function<void()> wake_relay)
    : db_(db), wake_relay_(std::move(wake_relay)), rpc_(v1::AccountService::kFullName) {
  Register();
}

void AccountService::Register() {
  using Api = v1::AccountService;
  const rpc::Policy gateway{.callers = {"gateway"}};
  rpc_.Unary(Api::kGetAccount, {.callers = {"gateway", "jobs"}},
             [this](rpc::Call&, const v1::GetAccountRequest& r) { return GetAccount(r); })
      .Unary(Api::kUpdateAccount, gateway,
             [this](rpc::Call&, const v1::UpdateAccountRequest& r) { return UpdateAccount(r); })
      .Unary(Api::kListAccounts, gateway,
             [this](rpc::Call&, const v1::ListAccountsRequest& r) { return ListAccounts(r); })
      .Unary(
          Api::kSummarizeAccounts, gateway,
          [this](rpc::Call&, const v1::SummarizeAccountsRequest&) { return SummarizeAccounts(); })
      .Unary(Api::kListLedgerEntries, gateway,
             [this](rpc::Call&, const v1::ListLedgerEntriesRequest& r) {
               return ListLedgerEntries(r);
             })
      .Unary(Api::kExportLedger, gateway,
             [this](rpc::Call&, const v1::ExportLedgerRequest& r) { return ExportLedger(r); })
      .Unary(Api::kAdjustBalance, gateway,
             [this](rpc::Call& call, const v1::AdjustBalanceRequest& r) {
               return AdjustBalance(r, call.principal().user_id());
             })
      .Unary(Api::kReverseEntry, gateway,
             [this](rpc::Call& call, const v1::ReverseEntryRequest& r) {
               return ReverseEntry(r, call.principal().user_id());
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
  GH_ASSIGN_OR_RETURN(const AccountChange change, CheckUpdate(request));
  const auto update = [&](pg::Tx& tx) -> absl::StatusOr<Account> {
    Account account = LockAccount(tx, change.tenant_id);
    change.ApplyTo(&account);
    if (change.changes_settings()) SaveSettings(tx, account);
    if (change.plan_tier && account.ChangeTier(*change.plan_tier)) {
      SaveTier(tx, account);
      GH_RETURN_IF_ERROR(AppendTier(tx, account));
    }
    return account;
  };
  // Done twice, it changes nothing the second time.
  GH_ASSIGN_OR_RETURN(const Account account,
                      pg::RepeatInDoubt([&] { return db_.InTransaction(update); }));
  if (change.plan_tier) wake_relay_();
  return ToProto(account);
}

absl::StatusOr<v1::ListAccountsResponse> AccountService::ListAccounts(
    const v1::ListAccountsRequest& request) {
  GH_ASSIGN_OR_RETURN(const ListOrder order, CheckList(request));
  struct Page {
    std::vector<Account> accounts;
    std::int64_t total = 0;
  };
  // One more than asked for shows whether there is a next page.
  GH_ASSIGN_OR_RETURN(Page page, db_.Read([&](pg::Tx& tx) -> absl::StatusOr<Page> {
    return Page{billing::ListAccounts(tx, order.after_tenant_id, order.low_only, order.limit + 1),
                CountAccounts(tx, order.low_only)};
  }));
  v1::ListAccountsResponse response;
  if (page.accounts.size() > static_cast<std::size_t>(order.limit)) {
    page.accounts.resize(order.limit);
    response.set_next_page_token(ListToken(page.accounts.back().tenant_id));
  }
  for (const Account& account : page.accounts) *response.add_accounts() = ToProto(account);
  response.set_total_size(page.total);
  return response;
}

absl::StatusOr<v1::AccountsSummary> AccountService::SummarizeAccounts() {
  GH_ASSIGN_OR_RETURN(
      const AccountSums sums,
      db_.Read([](pg::Tx& tx) -> absl::StatusOr<AccountSums> { return SumAccounts(tx); }));
  v1::AccountsSummary summary;
  summary.set_account_count(sums.accounts);
  *summary.mutable_settled() = ToMoney(sums.settled_nanos);
  *summary.mutable_held() = ToMoney(sums.held_nanos);
  *summary.mutable_debt() = ToMoney(sums.debt_nanos);
  summary.set_low_count(sums.low);
  summary.set_negative_count(sums.negative);
  return summary;
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

absl::StatusOr<v1::ExportLedgerResponse> AccountService::ExportLedger(
    const v1::ExportLedgerRequest& request) {
  GH_ASSIGN_OR_RETURN(const ExportOrder order, CheckExport(request));
  GH_ASSIGN_OR_RETURN(const ExportPage page,
                      db_.Read([&](pg::Tx& tx) { return billing::ExportLedger(tx, order); }));
  v1::ExportLedgerResponse response;
  for (const LedgerEntry& entry : page.entries) *response.add_entries() = ToProto(entry);
  if (!page.last_id.empty()) response.set_next_page_token(ExportToken(page.last_id));
  return response;
}

absl::StatusOr<v1::AdjustBalanceResponse> AccountService::AdjustBalance(
    const v1::AdjustBalanceRequest& request, const std::string& actor) {
  GH_ASSIGN_OR_RETURN(const AdjustOrder order, CheckAdjust(request));
  return InMoneyTransaction(db_, "billing.adjust.commit", "billing.adjust.committed",
                            [&](pg::Tx& tx) { return AdjustOnce(tx, order, actor); });
}

absl::StatusOr<v1::AdjustBalanceResponse> AccountService::ReverseEntry(
    const v1::ReverseEntryRequest& request, const std::string& actor) {
  GH_ASSIGN_OR_RETURN(const ReverseOrder order, CheckReverse(request));
  return InMoneyTransaction(db_, "billing.reverse.commit", "billing.reverse.committed",
                            [&](pg::Tx& tx) { return ReverseOnce(tx, order, actor); });
}

}  // namespace gatehouse::billing
