#include "services/billing/payment_store.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
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

// False when its row is there: of two that tell of a payment at once, the second waits
// here for the first, whichever tenants they name.
bool TakePayment(pg::Tx& tx, const Payment& payment) {
  static constexpr char kTake[] = R"(
INSERT INTO billing.stripe_payments (payment_intent_id, tenant_id, entry_id, amount_nanos)
VALUES ($1, $2, '00000000-0000-0000-0000-000000000000', $3)
ON CONFLICT (payment_intent_id) DO NOTHING)";
  return tx.exec_params(kTake, payment.payment_intent_id, payment.tenant_id, payment.amount_nanos)
             .affected_rows() == 1;
}

void SaveEntry(pg::Tx& tx, const std::string& payment_intent_id, const std::string& entry_id) {
  static constexpr char kSave[] = R"(
UPDATE billing.stripe_payments SET entry_id = $2::uuid WHERE payment_intent_id = $1)";
  tx.exec_params(kSave, payment_intent_id, entry_id);
}

// A payment whose account is locked, which guards everything that belongs to it.
struct LockedPayment {
  std::string id;
  std::string entry_id;
  std::int64_t amount_nanos = 0;
  std::int64_t refunded_nanos = 0;
  std::int64_t disputed_nanos = 0;  // Withdrawn and not reinstated.
  Account account;

  // What of it the tenant must not have. It depends on what is so, not on the order in
  // which it was told.
  std::int64_t Taken() const { return std::min(amount_nanos, refunded_nanos + disputed_nanos); }
};

absl::StatusOr<LockedPayment> LockPayment(pg::Tx& tx, const std::string& payment_intent_id) {
  static constexpr char kFind[] = R"(
SELECT p.entry_id, p.amount_nanos, p.refunded_nanos,
  coalesce((SELECT sum(d.amount_nanos) FROM billing.stripe_disputes d
            WHERE d.payment_intent_id = p.payment_intent_id
              AND d.is_withdrawn AND NOT d.is_reinstated), 0)::bigint AS disputed_nanos
FROM billing.stripe_payments p WHERE p.payment_intent_id = $1)";
  const std::optional<std::int64_t> tenant_id = FindPayer(tx, payment_intent_id);
  if (!tenant_id) {
    return Error(absl::StatusCode::kNotFound, "PAYMENT_NOT_FOUND",
                 "the payment has not been credited");
  }
  LockedPayment payment;
  payment.id = payment_intent_id;
  payment.account = LockAccount(tx, *tenant_id);
  const pqxx::row row = tx.exec_params(kFind, payment_intent_id).at(0);
  payment.entry_id = row["entry_id"].as<std::string>();
  payment.amount_nanos = row["amount_nanos"].as<std::int64_t>();
  payment.refunded_nanos = row["refunded_nanos"].as<std::int64_t>();
  payment.disputed_nanos = row["disputed_nanos"].as<std::int64_t>();
  return payment;
}

// Books the difference between what was taken of a payment and what is to be taken now.
absl::StatusOr<TakenBack> BookDifference(pg::Tx& tx, std::int64_t taken_before_nanos,
                                         Posting posting, LockedPayment* payment) {
  TakenBack result{.tenant_id = payment->account.tenant_id};
  posting.amount_nanos = taken_before_nanos - payment->Taken();
  if (posting.amount_nanos == 0) return result;
  GH_ASSIGN_OR_RETURN(result.entry, PostAndTell(tx, posting, &payment->account));
  return result;
}

struct DisputeState {
  bool is_withdrawn = false;
  bool is_reinstated = false;
  std::int64_t amount_nanos = 0;
  std::string withdrawn_entry_id;

  std::int64_t Open() const { return is_withdrawn && !is_reinstated ? amount_nanos : 0; }
};

// The dispute of a locked payment; made when it is new.
absl::StatusOr<DisputeState> TakeDispute(pg::Tx& tx, const Dispute& dispute,
                                         std::int64_t tenant_id) {
  static constexpr char kInsert[] = R"(
INSERT INTO billing.stripe_disputes (dispute_id, payment_intent_id, tenant_id, amount_nanos)
VALUES ($1, $2, $3, $4) ON CONFLICT (dispute_id) DO NOTHING)";
  static constexpr char kFind[] = R"(
SELECT is_withdrawn, is_reinstated, amount_nanos, withdrawn_entry_id, payment_intent_id
FROM billing.stripe_disputes WHERE dispute_id = $1)";
  tx.exec_params(kInsert, dispute.dispute_id, dispute.payment_intent_id, tenant_id,
                 dispute.amount_nanos);
  const pqxx::row row = tx.exec_params(kFind, dispute.dispute_id).at(0);
  if (row["payment_intent_id"].as<std::string>() != dispute.payment_intent_id) {
    return Error(absl::StatusCode::kFailedPrecondition, "DISPUTE_OF_ANOTHER_PAYMENT",
                 "the dispute is known as one of another payment");
  }
  return DisputeState{
      .is_withdrawn = row["is_withdrawn"].as<bool>(),
      .is_reinstated = row["is_reinstated"].as<bool>(),
      .amount_nanos = row["amount_nanos"].as<std::int64_t>(),
      .withdrawn_entry_id = pg::Optional<std::string>(row["withdrawn_entry_id"]).value_or("")};
}

void SaveDispute(pg::Tx& tx, const std::string& dispute_id, const DisputeState& state,
                 const std::string& reinstated_entry_id) {
  static constexpr char kSave[] = R"(
UPDATE billing.stripe_disputes SET is_withdrawn = $2, is_reinstated = $3,
  withdrawn_entry_id = nullif($4, '')::uuid, reinstated_entry_id = nullif($5, '')::uuid
WHERE dispute_id = $1)";
  tx.exec_params(kSave, dispute_id, state.is_withdrawn, state.is_reinstated,
                 state.withdrawn_entry_id, reinstated_entry_id);
}

}  // namespace

absl::StatusOr<std::optional<LedgerEntry>> CreditPayment(pg::Tx& tx, const Payment& payment) {
  using Credited = std::optional<LedgerEntry>;
  Account account = LockAccount(tx, payment.tenant_id);
  if (!TakePayment(tx, payment)) return Credited();
  const Posting posting{.entry_type = payment.entry_type,
                        .counter_account = kStripeClearing,
                        .amount_nanos = payment.amount_nanos,
                        .notes = payment.notes,
                        .stripe_event_id = payment.stripe_event_id};
  GH_ASSIGN_OR_RETURN(LedgerEntry entry, PostAndTell(tx, posting, &account));
  SaveEntry(tx, payment.payment_intent_id, entry.id);
  return Credited(std::move(entry));
}

std::optional<std::int64_t> FindPayer(pg::Tx& tx, const std::string& payment_intent_id) {
  static constexpr char kFind[] = R"(
SELECT tenant_id FROM billing.stripe_payments WHERE payment_intent_id = $1)";
  const pqxx::result rows = tx.exec_params(kFind, payment_intent_id);
  if (rows.empty()) return std::nullopt;
  return rows[0][0].as<std::int64_t>();
}

absl::StatusOr<TakenBack> BookRefund(pg::Tx& tx, const std::string& payment_intent_id,
                                     std::int64_t refunded_nanos,
                                     const std::string& stripe_event_id) {
  static constexpr char kSave[] = R"(
UPDATE billing.stripe_payments SET refunded_nanos = $2 WHERE payment_intent_id = $1)";
  GH_ASSIGN_OR_RETURN(LockedPayment payment, LockPayment(tx, payment_intent_id));
  const std::int64_t taken_before_nanos = payment.Taken();
  const std::int64_t known_nanos = payment.refunded_nanos;
  payment.refunded_nanos = std::max(known_nanos, std::min(refunded_nanos, payment.amount_nanos));
  if (payment.refunded_nanos != known_nanos) {
    tx.exec_params(kSave, payment_intent_id, payment.refunded_nanos);
  }
  const Posting posting{.entry_type = "refund",
                        .counter_account = kStripeClearing,
                        .notes = "refund of Stripe payment " + payment_intent_id,
                        .reverses = payment.entry_id,
                        .stripe_event_id = stripe_event_id};
  return BookDifference(tx, taken_before_nanos, posting, &payment);
}

absl::StatusOr<TakenBack> BookWithdrawal(pg::Tx& tx, const Dispute& dispute) {
  GH_ASSIGN_OR_RETURN(LockedPayment payment, LockPayment(tx, dispute.payment_intent_id));
  GH_ASSIGN_OR_RETURN(DisputeState state, TakeDispute(tx, dispute, payment.account.tenant_id));
  if (state.is_withdrawn) return TakenBack{.tenant_id = payment.account.tenant_id};
  const std::int64_t taken_before_nanos = payment.Taken();
  state.is_withdrawn = true;
  payment.disputed_nanos += state.Open();
  const Posting posting{.entry_type = "dispute",
                        .counter_account = kStripeClearing,
                        .notes = absl::StrCat("dispute ", dispute.dispute_id, " of Stripe payment ",
                                              dispute.payment_intent_id),
                        .reverses = payment.entry_id,
                        .stripe_event_id = dispute.stripe_event_id};
  GH_ASSIGN_OR_RETURN(TakenBack taken, BookDifference(tx, taken_before_nanos, posting, &payment));
  if (taken.entry) state.withdrawn_entry_id = taken.entry->id;
  SaveDispute(tx, dispute.dispute_id, state, "");
  return taken;
}

absl::StatusOr<TakenBack> BookReinstatement(pg::Tx& tx, const Dispute& dispute) {
  GH_ASSIGN_OR_RETURN(LockedPayment payment, LockPayment(tx, dispute.payment_intent_id));
  GH_ASSIGN_OR_RETURN(DisputeState state, TakeDispute(tx, dispute, payment.account.tenant_id));
  if (state.is_reinstated) return TakenBack{.tenant_id = payment.account.tenant_id};
  const std::int64_t taken_before_nanos = payment.Taken();
  payment.disputed_nanos -= state.Open();
  state.is_reinstated = true;
  const Posting posting{.entry_type = "dispute",
                        .counter_account = kStripeClearing,
                        .notes = absl::StrCat("dispute ", dispute.dispute_id, " of Stripe payment ",
                                              dispute.payment_intent_id, " was won"),
                        .reverses = state.withdrawn_entry_id,
                        .stripe_event_id = dispute.stripe_event_id};
  GH_ASSIGN_OR_RETURN(TakenBack taken, BookDifference(tx, taken_before_nanos, posting, &payment));
  SaveDispute(tx, dispute.dispute_id, state, taken.entry ? taken.entry->id : "");
  return taken;
}

}  // namespace gatehouse::billing
