// Tells a tenant that what is booked on its account has fallen below the threshold: an
// event of billing's feed at each crossing, and mail at most once in an hour. Not the
// refusal of what cannot be paid (account.h).
#pragma once

#include <cstdint>

#include "libs/pg/database.h"
#include "services/billing/account.h"

namespace gatehouse::billing {

// In the transaction that moved the account's settled balance from
// `settled_before_nanos` to what it is now. Nothing unless that crossed the threshold
// downwards. The account must be locked.
absl::Status TellLowBalance(pg::Tx& tx, std::int64_t settled_before_nanos, const Account& account);

}  // namespace gatehouse::billing
