#include "services/billing/profile_store.h"

#include "absl/strings/str_cat.h"
#include "libs/base/time_text.h"
#include "services/billing/auto_topup_store.h"

namespace gatehouse::billing {
namespace {

std::optional<Time> TimeFrom(const pqxx::field& field) {
  const auto micros = pg::Optional<std::int64_t>(field);
  if (!micros) return std::nullopt;
  return FromMicros(*micros);
}

// NULL leaves the default.
template <typename T>
void Read(const pqxx::field& field, T* value) {
  if (!field.is_null()) *value = field.as<T>();
}

}  // namespace

Profile FindProfile(pg::Tx& tx, std::int64_t tenant_id) {
  static const std::string kFind =
      absl::StrCat("SELECT ", pg::MicrosOf("s.current_period_start"), " AS period_start, ",
                   pg::MicrosOf("s.current_period_end"), R"( AS period_end,
  a.plan_tier, a.allow_portal_access, a.allow_plan_changes, a.auto_topup_enabled,
  a.auto_topup_threshold_nanos, a.auto_topup_amount_nanos, a.auto_topup_monthly_cap_nanos,
  s.subscription_id, s.status, c.payment_method_id IS NOT NULL AS has_payment_method,
)",
                   ChargedThisMonth("tenant.id"), R"( AS month_nanos, l.failure
FROM (SELECT $1::bigint AS id) AS tenant
LEFT JOIN billing.accounts a ON a.tenant_id = tenant.id
LEFT JOIN billing.stripe_customers c ON c.tenant_id = tenant.id AND c.gone_time IS NULL
LEFT JOIN LATERAL (
  SELECT * FROM billing.subscriptions s WHERE s.tenant_id = tenant.id
  ORDER BY s.status IN ('canceled', 'incomplete_expired'), s.create_time DESC,
    s.subscription_id DESC LIMIT 1) AS s ON true
LEFT JOIN LATERAL (
  SELECT CASE t.state WHEN 'failed' THEN t.failure ELSE '' END AS failure
  FROM billing.auto_topups t
  WHERE t.tenant_id = tenant.id ORDER BY t.create_time DESC LIMIT 1) AS l ON true)");
  const pqxx::row row = tx.exec_params(kFind, tenant_id).at(0);
  Profile profile;
  profile.tenant_id = tenant_id;
  Read(row["plan_tier"], &profile.plan_tier);
  Read(row["allow_portal_access"], &profile.allow_portal_access);
  Read(row["allow_plan_changes"], &profile.allow_plan_changes);
  Read(row["subscription_id"], &profile.subscription_id);
  Read(row["status"], &profile.subscription_status);
  profile.period_start = TimeFrom(row["period_start"]);
  profile.period_end = TimeFrom(row["period_end"]);
  Read(row["has_payment_method"], &profile.has_payment_method);
  Read(row["auto_topup_enabled"], &profile.auto_topup.enabled);
  Read(row["auto_topup_threshold_nanos"], &profile.auto_topup.threshold_nanos);
  Read(row["auto_topup_amount_nanos"], &profile.auto_topup.amount_nanos);
  Read(row["auto_topup_monthly_cap_nanos"], &profile.auto_topup.monthly_cap_nanos);
  Read(row["month_nanos"], &profile.charged_this_month_nanos);
  Read(row["failure"], &profile.last_failure);
  return profile;
}

void SaveProfile(pg::Tx& tx, const Profile& profile) {
  static constexpr char kSave[] = R"(
UPDATE billing.accounts SET auto_topup_enabled = $2, auto_topup_threshold_nanos = $3,
  auto_topup_amount_nanos = $4, auto_topup_monthly_cap_nanos = $5, allow_portal_access = $6,
  allow_plan_changes = $7, update_time = now(),
  auto_topup_since = CASE WHEN $2 AND NOT auto_topup_enabled THEN now() ELSE auto_topup_since END
WHERE tenant_id = $1)";
  const AutoTopupTerms& terms = profile.auto_topup;
  tx.exec_params(kSave, profile.tenant_id, terms.enabled, terms.threshold_nanos, terms.amount_nanos,
                 terms.monthly_cap_nanos, profile.allow_portal_access, profile.allow_plan_changes);
}

}  // namespace gatehouse::billing
