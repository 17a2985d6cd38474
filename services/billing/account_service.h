// The RPCs of gatehouse.billing.v1.AccountService. Not the rules (account.h) and
// not the SQL (account_store.h, ledger_store.h).
#pragma once

#include <functional>

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
  absl::StatusOr<v1::AdjustBalanceResponse> AdjustBalance(const v1::AdjustBalanceRequest& request);

 private:
  pg::Database& db_;
  const std::function<void()> wake_relay_;
  rpc::Service rpc_;
};

}  // namespace gatehouse::billing
