#include "services/billing/customer_store.h"

#include "libs/base/time_text.h"
#include "services/billing/account_store.h"

namespace gatehouse::billing {
namespace {

Customer CustomerFromRow(const pqxx::row& row) {
  return Customer{
      .tenant_id = row["tenant_id"].as<std::int64_t>(),
      .customer_id = row["customer_id"].as<std::string>(),
      .payment_method_id = pg::Optional<std::string>(row["payment_method_id"]).value_or("")};
}

std::optional<Customer> FirstOf(const pqxx::result& rows) {
  if (rows.empty()) return std::nullopt;
  return CustomerFromRow(rows[0]);
}

}  // namespace

std::optional<Customer> FindCustomer(pg::Tx& tx, std::int64_t tenant_id) {
  static constexpr char kFind[] = R"(
SELECT tenant_id, customer_id, payment_method_id FROM billing.stripe_customers
WHERE tenant_id = $1 AND gone_time IS NULL)";
  return FirstOf(tx.exec_params(kFind, tenant_id));
}

std::optional<Customer> FindCustomerById(pg::Tx& tx, const std::string& customer_id) {
  static constexpr char kFind[] = R"(
SELECT tenant_id, customer_id, payment_method_id FROM billing.stripe_customers
WHERE customer_id = $1)";
  return FirstOf(tx.exec_params(kFind, customer_id));
}

Customer KeepCustomer(pg::Tx& tx, std::int64_t tenant_id, const std::string& customer_id) {
  static constexpr char kKeep[] = R"(
INSERT INTO billing.stripe_customers (tenant_id, customer_id) VALUES ($1, $2)
ON CONFLICT DO NOTHING)";
  tx.exec_params(kKeep, tenant_id, customer_id);
  // A statement of its own sees what another transaction has just written.
  return FindCustomer(tx, tenant_id).value_or(Customer{.tenant_id = tenant_id});
}

void MarkCustomerGone(pg::Tx& tx, const std::string& customer_id) {
  static constexpr char kMark[] = R"(
UPDATE billing.stripe_customers SET gone_time = now() WHERE customer_id = $1)";
  const std::optional<Customer> known = FindCustomerById(tx, customer_id);
  if (!known) return;
  LockAccount(tx, known->tenant_id);
  // Only the one that lives has a method to take away.
  const std::optional<Customer> living = FindCustomer(tx, known->tenant_id);
  if (!living || living->customer_id != customer_id) return;
  SavePaymentMethod(tx, known->tenant_id, "");
  tx.exec_params(kMark, customer_id);
}

bool SavePaymentMethod(pg::Tx& tx, std::int64_t tenant_id, const std::string& payment_method_id,
                       std::optional<Time> told) {
  // The account's row comes first, as everywhere. Another method is tried at once,
  // whatever became of the one before.
  static constexpr char kSaveAccount[] = R"(
UPDATE billing.accounts a SET auto_topup_enabled = a.auto_topup_enabled AND $2 <> '',
  auto_topup_since = now(), update_time = now()
FROM billing.stripe_customers c
WHERE a.tenant_id = $1 AND c.tenant_id = $1 AND c.gone_time IS NULL
  AND c.payment_method_id IS DISTINCT FROM nullif($2, '')
  AND ($2 = '' OR $3::bigint IS NULL OR c.payment_method_time IS NULL
    OR c.payment_method_time <= to_timestamp($3::bigint / 1000000.0)))";
  static constexpr char kSaveMethod[] = R"(
UPDATE billing.stripe_customers SET payment_method_id = nullif($2, ''),
  payment_method_time = greatest(payment_method_time,
    coalesce(to_timestamp($3::bigint / 1000000.0), now()))
WHERE tenant_id = $1 AND gone_time IS NULL
  AND ($2 = '' OR $3::bigint IS NULL OR payment_method_time IS NULL
    OR payment_method_time <= to_timestamp($3::bigint / 1000000.0)))";
  std::optional<std::int64_t> micros;
  if (told) micros = ToMicros(*told);
  tx.exec_params(kSaveAccount, tenant_id, payment_method_id, micros);
  return tx.exec_params(kSaveMethod, tenant_id, payment_method_id, micros).affected_rows() == 1;
}

}  // namespace gatehouse::billing
