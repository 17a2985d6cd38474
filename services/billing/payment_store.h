// Money that came in through Stripe and what was taken back of it: each payment is
// credited once, whoever tells of it first, and what was refunded or disputed is kept also
// when it is told before the credit, which then finds it. Every function runs in the
// caller's transaction and locks the payment (by its id, for it may have no row) and then
// the tenant's account: the caller holds neither an account nor another payment.
#pragma once

#include <optional>
#include <string>

#include "libs/base/clock.h"
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

// Books a payment from stripe_clearing into the reserve; and takes back what had been
// refunded or disputed of it. nullopt, and nothing changed, when this payment was credited
// before.
absl::StatusOr<std::optional<LedgerEntry>> CreditPayment(pg::Tx& tx, const Payment& payment);

// Whose payment it is; nullopt for one that was never credited. Locks nothing.
std::optional<std::int64_t> FindPayer(pg::Tx& tx, const std::string& payment_intent_id);

// What came of a refund or a dispute. With what was reversed by hand they never take back
// more than the payment, and never give back more than they took.
struct TakenBack {
  std::int64_t tenant_id = 0;             // 0: the payment has not been credited.
  std::optional<LedgerEntry> entry = {};  // nullopt: there was nothing to move.
};

struct Refund {
  std::string payment_intent_id;
  std::int64_t refunded_nanos = 0;  // All of it so far.
  Time told;                        // When that was so, at Stripe.
  std::string stripe_event_id;
};

// Takes back what was refunded of a payment. What is told twice or late changes nothing.
absl::StatusOr<TakenBack> BookRefund(pg::Tx& tx, const Refund& refund);

struct FailedRefund {
  std::string refund_id;  // "re_…"
  std::string payment_intent_id;
  std::int64_t amount_nanos = 0;
  Time told;
  std::string stripe_event_id;
};

// A refund has failed, once per refund: its money is back at Stripe, and the payment's sum
// of refunds is without it from then on. Gives back what was taken for it.
absl::StatusOr<TakenBack> BookFailedRefund(pg::Tx& tx, const FailedRefund& refund);

struct Dispute {
  std::string dispute_id;  // "dp_…"
  std::string payment_intent_id;
  std::int64_t amount_nanos = 0;
  std::string stripe_event_id;
};

// Stripe has withdrawn disputed money, or has given it back. Each is booked once per
// dispute; when both have come, in either order, nothing is taken back.
// FAILED_PRECONDITION / DISPUTE_OF_ANOTHER_PAYMENT.
absl::StatusOr<TakenBack> BookWithdrawal(pg::Tx& tx, const Dispute& dispute);
absl::StatusOr<TakenBack> BookReinstatement(pg::Tx& tx, const Dispute& dispute);

}  // namespace gatehouse::billing
