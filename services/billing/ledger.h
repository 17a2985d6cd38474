// Double entry: a posting moves money between a tenant's reserve and another account.
// Pure. Not the SQL (ledger_store.h).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "services/billing/account.h"

namespace gatehouse::billing {

// The accounts on the other side of a tenant's reserve. What a tenant owes stands on a
// further account, "debt", which only Book moves.
inline constexpr char kRevenue[] = "revenue";
inline constexpr char kStripeClearing[] = "stripe_clearing";
inline constexpr char kPromotions[] = "promotions";
inline constexpr char kAdjustments[] = "adjustments";

struct Posting {
  std::string entry_type;         // topup, usage, refund, adjustment, …: as the table allows.
  std::string counter_account;    // One of the above.
  std::int64_t amount_nanos = 0;  // Into the reserve; negative: out of it. Not 0.
  std::string notes;              // For people.
  std::string job_id = {};        // UUID; only of usage.
  int price_version = 0;          // Only of usage.
  std::string reverses = {};      // The entry that is taken back.
  std::string actor = {};         // Id of the administrator who books it by hand.
  std::string stripe_event_id = {};
};

// A row of the ledger. Empty texts and zero versions are NULL, but for notes.
struct LedgerRow {
  std::string id;  // UUIDv7
  std::int64_t tenant_id = 0;
  std::int64_t entry_number = 0;  // 1, 2, 3… of the tenant; 0 for a row of type debt.
  std::string debit_account;
  std::string credit_account;
  std::int64_t amount_nanos = 0;  // Positive.
  std::int64_t balance_after_nanos = 0;
  std::string cause_id;  // Of a debt row: the entry that led to it.
  Posting posting;       // Type and the rest.
};

// Books a posting on an account and appends its rows: the entry, and, when the tenant's
// debt grows or shrinks by it, the transfer between debt and reserve that keeps the
// reserve at zero or above. Returns the entry's id.
std::string Book(const Posting& posting, Account* account, std::vector<LedgerRow>* rows);

}  // namespace gatehouse::billing
