#include "services/billing/auto_topup.h"

#include <algorithm>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "libs/base/failpoint.h"
#include "libs/base/uuid.h"
#include "libs/log/log.h"
#include "libs/metrics/metrics.h"
#include "services/billing/account_store.h"
#include "services/billing/auto_topup_store.h"
#include "services/billing/charge_outcome.h"
#include "services/billing/money.h"
#include "services/billing/payment_store.h"
#include "services/billing/stripe_answer.h"
#include "services/billing/topup_failure.h"

namespace gatehouse::billing {

using std::chrono::milliseconds;

namespace {

constexpr int kBeginMax = 100;
// Of all calls of Stripe in one turn; then nobody else has it while this one books.
constexpr std::chrono::seconds kAskTime{20};
static_assert(kAskTime < kClaimTime);
constexpr int kPageSize = 100;
constexpr int kPagesMax = 20;
constexpr char kIntents[] = "/v1/payment_intents";

StripeForm ChargeForm(const PendingTopup& topup) {
  return {{"amount", absl::StrCat(topup.amount_nanos / kNanosPerCent)},
          {"currency", "usd"},
          {"customer", topup.customer_id},
          {"payment_method", topup.payment_method_id},
          {"off_session", "true"},
          {"confirm", "true"},
          {"description", "Automatic reserve top-up"},
          {"metadata[tenant_id]", absl::StrCat(topup.tenant_id)},
          {"metadata[purpose]", "auto_topup"},
          {"metadata[auto_topup_id]", topup.id}};
}

// Reads a page of the customer's charges. True when `*outcome` is that of the top-up;
// otherwise `*after` is where the next page begins, empty at the end.
bool FindInPage(const JsonDocument& page, const std::string& topup_id, ChargeOutcome* outcome,
                std::string* after) {
  const std::size_t size = page.Size("data");
  for (std::size_t i = 0; i < size; ++i) {
    const std::string path = absl::StrCat("data.", i);
    *after = page.Text(path + ".id").value_or("");
    if (page.Text(path + ".metadata.auto_topup_id") != topup_id) continue;
    *outcome = ReadIntent(page, path);
    return true;
  }
  if (!page.Bool("has_more").value_or(false)) after->clear();
  return false;
}

// Whether there was a charge. Failed only where it is certain that there was none.
ChargeOutcome LookUp(StripeClient& stripe, const PendingTopup& topup, const StripeCall& call) {
  // Stripe's clock may differ.
  const auto since =
      std::chrono::floor<std::chrono::seconds>(topup.create_time) - std::chrono::hours(1);
  std::string after;
  bool is_customer_known = true;
  for (int pages = 0; pages < kPagesMax; ++pages) {
    StripeForm query = {{"limit", absl::StrCat(kPageSize)},
                        {"created[gte]", absl::StrCat(since.time_since_epoch().count())}};
    if (is_customer_known) query.emplace_back("customer", topup.customer_id);
    if (!after.empty()) query.emplace_back("starting_after", after);
    const absl::StatusOr<JsonDocument> page = stripe.Get(kIntents, query, call);
    if (is_customer_known && IsCustomerMissing(page.status())) {
      // Deleted meanwhile; what it was charged is among everybody's.
      is_customer_known = false;
      after.clear();
      continue;
    }
    if (!page.ok()) return {};
    ChargeOutcome outcome;
    if (FindInPage(*page, topup.id, &outcome, &after)) return outcome;
    if (!after.empty()) continue;
    if (topup.is_key_kept) return {};  // It may still be asked for.
    return {.state = ChargeState::kDeclined, .failure = "no_answer"};
  }
  return {};
}

ChargeOutcome Ask(StripeClient& stripe, const PendingTopup& topup, const StripeCall& call) {
  if (!topup.payment_intent_id.empty()) {
    return ReadCharge(stripe.Get(absl::StrCat(kIntents, "/", topup.payment_intent_id), {}, call));
  }
  if (!topup.is_wanted && topup.is_first) {
    return {.state = ChargeState::kDeclined, .failure = "switched_off"};
  }
  if (!topup.is_wanted || !topup.is_key_kept) return LookUp(stripe, topup, call);
  ChargeOutcome outcome = ReadCharge(stripe.Post(kIntents, ChargeForm(topup), topup.id, call));
  if (outcome.state == ChargeState::kUnknown && outcome.needs_look_up) {
    return LookUp(stripe, topup, call);
  }
  return outcome;
}

absl::Status BookCharged(pg::Tx& tx, const PendingTopup& topup, const ChargeOutcome& outcome) {
  Payment payment;
  payment.payment_intent_id = outcome.payment_intent_id;
  payment.tenant_id = topup.tenant_id;
  payment.amount_nanos = outcome.amount_nanos;
  payment.entry_type = "auto_topup";
  payment.notes = "automatic top-up";
  // Nothing when the webhook was faster.
  GH_RETURN_IF_ERROR(CreditPayment(tx, payment).status());
  SaveTopupCharged(tx, topup.id, outcome.payment_intent_id);
  return absl::OkStatus();
}

absl::Status BookFailed(pg::Tx& tx, const PendingTopup& topup, const ChargeOutcome& outcome) {
  return BookTopupFailure(tx, {.topup_id = topup.id,
                               .tenant_id = topup.tenant_id,
                               .amount_nanos = topup.amount_nanos,
                               .payment_intent_id = outcome.payment_intent_id,
                               .why = outcome.failure,
                               .is_final = outcome.is_final,
                               .is_told = topup.is_wanted});
}

absl::Status Conclude(pg::Tx& tx, const PendingTopup& topup, const ChargeOutcome& outcome) {
  switch (outcome.state) {
    case ChargeState::kSucceeded:
      return BookCharged(tx, topup, outcome);
    case ChargeState::kDeclined:
      return BookFailed(tx, topup, outcome);
    case ChargeState::kProcessing:
      SaveTopupIntent(tx, topup.id, outcome.payment_intent_id);
      return absl::OkStatus();
    case ChargeState::kUnknown:
      return absl::OkStatus();
  }
  return absl::OkStatus();
}

const char* Word(ChargeState state) {
  switch (state) {
    case ChargeState::kSucceeded:
      return "succeeded";
    case ChargeState::kDeclined:
      return "declined";
    case ChargeState::kProcessing:
      return "processing";
    case ChargeState::kUnknown:
      return "unknown";
  }
  return "";
}

void Report(const PendingTopup& topup, const ChargeOutcome& outcome) {
  metrics::GetCounter("gatehouse_billing_auto_topups_total", "Answers to automatic top-ups.",
                      {{"outcome", Word(outcome.state)}})
      .Increment();
  const log::Fields fields = {{"tenant_id", topup.tenant_id},
                              {"auto_topup_id", topup.id},
                              {"outcome", Word(outcome.state)},
                              {"failure", outcome.failure}};
  log::Write(outcome.state == ChargeState::kUnknown ? log::Level::kWarning : log::Level::kInfo,
             "an automatic top-up was asked for", fields);
}

}  // namespace

absl::StatusOr<int> BeginAutoTopups(pg::Database& db, const std::function<bool()>& is_cancelled) {
  using Tenants = std::vector<std::int64_t>;
  GH_ASSIGN_OR_RETURN(const Tenants due, db.Read([](pg::Tx& tx) -> absl::StatusOr<Tenants> {
    return FindTopupsDue(tx, kBeginMax);
  }));
  int begun = 0;
  for (const std::int64_t tenant_id : due) {
    const std::string id = UuidV7();
    if (is_cancelled && is_cancelled()) break;
    // One whose commit is in doubt is found by the next look.
    const absl::StatusOr<bool> is_begun = db.InTransaction([&](pg::Tx& tx) -> absl::StatusOr<bool> {
      LockAccount(tx, tenant_id);
      return InsertTopup(tx, tenant_id, id);
    });
    if (is_begun.ok()) {
      begun += *is_begun ? 1 : 0;
      continue;
    }
    log::Warning("an automatic top-up could not be begun",
                 {{"tenant_id", tenant_id}, {"reason", Reason(is_begun.status())}});
  }
  return begun;
}

absl::StatusOr<bool> AdvanceAutoTopup(pg::Database& db, StripeClient& stripe,
                                      const StripeCall& call) {
  using Claimed = std::optional<PendingTopup>;
  GH_ASSIGN_OR_RETURN(const Claimed topup, db.Statement([](pg::Tx& tx) -> absl::StatusOr<Claimed> {
    return ClaimTopup(tx);
  }));
  if (!topup) return false;
  Failpoint("billing.auto_topup.claimed");
  StripeCall bounded = call;
  bounded.deadline = std::min(call.deadline, std::chrono::steady_clock::now() + kAskTime);
  const ChargeOutcome outcome = Ask(stripe, *topup, bounded);
  Failpoint("billing.auto_topup.asked");
  // In doubt or undone, it is asked for again: the answer will be the same.
  const auto book = [&](pg::Tx& tx) { return Conclude(tx, *topup, outcome); };
  if (outcome.state != ChargeState::kUnknown) GH_RETURN_IF_ERROR(db.InTransaction(book));
  Report(*topup, outcome);
  return true;
}

AutoTopups::AutoTopups(pg::Database& db, StripeClient& stripe)
    : db_(db), stripe_(stripe), ticker_("auto-topups", [this] { return Step(); }) {}

AutoTopups::~AutoTopups() { stopping_ = true; }

milliseconds AutoTopups::Step() {
  StripeCall call;
  call.is_cancelled = [this] { return stopping_.load(); };
  const absl::StatusOr<int> begun = BeginAutoTopups(db_, call.is_cancelled);
  const absl::StatusOr<bool> advanced = AdvanceAutoTopup(db_, stripe_, call);
  for (const absl::Status& status : {begun.status(), advanced.status()}) {
    if (status.ok()) continue;
    log::Warning("automatic top-ups stand still", {{"error", std::string(status.message())}});
    return milliseconds(2000);
  }
  return *advanced ? milliseconds(0) : milliseconds(1000);  // There may be more.
}

}  // namespace gatehouse::billing
