// The RPCs of gatehouse.billing.v1.AccountService. Not the rules (account.h), not what is
// booked by hand (adjustment.h) and not the SQL (*_store.h, account_list.h,
// ledger_export.h).
#pragma once

#include <functional>
#include <string>

#include "gatehouse/billing/v1/account.pb.h"
#include "libs/pg/database.h"
#include "libs/rpc/server.h"

namespace gatehouse::billing {

// Thread-safe.
class AccountService {
 public:
  // `db` must outlive this. `wake_relay` is called after a commit that appended to
  // the outbox.
  explicit AccountService(
      pg::Database& db, std::function<void()> wake_relay = [] {});

  rpc::Service& rpc() { return rpc_; }

  // See account.proto.
  absl::StatusOr<v1::Account> GetAccount(const v1::GetAccountRequest& request);
  absl::StatusOr<v1::Account> UpdateAccount(const v1::UpdateAccountRequest& request);
  absl::StatusOr<v1::ListLedgerEntriesResponse> ListLedgerEntries(
      const v1::ListLedgerEntriesRequest& request);
  absl::StatusOr<v1::ListAccountsResponse> ListAccounts(const v1::ListAccountsRequest& request);
  absl::StatusOr<v1::AccountsSummary> SummarizeAccounts();
  absl::StatusOr<v1::ExportLedgerResponse> ExportLedger(const v1::ExportLedgerRequest& request);
  // `actor`: id of the administrator who asks; empty for none.
  absl::StatusOr<v1::AdjustBalanceResponse> AdjustBalance(const v1::AdjustBalanceRequest& request,
                                                          const std::string& actor = "");
  absl::StatusOr<v1::AdjustBalanceResponse> ReverseEntry(const v1::ReverseEntryRequest& request,
                                                         const std::string& actor = "");

 private:
  void Register();

  pg::Database& db_;
  const std::function<void()> wake_relay_;
  rpc::Service rpc_;
};

}  // namespace gatehouse::billing
