#include "services/billing/ledger.h"

#include <algorithm>

#include "libs/base/uuid.h"

namespace gatehouse::billing {
namespace {

constexpr char kReserve[] = "reserve";
constexpr char kDebt[] = "debt";

std::int64_t DebtOf(std::int64_t settled_nanos) {
  return std::max<std::int64_t>(-settled_nanos, 0);
}

// `amount_nanos` into the reserve, or out of it when negative.
LedgerRow Transfer(const Account& account, const char* other, std::int64_t amount_nanos) {
  LedgerRow row;
  row.id = UuidV7();
  row.tenant_id = account.tenant_id;
  row.debit_account = amount_nanos > 0 ? other : kReserve;
  row.credit_account = amount_nanos > 0 ? kReserve : other;
  row.amount_nanos = amount_nanos > 0 ? amount_nanos : -amount_nanos;
  row.balance_after_nanos = account.settled_nanos;
  return row;
}

}  // namespace

std::string Book(const Posting& posting, Account* account, std::vector<LedgerRow>* rows) {
  const std::int64_t debt_before = DebtOf(account->settled_nanos);
  account->settled_nanos += posting.amount_nanos;
  ++account->entry_count;
  LedgerRow entry = Transfer(*account, posting.counter_account.c_str(), posting.amount_nanos);
  entry.entry_number = account->entry_count;
  entry.posting = posting;
  std::string id = entry.id;
  rows->push_back(std::move(entry));
  const std::int64_t lent = DebtOf(account->settled_nanos) - debt_before;
  if (lent == 0) return id;
  LedgerRow debt = Transfer(*account, kDebt, lent);
  debt.posting.entry_type = kDebt;
  debt.cause_id = id;
  rows->push_back(std::move(debt));
  return id;
}

}  // namespace gatehouse::billing
