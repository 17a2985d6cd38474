// What staff book by hand: adjustments, and reversals of entries. Each under a key, of
// which the first answer is kept. Not the checks of the requests (ledger_request.h).
#pragma once

#include <string>

#include "gatehouse/billing/v1/account.pb.h"
#include "libs/pg/database.h"
#include "services/billing/ledger_request.h"
#include "services/billing/request_check.h"

namespace gatehouse::billing {

// Both run in a transaction, which locks one account, and find by the key what they have
// done already. `actor`: id of the administrator; empty for none. ALREADY_EXISTS /
// IDEMPOTENCY_KEY_REUSED when the key belongs to another request.
absl::StatusOr<v1::AdjustBalanceResponse> AdjustOnce(pg::Tx& tx, const AdjustOrder& order,
                                                     const std::string& actor);

// NOT_FOUND / ENTRY_NOT_FOUND, FAILED_PRECONDITION / ENTRY_IS_REVERSAL or ENTRY_REVERSED
// (metadata left_nanos).
absl::StatusOr<v1::AdjustBalanceResponse> ReverseOnce(pg::Tx& tx, const ReverseOrder& order,
                                                      const std::string& actor);

}  // namespace gatehouse::billing
