#include "services/billing/customer_store.h"

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
WHERE tenant_id = $1)";
  return FirstOf(tx.exec_params(kFind, tenant_id));
}

std::optional<Customer> FindCustomerById(pg::Tx& tx, const std::string& customer_id) {
  static constexpr char kFind[] = R"(
SELECT tenant_id, customer_id, payment_method_id FROM billing.stripe_customers
WHERE customer_id = $1)";
  return FirstOf(tx.exec_params(kFind, customer_id));
}

Customer KeepCustomer(pg::Tx& tx, std::int64_t tenant_id, const std::string& customer_id) {
  // A conflict updates the row to what it is, so that it is returned also when another
  // transaction has just written it.
  static constexpr char kKeep[] = R"(
INSERT INTO billing.stripe_customers AS c (tenant_id, customer_id) VALUES ($1, $2)
ON CONFLICT (tenant_id) DO UPDATE SET customer_id = c.customer_id
RETURNING tenant_id, customer_id, payment_method_id)";
  return CustomerFromRow(tx.exec_params(kKeep, tenant_id, customer_id).at(0));
}

void SavePaymentMethod(pg::Tx& tx, std::int64_t tenant_id, const std::string& payment_method_id) {
  // The account's row comes first, as everywhere. Another method is tried at once,
  // whatever became of the one before.
  static constexpr char kSaveAccount[] = R"(
UPDATE billing.accounts a SET auto_topup_enabled = a.auto_topup_enabled AND $2 <> '',
  auto_topup_since = now(), update_time = now()
FROM billing.stripe_customers c
WHERE a.tenant_id = $1 AND c.tenant_id = $1
  AND c.payment_method_id IS DISTINCT FROM nullif($2, ''))";
  static constexpr char kSaveMethod[] = R"(
UPDATE billing.stripe_customers SET payment_method_id = nullif($2, '') WHERE tenant_id = $1)";
  tx.exec_params(kSaveAccount, tenant_id, payment_method_id);
  tx.exec_params(kSaveMethod, tenant_id, payment_method_id);
}

}  // namespace gatehouse::billing
