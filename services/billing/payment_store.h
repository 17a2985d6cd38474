// Money that came in through Stripe and what was taken back of it: each payment is
// credited once, whoever tells of it first. Every function runs in the caller's
// transaction and locks the tenant's account itself.
#pragma once

#include <optional>
#include <string>

#include "libs/pg/database.h"
#include "services/billing/ledger_store.h"

namespace gatehouse::billing {

struct Payment {
  std::string payment_intent_id;  // "pi_…"
  std::int64_t tenant_id = 0;
  std::int64_t amount_nanos = 0;
  std::string entry_type;  // topup or auto_topup
  std::string notes;
  std::string stripe_event_id = {};  // Empty when the API's own answer told.
};

// Books a payment from stripe_clearing into the reserve. nullopt, and nothing changed,
// when this payment was credited before.
absl::StatusOr<std::optional<LedgerEntry>> CreditPayment(pg::Tx& tx, const Payment& payment);

// Whose payment it is; nullopt for one that was never credited.
std::optional<std::int64_t> FindPayer(pg::Tx& tx, const std::string& payment_intent_id);

// What came of a refund or a dispute. Together they never take back more than the payment.
struct TakenBack {
  std::int64_t tenant_id = 0;
  std::optional<LedgerEntry> entry = {};  // nullopt: there was nothing to move.
};

// Takes back what was refunded of a payment: `refunded_nanos` is all of it so far, so that
// what is told twice or late changes nothing. The payment must be there.
absl::StatusOr<TakenBack> BookRefund(pg::Tx& tx, const std::string& payment_intent_id,
                                     std::int64_t refunded_nanos,
                                     const std::string& stripe_event_id);

struct Dispute {
  std::string dispute_id;  // "dp_…"
  std::string payment_intent_id;
  std::int64_t amount_nanos = 0;
  std::string stripe_event_id;
};

// Stripe has withdrawn disputed money, or has given it back. Each is booked once per
// dispute; when both have come, in either order, nothing is taken back. The payment must
// be there.
absl::StatusOr<TakenBack> BookWithdrawal(pg::Tx& tx, const Dispute& dispute);
absl::StatusOr<TakenBack> BookReinstatement(pg::Tx& tx, const Dispute& dispute);

}  // namespace gatehouse::billing
