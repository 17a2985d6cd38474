#include "services/billing/payment_store.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "libs/base/time_text.h"
#include "libs/pg/feed.h"
#include "services/billing/account_store.h"
#include "services/billing/low_balance.h"
#include "services/billing/money.h"

namespace gatehouse::billing {
namespace {

// Money moved without anybody of the tenant doing it here and now.
absl::Status TellMoved(pg::Tx& tx, const LedgerEntry& entry) {
  pg::Event event;
  event.tenant_id = entry.tenant_id;
  event.type = entry.entry_type == "dispute" ? "system.alert" : "system.notification";
  event.subject = absl::StrCat("account/", entry.tenant_id);
  event.data_json = absl::StrCat(R"({"kind":")", entry.entry_type, R"(","amount_cents":)",
                                 FloorCents(entry.amount_nanos), R"(,"balance_cents":)",
                                 FloorCents(entry.balance_after_nanos), R"(,"ledger_entry_id":")",
                                 entry.id, R"("})");
  return pg::AppendEvent(tx, "billing", event);
}

absl::StatusOr<LedgerEntry> PostAndTell(pg::Tx& tx, const Posting& posting, Account* account) {
  const std::int64_t settled_before_nanos = account->settled_nanos;
  LedgerEntry entry = Post(tx, posting, account);
  GH_RETURN_IF_ERROR(TellLowBalance(tx, settled_before_nanos, *account));
  GH_RETURN_IF_ERROR(TellMoved(tx, entry));
  return entry;
}

// One at a time is told of a payment, also of one that has no row yet.
void LockPayment(pg::Tx& tx, const std::string& payment_intent_id) {
  static constexpr char kLock[] =
      "SELECT pg_advisory_xact_lock(hashtextextended('billing.payment ' || $1, 0))";
  tx.exec_params(kLock, payment_intent_id);
}

bool InsertPayment(pg::Tx& tx, const Payment& payment) {
  static constexpr char kInsert[] = R"(
INSERT INTO billing.stripe_payments (payment_intent_id, tenant_id, entry_id, amount_nanos)
VALUES ($1, $2, '00000000-0000-0000-0000-000000000000', $3)
ON CONFLICT (payment_intent_id) DO NOTHING)";
  return tx.exec_params(kInsert, payment.payment_intent_id, payment.tenant_id, payment.amount_nanos)
             .affected_rows() == 1;
}

void SaveEntry(pg::Tx& tx, const std::string& payment_intent_id, const std::string& entry_id) {
  static constexpr char kSave[] = R"(
UPDATE billing.stripe_payments SET entry_id = $2::uuid WHERE payment_intent_id = $1)";
  tx.exec_params(kSave, payment_intent_id, entry_id);
}

// A payment whose account is locked.
struct CreditedPayment {
  std::string entry_id;
  std::int64_t amount_nanos = 0;
  std::int64_t refunded_nanos = 0;  // As Stripe told, as is the next.
  std::int64_t disputed_nanos = 0;  // Withdrawn and not reinstated.
  std::int64_t by_hand_nanos = 0;   // Reversed by administrators.
  std::int64_t moved_nanos = 0;     // Taken for refunds and disputes, and not given back.
  Account account;

  // What of it the tenant must not have for what Stripe told. It depends on what is so,
  // not on the order in which it was told.
  std::int64_t Taken() const {
    return std::min(amount_nanos - by_hand_nanos, refunded_nanos + disputed_nanos);
  }
};

// nullopt for one that was not credited. The payment must be locked.
std::optional<CreditedPayment> LockCredited(pg::Tx& tx, const std::string& payment_intent_id) {
  // An entry of the chain takes back the payment, or something that did, and so on.
  static constexpr char kFind[] = R"(
WITH RECURSIVE chain AS (
  SELECT e.id, e.entry_type = 'reversal' AS is_by_hand,
    CASE e.credit_account WHEN 'reserve' THEN -e.amount_nanos ELSE e.amount_nanos END AS taken
  FROM billing.stripe_payments p JOIN billing.ledger_entries e ON e.reverses = p.entry_id
  WHERE p.payment_intent_id = $1
  UNION
  SELECT e.id, c.is_by_hand,
    CASE e.credit_account WHEN 'reserve' THEN -e.amount_nanos ELSE e.amount_nanos END
  FROM chain c JOIN billing.ledger_entries e ON e.reverses = c.id)
SELECT p.entry_id, p.amount_nanos,
  coalesce((SELECT greatest(r.refunded_nanos - coalesce((
              SELECT sum(f.amount_nanos) FROM billing.stripe_failed_refunds f
              WHERE f.payment_intent_id = $1 AND f.stripe_time >= r.stripe_time), 0), 0)
            FROM billing.stripe_refunds r WHERE r.payment_intent_id = $1), 0)::bigint AS refunded,
  coalesce((SELECT sum(d.amount_nanos) FROM billing.stripe_disputes d
            WHERE d.payment_intent_id = $1 AND d.is_withdrawn AND NOT d.is_reinstated),
    0)::bigint AS disputed,
  coalesce((SELECT sum(taken) FROM chain WHERE is_by_hand), 0)::bigint AS by_hand,
  coalesce((SELECT sum(taken) FROM chain WHERE NOT is_by_hand), 0)::bigint AS moved
FROM billing.stripe_payments p WHERE p.payment_intent_id = $1)";
  const std::optional<std::int64_t> tenant_id = FindPayer(tx, payment_intent_id);
  if (!tenant_id) return std::nullopt;
  CreditedPayment payment;
  payment.account = LockAccount(tx, *tenant_id);
  const pqxx::row row = tx.exec_params(kFind, payment_intent_id).at(0);
  payment.entry_id = row["entry_id"].as<std::string>();
  payment.amount_nanos = row["amount_nanos"].as<std::int64_t>();
  payment.refunded_nanos = row["refunded"].as<std::int64_t>();
  payment.disputed_nanos = row["disputed"].as<std::int64_t>();
  payment.by_hand_nanos = row["by_hand"].as<std::int64_t>();
  payment.moved_nanos = row["moved"].as<std::int64_t>();
  return payment;
}

// Books the difference between what was to be taken of a payment before and what is now.
// What administrators have booked meanwhile bounds it both ways.
absl::StatusOr<TakenBack> BookDifference(pg::Tx& tx, const CreditedPayment& before,
                                         const std::string& payment_intent_id, Posting posting) {
  std::optional<CreditedPayment> now = LockCredited(tx, payment_intent_id);
  TakenBack result{.tenant_id = now->account.tenant_id};
  const std::int64_t left_nanos = now->amount_nanos - now->by_hand_nanos - now->moved_nanos;
  posting.amount_nanos =
      std::clamp(before.Taken() - now->Taken(), -std::max<std::int64_t>(left_nanos, 0),
                 std::max<std::int64_t>(now->moved_nanos, 0));
  if (posting.amount_nanos == 0) return result;
  if (posting.reverses.empty()) posting.reverses = now->entry_id;
  GH_ASSIGN_OR_RETURN(result.entry, PostAndTell(tx, posting, &now->account));
  return result;
}

struct KeptDispute {
  std::string dispute_id;
  std::int64_t amount_nanos = 0;
  bool is_withdrawn = false;
  bool is_reinstated = false;
  std::string withdrawn_entry_id;
};

KeptDispute DisputeFromRow(const pqxx::row& row) {
  return KeptDispute{
      .dispute_id = row["dispute_id"].as<std::string>(),
      .amount_nanos = row["amount_nanos"].as<std::int64_t>(),
      .is_withdrawn = row["is_withdrawn"].as<bool>(),
      .is_reinstated = row["is_reinstated"].as<bool>(),
      .withdrawn_entry_id = pg::Optional<std::string>(row["withdrawn_entry_id"]).value_or("")};
}

// The dispute of a locked payment; made when it is new.
absl::StatusOr<KeptDispute> TakeDispute(pg::Tx& tx, const Dispute& dispute) {
  static constexpr char kInsert[] = R"(
INSERT INTO billing.stripe_disputes (dispute_id, payment_intent_id, amount_nanos)
VALUES ($1, $2, $3) ON CONFLICT (dispute_id) DO NOTHING)";
  static constexpr char kFind[] = R"(
SELECT dispute_id, amount_nanos, is_withdrawn, is_reinstated, withdrawn_entry_id,
  payment_intent_id
FROM billing.stripe_disputes WHERE dispute_id = $1)";
  tx.exec_params(kInsert, dispute.dispute_id, dispute.payment_intent_id, dispute.amount_nanos);
  const pqxx::row row = tx.exec_params(kFind, dispute.dispute_id).at(0);
  if (row["payment_intent_id"].as<std::string>() != dispute.payment_intent_id) {
    return Error(absl::StatusCode::kFailedPrecondition, "DISPUTE_OF_ANOTHER_PAYMENT",
                 "the dispute is known as one of another payment");
  }
  return DisputeFromRow(row);
}

// Empty ids leave the entries as they are.
void SaveDispute(pg::Tx& tx, const KeptDispute& dispute, const std::string& withdrawn_entry_id,
                 const std::string& reinstated_entry_id) {
  static constexpr char kSave[] = R"(
UPDATE billing.stripe_disputes SET is_withdrawn = $2, is_reinstated = $3,
  withdrawn_entry_id = coalesce(nullif($4, '')::uuid, withdrawn_entry_id),
  reinstated_entry_id = coalesce(nullif($5, '')::uuid, reinstated_entry_id)
WHERE dispute_id = $1)";
  tx.exec_params(kSave, dispute.dispute_id, dispute.is_withdrawn, dispute.is_reinstated,
                 withdrawn_entry_id, reinstated_entry_id);
}

Posting RefundPosting(const std::string& payment_intent_id, const std::string& stripe_event_id) {
  return {.entry_type = "refund",
          .counter_account = kStripeClearing,
          .notes = "refund of Stripe payment " + payment_intent_id,
          .stripe_event_id = stripe_event_id};
}

Posting DisputePosting(const std::string& dispute_id, const std::string& payment_intent_id,
                       const std::string& stripe_event_id) {
  return {.entry_type = "dispute",
          .counter_account = kStripeClearing,
          .notes = absl::StrCat("dispute ", dispute_id, " of Stripe payment ", payment_intent_id),
          .stripe_event_id = stripe_event_id};
}

// Takes back of a payment that has just been credited what was told of it before.
absl::Status TakeBackTold(pg::Tx& tx, const Payment& credited) {
  static constexpr char kOpen[] = R"(
SELECT dispute_id, amount_nanos, is_withdrawn, is_reinstated, withdrawn_entry_id
FROM billing.stripe_disputes
WHERE payment_intent_id = $1 AND is_withdrawn AND NOT is_reinstated ORDER BY dispute_id)";
  const std::string& id = credited.payment_intent_id;
  CreditedPayment payment = *LockCredited(tx, id);
  std::int64_t left_nanos = payment.amount_nanos;
  const auto take = [&](std::int64_t amount_nanos, Posting posting) -> absl::StatusOr<std::string> {
    posting.amount_nanos = -std::min(amount_nanos, left_nanos);
    if (posting.amount_nanos == 0) return "";
    left_nanos += posting.amount_nanos;
    posting.reverses = payment.entry_id;
    GH_ASSIGN_OR_RETURN(const LedgerEntry entry, PostAndTell(tx, posting, &payment.account));
    return entry.id;
  };
  GH_RETURN_IF_ERROR(
      take(payment.refunded_nanos, RefundPosting(id, credited.stripe_event_id)).status());
  for (const pqxx::row& row : tx.exec_params(kOpen, id)) {
    const KeptDispute dispute = DisputeFromRow(row);
    GH_ASSIGN_OR_RETURN(const std::string entry_id,
                        take(dispute.amount_nanos,
                             DisputePosting(dispute.dispute_id, id, credited.stripe_event_id)));
    SaveDispute(tx, dispute, entry_id, "");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::optional<LedgerEntry>> CreditPayment(pg::Tx& tx, const Payment& payment) {
  using Credited = std::optional<LedgerEntry>;
  LockPayment(tx, payment.payment_intent_id);
  Account account = LockAccount(tx, payment.tenant_id);
  if (!InsertPayment(tx, payment)) return Credited();
  const Posting posting{.entry_type = payment.entry_type,
                        .counter_account = kStripeClearing,
                        .amount_nanos = payment.amount_nanos,
                        .notes = payment.notes,
                        .stripe_event_id = payment.stripe_event_id};
  GH_ASSIGN_OR_RETURN(LedgerEntry entry, PostAndTell(tx, posting, &account));
  SaveEntry(tx, payment.payment_intent_id, entry.id);
  GH_RETURN_IF_ERROR(TakeBackTold(tx, payment));
  return Credited(std::move(entry));
}

std::optional<std::int64_t> FindPayer(pg::Tx& tx, const std::string& payment_intent_id) {
  static constexpr char kFind[] = R"(
SELECT tenant_id FROM billing.stripe_payments WHERE payment_intent_id = $1)";
  const pqxx::result rows = tx.exec_params(kFind, payment_intent_id);
  if (rows.empty()) return std::nullopt;
  return rows[0][0].as<std::int64_t>();
}

absl::StatusOr<TakenBack> BookRefund(pg::Tx& tx, const Refund& refund) {
  // Of what Stripe told in one second the most is the latest, but for failures.
  static constexpr char kSave[] = R"(
INSERT INTO billing.stripe_refunds AS r (payment_intent_id, refunded_nanos, stripe_time)
VALUES ($1, $2, to_timestamp($3::bigint / 1000000.0))
ON CONFLICT (payment_intent_id) DO UPDATE
SET refunded_nanos = excluded.refunded_nanos, stripe_time = excluded.stripe_time
WHERE (r.stripe_time, r.refunded_nanos) < (excluded.stripe_time, excluded.refunded_nanos))";
  LockPayment(tx, refund.payment_intent_id);
  const std::optional<CreditedPayment> before = LockCredited(tx, refund.payment_intent_id);
  tx.exec_params(kSave, refund.payment_intent_id, refund.refunded_nanos, ToMicros(refund.told));
  if (!before) return TakenBack{};
  return BookDifference(tx, *before, refund.payment_intent_id,
                        RefundPosting(refund.payment_intent_id, refund.stripe_event_id));
}

absl::StatusOr<TakenBack> BookFailedRefund(pg::Tx& tx, const FailedRefund& refund) {
  static constexpr char kSave[] = R"(
INSERT INTO billing.stripe_failed_refunds (refund_id, payment_intent_id, amount_nanos, stripe_time)
VALUES ($1, $2, $3, to_timestamp($4::bigint / 1000000.0)) ON CONFLICT (refund_id) DO NOTHING)";
  LockPayment(tx, refund.payment_intent_id);
  const std::optional<CreditedPayment> before = LockCredited(tx, refund.payment_intent_id);
  tx.exec_params(kSave, refund.refund_id, refund.payment_intent_id, refund.amount_nanos,
                 ToMicros(refund.told));
  if (!before) return TakenBack{};
  Posting posting = RefundPosting(refund.payment_intent_id, refund.stripe_event_id);
  posting.notes = absl::StrCat("failed refund ", refund.refund_id, " of Stripe payment ",
                               refund.payment_intent_id);
  return BookDifference(tx, *before, refund.payment_intent_id, posting);
}

absl::StatusOr<TakenBack> BookWithdrawal(pg::Tx& tx, const Dispute& dispute) {
  LockPayment(tx, dispute.payment_intent_id);
  const std::optional<CreditedPayment> before = LockCredited(tx, dispute.payment_intent_id);
  GH_ASSIGN_OR_RETURN(KeptDispute kept, TakeDispute(tx, dispute));
  if (!kept.is_withdrawn) {
    kept.is_withdrawn = true;
    SaveDispute(tx, kept, "", "");
  }
  if (!before) return TakenBack{};
  GH_ASSIGN_OR_RETURN(TakenBack taken,
                      BookDifference(tx, *before, dispute.payment_intent_id,
                                     DisputePosting(dispute.dispute_id, dispute.payment_intent_id,
                                                    dispute.stripe_event_id)));
  if (taken.entry) SaveDispute(tx, kept, taken.entry->id, "");
  return taken;
}

absl::StatusOr<TakenBack> BookReinstatement(pg::Tx& tx, const Dispute& dispute) {
  LockPayment(tx, dispute.payment_intent_id);
  const std::optional<CreditedPayment> before = LockCredited(tx, dispute.payment_intent_id);
  GH_ASSIGN_OR_RETURN(KeptDispute kept, TakeDispute(tx, dispute));
  if (!kept.is_reinstated) {
    kept.is_reinstated = true;
    SaveDispute(tx, kept, "", "");
  }
  if (!before) return TakenBack{};
  Posting posting =
      DisputePosting(dispute.dispute_id, dispute.payment_intent_id, dispute.stripe_event_id);
  posting.notes += " was won";
  posting.reverses = kept.withdrawn_entry_id;
  GH_ASSIGN_OR_RETURN(TakenBack taken,
                      BookDifference(tx, *before, dispute.payment_intent_id, posting));
  if (taken.entry) SaveDispute(tx, kept, "", taken.entry->id);
  return taken;
}

}  // namespace gatehouse::billing
