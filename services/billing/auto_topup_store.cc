#include "services/billing/auto_topup_store.h"

#include "absl/strings/str_cat.h"
#include "libs/base/time_text.h"

namespace gatehouse::billing {
namespace {

// Failures count from when they were switched on, got another payment method, or
// succeeded; of `a`, an account.
constexpr char kFailures[] = R"(
  FROM billing.auto_topups f
  WHERE f.tenant_id = a.tenant_id AND f.state = 'failed' AND f.create_time > greatest(
    a.auto_topup_since, (SELECT max(s.create_time) FROM billing.auto_topups s
                         WHERE s.tenant_id = a.tenant_id AND s.state = 'charged')))";

std::string Due() {
  return absl::StrCat(R"(
FROM billing.accounts a
JOIN billing.stripe_customers c ON c.tenant_id = a.tenant_id AND c.gone_time IS NULL
CROSS JOIN LATERAL (SELECT count(*) AS failures, max(f.update_time) AS last_time )",
                      kFailures, R"() AS f
WHERE a.auto_topup_enabled AND a.settled_nanos < a.auto_topup_threshold_nanos
  AND c.payment_method_id IS NOT NULL
  AND )",
                      ChargedThisMonth("a.tenant_id"), R"( + a.auto_topup_amount_nanos
    <= a.auto_topup_monthly_cap_nanos
  AND NOT EXISTS (SELECT FROM billing.auto_topups p
                  WHERE p.tenant_id = a.tenant_id AND p.state = 'pending')
  AND (f.failures = 0 OR f.last_time + least(
    interval '1 day', interval '1 hour' * power(2, least(f.failures - 1, 5))) <= now()))");
}

}  // namespace

std::string ChargedThisMonth(const std::string& tenant_id) {
  // One that is pending may be charged in this month, whenever it was begun.
  return absl::StrCat(R"((
SELECT coalesce(sum(m.amount_nanos), 0)::bigint FROM billing.auto_topups m
WHERE m.tenant_id = )",
                      tenant_id, R"( AND (m.state = 'pending' OR
  (m.state = 'charged' AND m.charge_time >= date_trunc('month', now(), 'UTC')))))");
}

std::vector<std::int64_t> FindTopupsDue(pg::Tx& tx, int limit) {
  static const std::string kFind = absl::StrCat("SELECT a.tenant_id", Due(), " LIMIT $1");
  std::vector<std::int64_t> tenants;
  for (const pqxx::row& row : pg::ExecPrepared(tx, kFind, limit)) {
    tenants.push_back(row[0].as<std::int64_t>());
  }
  return tenants;
}

bool InsertTopup(pg::Tx& tx, std::int64_t tenant_id, const std::string& id) {
  static const std::string kInsert = absl::StrCat(R"(
INSERT INTO billing.auto_topups (id, tenant_id, amount_nanos, state, customer_id, payment_method_id)
SELECT $2::uuid, a.tenant_id, a.auto_topup_amount_nanos, 'pending', c.customer_id,
  c.payment_method_id)",
                                                  Due(), R"( AND a.tenant_id = $1
ON CONFLICT (tenant_id) WHERE state = 'pending' DO NOTHING)");
  return tx.exec_params(kInsert, tenant_id, id).affected_rows() == 1;
}

std::optional<PendingTopup> ClaimTopup(pg::Tx& tx) {
  // Stripe keeps keys for at least 24 hours.
  static const std::string kClaim = absl::StrCat(R"(
UPDATE billing.auto_topups SET attempts = attempts + 1, update_time = now(),
  next_attempt_time = now() + least(interval '1 hour', )",
                                                 absl::StrCat(kClaimTime.count()), R"(
    * interval '1 second' * power(2, least(attempts, 10)))
WHERE id = (SELECT p.id FROM billing.auto_topups p
            WHERE p.state = 'pending' AND p.next_attempt_time <= now()
            ORDER BY p.next_attempt_time LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING id, tenant_id, amount_nanos, customer_id, payment_method_id, payment_intent_id,
  create_time > now() - interval '20 hours' AS is_key_kept, attempts = 1 AS is_first,
  coalesce((SELECT a.auto_topup_enabled FROM billing.accounts a
            WHERE a.tenant_id = auto_topups.tenant_id), false) AS is_wanted, )",
                                                 pg::MicrosOf("create_time"), " AS create_micros");
  const pqxx::result rows = tx.exec(kClaim);
  if (rows.empty()) return std::nullopt;
  const pqxx::row row = rows[0];
  PendingTopup topup;
  topup.id = row["id"].as<std::string>();
  topup.tenant_id = row["tenant_id"].as<std::int64_t>();
  topup.amount_nanos = row["amount_nanos"].as<std::int64_t>();
  topup.customer_id = row["customer_id"].as<std::string>();
  topup.payment_method_id = row["payment_method_id"].as<std::string>();
  topup.payment_intent_id = pg::Optional<std::string>(row["payment_intent_id"]).value_or("");
  topup.create_time = FromMicros(row["create_micros"].as<std::int64_t>());
  topup.is_key_kept = row["is_key_kept"].as<bool>();
  topup.is_first = row["is_first"].as<bool>();
  topup.is_wanted = row["is_wanted"].as<bool>();
  return topup;
}

std::optional<TopupState> FindTopup(pg::Tx& tx, const std::string& id) {
  static constexpr char kFind[] = R"(
SELECT tenant_id, state = 'pending' AS is_pending FROM billing.auto_topups WHERE id = $1)";
  const pqxx::result rows = tx.exec_params(kFind, id);
  if (rows.empty()) return std::nullopt;
  return TopupState{.tenant_id = rows[0]["tenant_id"].as<std::int64_t>(),
                    .is_pending = rows[0]["is_pending"].as<bool>()};
}

bool SaveTopupCharged(pg::Tx& tx, const std::string& id, const std::string& payment_intent_id) {
  // Money that came in after all outweighs what was thought of it.
  static constexpr char kSave[] = R"(
UPDATE billing.auto_topups SET state = 'charged', payment_intent_id = $2, failure = '',
  charge_time = now(), update_time = now() WHERE id = $1 AND state <> 'charged')";
  return tx.exec_params(kSave, id, payment_intent_id).affected_rows() == 1;
}

bool SaveTopupFailed(pg::Tx& tx, const std::string& id, const std::string& payment_intent_id,
                     const std::string& failure) {
  static constexpr char kSave[] = R"(
UPDATE billing.auto_topups SET state = 'failed', failure = $3, update_time = now(),
  payment_intent_id = coalesce(nullif($2, ''), payment_intent_id)
WHERE id = $1 AND state = 'pending')";
  return tx.exec_params(kSave, id, payment_intent_id, failure).affected_rows() == 1;
}

void SaveTopupIntent(pg::Tx& tx, const std::string& id, const std::string& payment_intent_id) {
  static constexpr char kSave[] = R"(
UPDATE billing.auto_topups SET payment_intent_id = $2, update_time = now()
WHERE id = $1 AND state = 'pending')";
  tx.exec_params(kSave, id, payment_intent_id);
}

std::int64_t CountTopupFailures(pg::Tx& tx, std::int64_t tenant_id) {
  static const std::string kCount = absl::StrCat(
      "SELECT (SELECT count(*) ", kFailures, ") FROM billing.accounts a WHERE a.tenant_id = $1");
  const pqxx::result rows = tx.exec_params(kCount, tenant_id);
  return rows.empty() ? 0 : rows[0][0].as<std::int64_t>();
}

void EndTopups(pg::Tx& tx, std::int64_t tenant_id) {
  static constexpr char kEnd[] = R"(
UPDATE billing.accounts SET auto_topup_enabled = false, update_time = now()
WHERE tenant_id = $1 AND auto_topup_enabled)";
  tx.exec_params(kEnd, tenant_id);
}

}  // namespace gatehouse::billing
