#include "services/billing/batch_plan.h"

#include "absl/strings/str_cat.h"

namespace gatehouse::billing {
namespace {

absl::Status KeyReused() {
  return Error(absl::StatusCode::kAlreadyExists, "IDEMPOTENCY_KEY_REUSED",
               "the key belongs to another request");
}

std::string CaptureKey(const std::string& key, std::int64_t number) {
  return absl::StrCat(key, "/", number);
}

}  // namespace

const std::string& KeyOf(const Order& order) {
  return std::visit([](const auto& one) -> const std::string& { return one.key; }, order);
}

void BatchPlan::AddAccount(const Account& account) {
  accounts_[account.tenant_id] = {.account = account,
                                  .settled_before_nanos = account.settled_nanos};
}

void BatchPlan::AddHold(const Hold& hold) { holds_[hold.key].hold = hold; }

void BatchPlan::AddCapture(const std::string& key, std::int64_t number,
                           const std::string& request_hash, const std::string& response) {
  KnownCapture& known = known_captures_[CaptureKey(key, number)];
  known.request_hash = request_hash;
  known.answer.first_response = response;
}

std::int64_t BatchPlan::TenantOf(const Order& order) const {
  if (const auto* reserve = std::get_if<ReserveOrder>(&order)) return reserve->tenant_id;
  const Hold* hold = FindHold(KeyOf(order));
  return hold == nullptr ? 0 : hold->tenant_id;
}

const Hold* BatchPlan::FindHold(const std::string& key) const {
  const auto found = holds_.find(key);
  return found == holds_.end() ? nullptr : &found->second.hold;
}

std::optional<absl::StatusOr<Answer>> BatchPlan::Decide(const Order& order) {
  return std::visit([this](const auto& one) { return Take(one); }, order);
}

bool BatchPlan::Expire(const std::string& key) {
  const std::optional<absl::StatusOr<Pair>> found = Find(key);
  if (!found || !found->ok()) return false;
  Hold& hold = (*found)->hold->hold;
  const HoldState before = hold.state;
  hold.ExpireAt(now_, &(*found)->account->account);
  if (hold.state == before) return false;
  Touch(**found);
  return true;
}

std::vector<const PlannedAccount*> BatchPlan::accounts() const {
  std::vector<const PlannedAccount*> changed;
  for (const auto& [tenant_id, planned] : accounts_) {
    if (planned.changed) changed.push_back(&planned);
  }
  return changed;
}

std::optional<absl::StatusOr<Answer>> BatchPlan::Take(const ReserveOrder& order) {
  const auto found = holds_.find(order.key);
  if (found != holds_.end()) {
    // A hold's tenant and hash never change, so no lock is needed to compare them.
    const Hold& hold = found->second.hold;
    if (hold.tenant_id != order.tenant_id || hold.request_hash != order.request_hash) {
      return KeyReused();
    }
  }
  const auto account = accounts_.find(order.tenant_id);
  if (account == accounts_.end()) return std::nullopt;
  if (found == holds_.end()) return ReserveNew(order, &account->second);
  return ReserveAgain(order, {&found->second, &account->second});
}

absl::StatusOr<Answer> BatchPlan::ReserveNew(const ReserveOrder& order, PlannedAccount* account) {
  GH_ASSIGN_OR_RETURN(Quote quote, QuoteLines(order.estimate, book_));
  GH_ASSIGN_OR_RETURN(const Decision decision,
                      billing::Decide(account->account, quote.amount_nanos));
  PlannedHold& planned = holds_[order.key];
  planned.is_new = true;
  Hold& hold = planned.hold;
  hold.key = order.key;
  hold.tenant_id = order.tenant_id;
  hold.request_hash = order.request_hash;
  hold.tool = order.tool;
  hold.price_version = quote.price_version;
  hold.expire_time = now_ + std::chrono::seconds(order.ttl_seconds);
  hold.Reserve(quote.amount_nanos, decision, &account->account);
  planned.estimate = std::move(quote);
  account->changed = true;
  touched_.push_back(&planned);
  return Answer{.hold = hold, .amount_nanos = 0, .entry_id = {}, .first_response = {}};
}

// The first answer, or a new decision when the reservation has ended unused.
absl::StatusOr<Answer> BatchPlan::ReserveAgain(const ReserveOrder& order, Pair pair) {
  Hold hold = pair.hold->hold;
  Account account = pair.account->account;
  hold.ExpireAt(now_, &account);
  if (!hold.CanReserveAgain()) {
    return Answer{
        .hold = hold.AsReserved(), .amount_nanos = 0, .entry_id = {}, .first_response = {}};
  }
  GH_ASSIGN_OR_RETURN(Quote quote, QuoteLines(order.estimate, book_));
  GH_ASSIGN_OR_RETURN(const Decision decision, billing::Decide(account, quote.amount_nanos));
  hold.Reserve(quote.amount_nanos, decision, &account);
  hold.expire_time = now_ + std::chrono::seconds(order.ttl_seconds);
  hold.price_version = quote.price_version;
  hold.outcome.clear();
  hold.end_time.reset();
  pair.hold->hold = hold;
  pair.hold->estimate = std::move(quote);
  pair.hold->is_anew = !pair.hold->is_new;
  pair.account->account = account;
  Touch(pair);
  return Answer{.hold = hold, .amount_nanos = 0, .entry_id = {}, .first_response = {}};
}

std::optional<absl::StatusOr<Answer>> BatchPlan::Take(const BindOrder& order) {
  std::optional<absl::StatusOr<Pair>> found = Find(order.key);
  if (!found) return std::nullopt;
  if (!found->ok()) return found->status();
  Hold& hold = (*found)->hold->hold;
  const HoldState before = hold.state;
  hold.Bind(&(*found)->account->account);
  if (hold.state != before) Touch(**found);
  return Answer{.hold = hold, .amount_nanos = 0, .entry_id = {}, .first_response = {}};
}

std::optional<absl::StatusOr<Answer>> BatchPlan::Take(const ReleaseOrder& order) {
  std::optional<absl::StatusOr<Pair>> found = Find(order.key);
  if (!found) return std::nullopt;
  if (!found->ok()) return found->status();
  Hold& hold = (*found)->hold->hold;
  const HoldState before = hold.state;
  const bool told = !order.outcome.empty() && hold.outcome.empty();
  hold.Release(&(*found)->account->account);
  if (told) hold.End(order.outcome, now_);
  if (told || hold.state != before) Touch(**found);
  return Answer{.hold = hold, .amount_nanos = 0, .entry_id = {}, .first_response = {}};
}

std::optional<absl::StatusOr<Answer>> BatchPlan::Take(const CaptureOrder& order) {
  std::optional<absl::StatusOr<Pair>> found = Find(order.key);
  if (!found) return std::nullopt;
  if (!found->ok()) return found->status();
  const auto known = known_captures_.find(CaptureKey(order.key, order.number));
  if (known == known_captures_.end()) return Capture(order, **found);
  if (known->second.request_hash != order.request_hash) return KeyReused();
  return known->second.answer;
}

absl::StatusOr<Quote> BatchPlan::QuoteUsage(const CaptureOrder& order, const Hold& hold) const {
  absl::StatusOr<Quote> quote = QuoteLines(order.usage, book_);
  if (Reason(quote.status()) != "PRICE_UNKNOWN" || older_book_ == nullptr) return quote;
  if (hold.price_version == book_.version) return quote;
  absl::StatusOr<Quote> older = QuoteLines(order.usage, *older_book_(hold.price_version));
  return older.ok() ? older : quote;
}

absl::StatusOr<Answer> BatchPlan::Capture(const CaptureOrder& order, Pair pair) {
  Hold& hold = pair.hold->hold;
  GH_ASSIGN_OR_RETURN(Quote quote, QuoteUsage(order, hold));
  GH_RETURN_IF_ERROR(hold.Capture(quote.amount_nanos, order.final, &pair.account->account));
  if (order.final) hold.End(order.outcome, now_);
  Answer answer{
      .hold = hold, .amount_nanos = quote.amount_nanos, .entry_id = {}, .first_response = {}};
  if (quote.amount_nanos > 0) answer.entry_id = BookUsage(*pair.hold, quote, pair.account);
  Touch(pair);
  known_captures_[CaptureKey(order.key, order.number)] = {.request_hash = order.request_hash,
                                                          .answer = answer};
  captures_.push_back({.key = order.key,
                       .number = order.number,
                       .request_hash = order.request_hash,
                       .quote = std::move(quote),
                       .answer = answer});
  return answer;
}

std::string BatchPlan::BookUsage(const PlannedHold& planned, const Quote& quote,
                                 PlannedAccount* account) {
  Posting posting;
  posting.entry_type = "usage";
  posting.counter_account = kRevenue;
  posting.amount_nanos = -quote.amount_nanos;
  posting.notes = Summary(quote);
  posting.job_id = planned.hold.key;
  posting.price_version = quote.price_version;
  return Book(posting, &account->account, &rows_);
}

std::optional<absl::StatusOr<BatchPlan::Pair>> BatchPlan::Find(const std::string& key) {
  const auto found = holds_.find(key);
  if (found == holds_.end()) {
    return Error(absl::StatusCode::kNotFound, "HOLD_NOT_FOUND", "there is no hold of this key");
  }
  const auto account = accounts_.find(found->second.hold.tenant_id);
  if (account == accounts_.end()) return std::nullopt;
  return Pair{&found->second, &account->second};
}

void BatchPlan::Touch(Pair pair) {
  pair.account->changed = true;
  if (pair.hold->is_new || pair.hold->changed) return;
  pair.hold->changed = true;
  touched_.push_back(pair.hold);
}

}  // namespace gatehouse::billing
