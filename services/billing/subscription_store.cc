#include "services/billing/subscription_store.h"

#include "absl/strings/str_cat.h"
#include "libs/base/time_text.h"

namespace gatehouse::billing {
namespace {

std::string SelectSubscriptions() {
  return absl::StrCat("SELECT subscription_id, tenant_id, status, annual_cents, plan_tier, ",
                      pg::MicrosOf("current_period_start"), " AS period_start, ",
                      pg::MicrosOf("current_period_end"), " AS period_end, ",
                      pg::MicrosOf("stripe_time"),
                      " AS stripe_micros, stripe_rank FROM billing.subscriptions ");
}

std::optional<Time> TimeFrom(const pqxx::field& field) {
  const auto micros = pg::Optional<std::int64_t>(field);
  if (!micros) return std::nullopt;
  return FromMicros(*micros);
}

std::optional<std::int64_t> MicrosFrom(const std::optional<Time>& time) {
  if (!time) return std::nullopt;
  return ToMicros(*time);
}

Subscription SubscriptionFromRow(const pqxx::row& row) {
  Subscription subscription;
  subscription.id = row["subscription_id"].as<std::string>();
  subscription.tenant_id = row["tenant_id"].as<std::int64_t>();
  subscription.status = row["status"].as<std::string>();
  subscription.annual_cents = row["annual_cents"].as<std::int64_t>();
  subscription.plan_tier = row["plan_tier"].as<std::string>();
  subscription.period_start = TimeFrom(row["period_start"]);
  subscription.period_end = TimeFrom(row["period_end"]);
  subscription.stripe_time = FromMicros(row["stripe_micros"].as<std::int64_t>());
  subscription.stripe_rank = row["stripe_rank"].as<int>();
  return subscription;
}

}  // namespace

std::optional<std::int64_t> FindSubscriptionTenant(pg::Tx& tx, const std::string& id) {
  static constexpr char kFind[] = R"(
SELECT tenant_id FROM billing.subscriptions WHERE subscription_id = $1)";
  const pqxx::result rows = tx.exec_params(kFind, id);
  if (rows.empty()) return std::nullopt;
  return rows[0][0].as<std::int64_t>();
}

std::optional<Subscription> LockSubscription(pg::Tx& tx, const std::string& id) {
  static const std::string kLock = SelectSubscriptions() + "WHERE subscription_id = $1 FOR UPDATE";
  const pqxx::result rows = tx.exec_params(kLock, id);
  if (rows.empty()) return std::nullopt;
  return SubscriptionFromRow(rows[0]);
}

std::vector<Subscription> ListSubscriptions(pg::Tx& tx, std::int64_t tenant_id) {
  static const std::string kList = SelectSubscriptions() + "WHERE tenant_id = $1";
  std::vector<Subscription> subscriptions;
  for (const pqxx::row& row : tx.exec_params(kList, tenant_id)) {
    subscriptions.push_back(SubscriptionFromRow(row));
  }
  return subscriptions;
}

void SaveSubscription(pg::Tx& tx, const Subscription& subscription) {
  static constexpr char kSave[] = R"(
INSERT INTO billing.subscriptions (subscription_id, tenant_id, status, annual_cents, plan_tier,
  current_period_start, current_period_end, stripe_time, stripe_rank)
VALUES ($1, $2, $3, coalesce($4, 0), $5, to_timestamp($6::bigint / 1000000.0),
  to_timestamp($7::bigint / 1000000.0), to_timestamp($8::bigint / 1000000.0), $9)
ON CONFLICT (subscription_id) DO UPDATE SET status = excluded.status,
  annual_cents = coalesce($4, subscriptions.annual_cents), plan_tier = excluded.plan_tier,
  current_period_start = excluded.current_period_start,
  current_period_end = excluded.current_period_end, stripe_time = excluded.stripe_time,
  stripe_rank = excluded.stripe_rank, update_time = now())";
  tx.exec_params(kSave, subscription.id, subscription.tenant_id, subscription.status,
                 subscription.annual_cents, subscription.plan_tier,
                 MicrosFrom(subscription.period_start), MicrosFrom(subscription.period_end),
                 ToMicros(subscription.stripe_time), subscription.stripe_rank);
}

void FollowAmount(pg::Tx& tx, const std::string& id) {
  static constexpr char kFollow[] = R"(
UPDATE billing.subscriptions s SET annual_cents = c.annual_cents
FROM (SELECT annual_cents FROM billing.subscription_changes
      WHERE subscription_id = $1 AND annual_cents IS NOT NULL
      ORDER BY change_time DESC, stripe_rank DESC, id DESC LIMIT 1) AS c
WHERE s.subscription_id = $1 AND s.stripe_rank < 2 AND s.annual_cents <> c.annual_cents)";
  tx.exec_params(kFollow, id);
}

bool AppendChange(pg::Tx& tx, const std::string& event_id, const Subscription& told) {
  static constexpr char kAppend[] = R"(
INSERT INTO billing.subscription_changes (event_id, subscription_id, tenant_id, change_time,
  stripe_rank, annual_cents)
VALUES ($1, $2, $3, to_timestamp($4::bigint / 1000000.0), $5, $6)
ON CONFLICT (event_id) DO NOTHING)";
  return tx.exec_params(kAppend, event_id, told.id, told.tenant_id, ToMicros(told.stripe_time),
                        told.stripe_rank, told.annual_cents)
             .affected_rows() == 1;
}

}  // namespace gatehouse::billing
