// SQL for the tenants' customers at Stripe and their payment methods. Every function
// runs in the caller's transaction or statement and decides nothing.
#pragma once

#include <optional>
#include <string>

#include "libs/base/clock.h"
#include "libs/pg/database.h"

namespace gatehouse::billing {

// A tenant has one customer that lives, and any number that are gone: deleted at Stripe.
struct Customer {
  std::int64_t tenant_id = 0;
  std::string customer_id = {};        // "cus_…"
  std::string payment_method_id = {};  // "pm_…" for charges without the customer; or empty.
};

// The one that lives.
std::optional<Customer> FindCustomer(pg::Tx& tx, std::int64_t tenant_id);
// Also one that is gone, without a payment method then: what was paid stays the tenant's.
std::optional<Customer> FindCustomerById(pg::Tx& tx, const std::string& customer_id);

// Keeps a customer for a tenant that has none that lives; returns the one that it has
// then. Its customer_id is empty when it has none, since this one is gone or another's.
Customer KeepCustomer(pg::Tx& tx, std::int64_t tenant_id, const std::string& customer_id);

// Stripe has deleted it: its payment method goes, which ends automatic top-ups, and the
// tenant may get another one. Locks the account. Nothing for one that is unknown or gone.
void MarkCustomerGone(pg::Tx& tx, const std::string& customer_id);

// Of the customer that lives; the account must be locked. Empty: takes it away, which also
// ends automatic top-ups. `told`: when Stripe said so, nullopt for now. False, and nothing
// changed, when there is no customer or something newer was told; but what is taken away
// is taken away whenever that was told.
bool SavePaymentMethod(pg::Tx& tx, std::int64_t tenant_id, const std::string& payment_method_id,
                       std::optional<Time> told = std::nullopt);

}  // namespace gatehouse::billing
