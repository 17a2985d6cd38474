// An automatic top-up was declined: what follows is the same whoever tells of it first,
// the answer of Stripe's API or its event. Not why (charge_outcome.h), nor the SQL
// (auto_topup_store.h).
#pragma once

#include <cstdint>
#include <string>

#include "libs/pg/database.h"

namespace gatehouse::billing {

struct TopupFailure {
  std::string topup_id;
  std::int64_t tenant_id = 0;
  std::int64_t amount_nanos = 0;
  std::string payment_intent_id;  // Empty when Stripe names none.
  std::string why;                // Stripe's code.
  bool is_final = false;          // Another try is no use.
  bool is_told = true;            // To the tenant.
};

// Notes it in the caller's transaction, and switches automatic top-ups off when it is final
// or the last of too many in a row. Told is only what is new: the tenant gets a notice and,
// when they were switched off, an alert. Locks the account.
absl::Status BookTopupFailure(pg::Tx& tx, const TopupFailure& failure);

}  // namespace gatehouse::billing
