// SQL for the tenants' customers at Stripe and their payment methods. Every function
// runs in the caller's transaction or statement and decides nothing.
#pragma once

#include <optional>
#include <string>

#include "libs/pg/database.h"

namespace gatehouse::billing {

struct Customer {
  std::int64_t tenant_id = 0;
  std::string customer_id;        // "cus_…"
  std::string payment_method_id;  // "pm_…" for charges without the customer; or empty.
};

std::optional<Customer> FindCustomer(pg::Tx& tx, std::int64_t tenant_id);
std::optional<Customer> FindCustomerById(pg::Tx& tx, const std::string& customer_id);

// Keeps the first customer of a tenant; returns the one that is kept.
Customer KeepCustomer(pg::Tx& tx, std::int64_t tenant_id, const std::string& customer_id);

// Empty: takes it away, which also ends automatic top-ups.
void SavePaymentMethod(pg::Tx& tx, std::int64_t tenant_id, const std::string& payment_method_id);

}  // namespace gatehouse::billing
