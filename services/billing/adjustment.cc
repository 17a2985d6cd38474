#include "services/billing/adjustment.h"

#include <optional>

#include "absl/strings/str_cat.h"
#include "services/billing/account_store.h"
#include "services/billing/ledger_export.h"
#include "services/billing/ledger_store.h"
#include "services/billing/low_balance.h"
#include "services/billing/messages.h"
#include "services/billing/money.h"

namespace gatehouse::billing {
namespace {

using Response = v1::AdjustBalanceResponse;

constexpr char kAdjustScope[] = "adjust";
constexpr char kReverseScope[] = "reverse";
constexpr char kReversal[] = "reversal";

absl::Status KeyReused() {
  return Error(absl::StatusCode::kAlreadyExists, "IDEMPOTENCY_KEY_REUSED",
               "the idempotency key belongs to another request");
}

// The first answer under the key; nullopt when there is none. Under the account's lock,
// so that a repeat that waited for it sees the answer.
absl::StatusOr<std::optional<Response>> FindFirst(pg::Tx& tx, const char* scope,
                                                  const std::string& key,
                                                  const std::string& request_hash) {
  const std::optional<KeptAnswer> first = FindAnswer(tx, scope, key);
  if (!first) return std::nullopt;
  if (first->request_hash != request_hash) return KeyReused();
  Response response;
  response.ParseFromString(first->response);
  return response;
}

struct Keyed {
  const char* scope;
  std::string key;
  std::string request_hash;
};

absl::StatusOr<Response> PostOnce(pg::Tx& tx, const Keyed& keyed, const Posting& posting,
                                  Account* account) {
  const std::int64_t settled_before_nanos = account->settled_nanos;
  Response response;
  *response.mutable_entry() = ToProto(Post(tx, posting, account));
  const KeptAnswer answer{.request_hash = keyed.request_hash,
                          .response = response.SerializeAsString()};
  // Taken on another account at the same moment.
  if (!KeepAnswer(tx, keyed.scope, keyed.key, answer)) return KeyReused();
  GH_RETURN_IF_ERROR(TellLowBalance(tx, settled_before_nanos, *account));
  return response;
}

absl::Status EntryNotFound() {
  return Error(absl::StatusCode::kNotFound, "ENTRY_NOT_FOUND", "there is no such ledger entry");
}

// How much is to be taken back, positive.
absl::StatusOr<std::int64_t> PartToReverse(pg::Tx& tx, const ReverseOrder& order,
                                           const LedgerEntry& original) {
  if (original.entry_type == kReversal) {
    return Error(absl::StatusCode::kFailedPrecondition, "ENTRY_IS_REVERSAL",
                 "a reversal cannot be reversed; book an adjustment");
  }
  const std::int64_t whole =
      original.amount_nanos > 0 ? original.amount_nanos : -original.amount_nanos;
  const std::int64_t left = whole - ReversedNanos(tx, original.id);
  const std::int64_t amount = order.amount_nanos.value_or(left);
  if (left > 0 && amount <= left) return amount;
  return Error(absl::StatusCode::kFailedPrecondition, "ENTRY_REVERSED",
               left <= 0 ? "the entry was taken back already"
                         : absl::StrCat("only ", FormatDollars(left), " of the entry is left"),
               {{"left_nanos", absl::StrCat(left > 0 ? left : 0)}});
}

}  // namespace

absl::StatusOr<Response> AdjustOnce(pg::Tx& tx, const AdjustOrder& order,
                                    const std::string& actor) {
  Account account = LockAccount(tx, order.tenant_id);
  GH_ASSIGN_OR_RETURN(const std::optional<Response> first,
                      FindFirst(tx, kAdjustScope, order.key, order.request_hash));
  if (first) return *first;
  const Posting posting{.entry_type = "adjustment",
                        .counter_account = order.is_promotion ? kPromotions : kAdjustments,
                        .amount_nanos = order.amount_nanos,
                        .notes = order.reason,
                        .actor = actor};
  return PostOnce(tx, {kAdjustScope, order.key, order.request_hash}, posting, &account);
}

absl::StatusOr<Response> ReverseOnce(pg::Tx& tx, const ReverseOrder& order,
                                     const std::string& actor) {
  // Entries never change, so its tenant is known before the lock.
  const std::optional<LedgerEntry> original = FindEntry(tx, order.entry_id);
  if (!original) return EntryNotFound();
  Account account = LockAccount(tx, original->tenant_id);
  GH_ASSIGN_OR_RETURN(const std::optional<Response> first,
                      FindFirst(tx, kReverseScope, order.key, order.request_hash));
  if (first) return *first;
  // Under the lock, so that no two take back the same money.
  GH_ASSIGN_OR_RETURN(const std::int64_t amount, PartToReverse(tx, order, *original));
  const Posting posting{.entry_type = kReversal,
                        .counter_account = original->counter_account,
                        .amount_nanos = original->amount_nanos > 0 ? -amount : amount,
                        .notes = order.reason,
                        .job_id = original->job_id,
                        .reverses = original->id,
                        .actor = actor};
  return PostOnce(tx, {kReverseScope, order.key, order.request_hash}, posting, &account);
}

}  // namespace gatehouse::billing
