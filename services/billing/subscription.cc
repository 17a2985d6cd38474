#include "services/billing/subscription.h"

#include <algorithm>
#include <array>
#include <compare>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "libs/log/log.h"
#include "libs/pg/feed.h"
#include "services/billing/account_store.h"
#include "services/billing/customer_store.h"
#include "services/billing/money.h"
#include "services/billing/notice.h"
#include "services/billing/stripe_fields.h"
#include "services/billing/subscription_store.h"
#include "services/billing/tier_delivery.h"

namespace gatehouse::billing {
namespace {

constexpr int kDeletedRank = 2;
constexpr std::int64_t kSecondsMax = 7'258'118'400;  // The year 2200.
constexpr std::array<const char*, 4> kTiers = {"free", "starter", "professional", "enterprise"};

EventOutcome Ignored(const std::string& reason, std::int64_t tenant_id = 0) {
  return {.status = "ignored", .reason = reason, .tenant_id = tenant_id};
}

int RankOf(const std::string& event_type) {
  if (event_type == "customer.subscription.deleted") return kDeletedRank;
  return event_type == "customer.subscription.created" ? 0 : 1;
}

// Seconds since 1970 at either place: newer versions of the API have periods of items.
std::optional<Time> PeriodAt(const StripeEvent& event, const std::string& name) {
  std::optional<std::int64_t> seconds = event.document.Int("data.object." + name);
  if (!seconds) seconds = event.document.Int("data.object.items.data.0." + name);
  if (!seconds || *seconds < 0 || *seconds > kSecondsMax) return std::nullopt;
  return Time(std::chrono::seconds(*seconds));
}

std::string PlanTierOf(const StripeEvent& event) {
  for (const char* path : {"metadata.plan_tier", "items.data.0.price.metadata.plan_tier"}) {
    std::string tier = absl::AsciiStrToLower(TextAt(event, path));
    if (IsPlanTier(tier)) return tier;
  }
  return "";
}

// What the event tells; nothing without an id or a status. `amount_error` is why it has
// no amount.
std::optional<Subscription> Told(const StripeEvent& event, absl::Status* amount_error) {
  Subscription told;
  told.id = IdOrEmpty(event, "id");
  told.stripe_time = event.create_time;
  told.stripe_rank = RankOf(event.type);
  told.plan_tier = PlanTierOf(event);
  told.period_start = PeriodAt(event, "current_period_start");
  told.period_end = PeriodAt(event, "current_period_end");
  if (told.id.empty()) return std::nullopt;
  if (told.stripe_rank == kDeletedRank) {
    told.status = "canceled";
    return told;
  }
  told.status = TextAt(event, "status");
  if (told.status.empty()) return std::nullopt;
  const absl::StatusOr<std::int64_t> amount = AnnualCents(event.document, "data.object");
  *amount_error = amount.status();
  told.annual_cents = amount.ok() ? std::optional(*amount) : std::nullopt;
  return told;
}

// Of the subscription `id` of the customer that the event names.
std::optional<std::int64_t> FindTenant(pg::Tx& tx, const StripeEvent& event,
                                       const std::string& id) {
  if (const auto known = FindSubscriptionTenant(tx, id)) return known;
  const std::string customer_id = IdOrEmpty(event, "customer");
  const auto customer = customer_id.empty() ? std::nullopt : FindCustomerById(tx, customer_id);
  return customer ? customer->tenant_id : TenantOf(event);
}

// Whether `told` is what is known from now on. What came before in the same second with
// the same rank gives way; nothing follows a deletion.
bool Supersedes(const Subscription& told, const std::optional<Subscription>& known) {
  if (!known) return true;
  if (known->stripe_rank == kDeletedRank) return false;
  if (told.stripe_rank == kDeletedRank) return true;
  return std::pair(told.stripe_time, told.stripe_rank) >=
         std::pair(known->stripe_time, known->stripe_rank);
}

bool IsLive(const Subscription& subscription) {
  return subscription.status == "active" || subscription.status == "trialing" ||
         subscription.status == "past_due";
}

// The best plan of the live subscriptions; empty when they name none. Without any live
// one, "free".
std::string BestTier(const std::vector<Subscription>& subscriptions) {
  const auto rank = [](const std::string& tier) {
    return std::find(kTiers.begin(), kTiers.end(), tier) - kTiers.begin();
  };
  std::string best;
  bool has_live = false;
  for (const Subscription& one : subscriptions) {
    if (!IsLive(one)) continue;
    has_live = true;
    if (!one.plan_tier.empty() && (best.empty() || rank(one.plan_tier) > rank(best))) {
      best = one.plan_tier;
    }
  }
  return has_live ? best : kTiers.front();
}

absl::Status FollowPlan(pg::Tx& tx, const Subscription& saved, Account* account) {
  // A subscription that waits for its first payment, or is unpaid, decides nothing.
  if (!IsLive(saved) && saved.stripe_rank != kDeletedRank) return absl::OkStatus();
  const std::string tier = BestTier(ListSubscriptions(tx, account->tenant_id));
  if (tier.empty() || !account->ChangeTier(tier)) return absl::OkStatus();
  SaveTier(tx, *account);
  return AppendTier(tx, *account);
}

// Of an invoice, where its version of the API puts it.
std::string SubscriptionOf(const StripeEvent& invoice) {
  const std::string id = IdOrEmpty(invoice, "subscription");
  return id.empty() ? IdOrEmpty(invoice, "parent.subscription_details.subscription") : id;
}

// Why the amount stays as it was; empty when it was told.
std::string AmountReason(const StripeEvent& event, const absl::Status& amount_error) {
  if (amount_error.ok()) return "";
  log::Warning("a subscription's amount stays as it was",
               {{"event_id", event.id},
                {"subscription_id", IdOrEmpty(event, "id")},
                {"error", std::string(amount_error.message())}});
  return absl::AsciiStrToLower(Reason(amount_error));
}

}  // namespace

absl::StatusOr<EventOutcome> ApplySubscriptionEvent(pg::Tx& tx, const StripeEvent& event) {
  absl::Status amount_error;
  std::optional<Subscription> told = Told(event, &amount_error);
  if (!told) return Ignored("subscription_invalid");
  const std::optional<std::int64_t> tenant_id = FindTenant(tx, event, told->id);
  if (!tenant_id) return Ignored("customer_not_found");
  told->tenant_id = *tenant_id;
  Account account = LockAccount(tx, *tenant_id);
  const std::optional<Subscription> known = LockSubscription(tx, told->id);
  // An event that comes late completes the history, and only that.
  const bool is_news = AppendChange(tx, event.id, *told);
  const bool is_newest = is_news && Supersedes(*told, known);
  if (is_newest) SaveSubscription(tx, *told);
  FollowAmount(tx, told->id);
  if (!is_newest) return Ignored("stale", *tenant_id);
  GH_RETURN_IF_ERROR(FollowPlan(tx, *told, &account));
  return EventOutcome{
      .status = "processed", .reason = AmountReason(event, amount_error), .tenant_id = *tenant_id};
}

absl::StatusOr<EventOutcome> ApplyInvoiceFailure(pg::Tx& tx, const StripeEvent& event) {
  const std::optional<std::int64_t> tenant_id = FindTenant(tx, event, SubscriptionOf(event));
  if (!tenant_id) return Ignored("customer_not_found");
  std::string data = R"({"kind":"payment_failed")";
  const auto due = AmountAt(event, "amount_due");
  if (due.ok() && IsInOurCurrency(event)) {
    absl::StrAppend(&data, R"(,"amount_cents":)", FloorCents(*due));
  }
  data += "}";
  GH_RETURN_IF_ERROR(AppendNotice(tx, *tenant_id, "payment_failed", data));
  pg::Event alert;
  alert.tenant_id = *tenant_id;
  alert.type = "system.alert";
  alert.subject = absl::StrCat("account/", *tenant_id);
  alert.data_json = data;
  GH_RETURN_IF_ERROR(pg::AppendEvent(tx, "billing", alert));
  return EventOutcome{.status = "processed", .tenant_id = *tenant_id};
}

}  // namespace gatehouse::billing
