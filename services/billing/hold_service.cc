#include "services/billing/hold_service.h"

#include <optional>
#include <string>
#include <utility>

#include "gatehouse/billing/v1/hold.methods.h"
#include "libs/base/uuid.h"
#include "services/billing/account_store.h"
#include "services/billing/hold.h"
#include "services/billing/hold_store.h"
#include "services/billing/low_balance.h"
#include "services/billing/messages.h"
#include "services/billing/money_transaction.h"
#include "services/billing/price_store.h"
#include "services/billing/request_check.h"

namespace gatehouse::billing {
namespace {

absl::Status KeyReused() {
  return Error(absl::StatusCode::kAlreadyExists, "IDEMPOTENCY_KEY_REUSED",
               "the key belongs to another request");
}

// A Reserve whose key may be taken, under the account's lock: the first answer,
// or a new decision when the reservation has ended unused. `refusal` is why a
// new hold was refused, or OK.
absl::StatusOr<Hold> ReserveAgain(pg::Tx& tx, const ReserveOrder& order, const Quote& quote,
                                  const absl::Status& refusal) {
  absl::StatusOr<LockedHold> locked = LockHoldOf(tx, order.key, order.tenant_id);
  // Not the tenant's: a refused new hold, or a key that another tenant has.
  if (!locked.ok()) return refusal.ok() ? KeyReused() : refusal;
  Hold& hold = locked->hold;
  if (hold.request_hash != order.request_hash) return KeyReused();
  hold.ExpireAt(locked->now, &locked->account);
  if (!hold.CanReserveAgain()) return hold.AsReserved();
  GH_ASSIGN_OR_RETURN(const Decision decision, Decide(locked->account, quote.amount_nanos));
  hold.Reserve(quote.amount_nanos, decision, &locked->account);
  SaveReservation(tx, quote, order.ttl_seconds, &*locked);
  return hold;
}

// Tries a new hold first, which is what nearly every call is: one statement that
// locks and one that writes. A twin may have taken the key, and the funds,
// between the two calls, so both a conflict and a refusal look again.
absl::StatusOr<Hold> ReserveOnce(pg::Tx& tx, const ReserveOrder& order, const Quote& quote) {
  Account account = LockAccount(tx, order.tenant_id);
  absl::StatusOr<Decision> decision = Decide(account, quote.amount_nanos);
  if (decision.ok()) {
    Hold hold;
    hold.key = order.key;
    hold.tenant_id = order.tenant_id;
    hold.request_hash = order.request_hash;
    hold.Reserve(quote.amount_nanos, *decision, &account);
    if (InsertHold(tx, quote, order.ttl_seconds, account, &hold)) return hold;
  }
  return ReserveAgain(tx, order, quote, decision.status());
}

absl::StatusOr<v1::CaptureResponse> CaptureOnce(pg::Tx& tx, const CaptureOrder& order,
                                                const Quote& quote) {
  GH_ASSIGN_OR_RETURN(LockedHold locked, LockHold(tx, order.key));
  v1::CaptureResponse response;
  if (locked.hold.capture_count > 0) {
    if (const auto first = FindCapture(tx, order.key, order.number)) {
      if (first->request_hash != order.request_hash) return KeyReused();
      response.ParseFromString(first->response);
      return response;
    }
  }
  const std::int64_t settled_before_nanos = locked.account.settled_nanos;
  GH_RETURN_IF_ERROR(locked.hold.Capture(quote.amount_nanos, order.final, &locked.account));
  StoredCapture capture;
  capture.number = order.number;
  capture.request_hash = order.request_hash;
  capture.quote = quote;
  if (quote.amount_nanos > 0) capture.entry_id = UuidV7();
  *response.mutable_hold() = ToProto(locked.hold);
  *response.mutable_amount() = ToMoney(quote.amount_nanos);
  response.set_ledger_entry_id(capture.entry_id);
  capture.response = response.SerializeAsString();
  SaveCapture(tx, capture, &locked);
  GH_RETURN_IF_ERROR(TellLowBalance(tx, settled_before_nanos, locked.account));
  return response;
}

// Bind and Release: a step that every state of a hold allows.
absl::StatusOr<v1::Hold> Move(pg::Database& db, const std::string& text, const char* commit,
                              const char* committed, void (Hold::*step)(Account*)) {
  GH_ASSIGN_OR_RETURN(const std::string key, CheckKey(text, "key"));
  const auto move = [&](pg::Tx& tx) -> absl::StatusOr<Hold> {
    GH_ASSIGN_OR_RETURN(LockedHold locked, LockHold(tx, key));
    (locked.hold.*step)(&locked.account);
    SaveHold(tx, locked);
    return locked.hold;
  };
  GH_ASSIGN_OR_RETURN(const Hold hold, InMoneyTransaction(db, commit, committed, move));
  return ToProto(hold);
}

}  // namespace

HoldService::HoldService(pg::Database& db) : db_(db), rpc_(v1::HoldService::kFullName) {
  const rpc::Policy by_jobs{.callers = {"jobs"}};
  rpc_.Unary(v1::HoldService::kReserve, by_jobs,
             [this](rpc::Call&, const v1::ReserveRequest& request) { return Reserve(request); });
  rpc_.Unary(v1::HoldService::kBind, by_jobs,
             [this](rpc::Call&, const v1::BindRequest& request) { return Bind(request); });
  rpc_.Unary(v1::HoldService::kCapture, by_jobs,
             [this](rpc::Call&, const v1::CaptureRequest& request) { return Capture(request); });
  rpc_.Unary(v1::HoldService::kRelease, by_jobs,
             [this](rpc::Call&, const v1::ReleaseRequest& request) { return Release(request); });
}

absl::StatusOr<v1::Hold> HoldService::Reserve(const v1::ReserveRequest& request) {
  GH_ASSIGN_OR_RETURN(const ReserveOrder order, CheckReserve(request));
  GH_ASSIGN_OR_RETURN(const Quote quote, QuoteByBook(db_, order.estimate));
  GH_ASSIGN_OR_RETURN(
      const Hold hold,
      InMoneyTransaction(db_, "billing.reserve.commit", "billing.reserve.committed",
                         [&](pg::Tx& tx) { return ReserveOnce(tx, order, quote); }));
  return ToProto(hold);
}

absl::StatusOr<v1::Hold> HoldService::Bind(const v1::BindRequest& request) {
  return Move(db_, request.key(), "billing.bind.commit", "billing.bind.committed", &Hold::Bind);
}

absl::StatusOr<v1::CaptureResponse> HoldService::Capture(const v1::CaptureRequest& request) {
  GH_ASSIGN_OR_RETURN(const CaptureOrder order, CheckCapture(request));
  GH_ASSIGN_OR_RETURN(const Quote quote, QuoteByBook(db_, order.usage));
  return InMoneyTransaction(db_, "billing.capture.commit", "billing.capture.committed",
                            [&](pg::Tx& tx) { return CaptureOnce(tx, order, quote); });
}

absl::StatusOr<v1::Hold> HoldService::Release(const v1::ReleaseRequest& request) {
  return Move(db_, request.key(), "billing.release.commit", "billing.release.committed",
              &Hold::Release);
}

}  // namespace gatehouse::billing
