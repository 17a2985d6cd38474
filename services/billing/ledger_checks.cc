#include "services/billing/ledger_checks.h"

namespace gatehouse::billing {
namespace {

// Balances and counts from the entries; entries whose account is missing.
constexpr char kBalances[] = R"(
WITH sums AS (
  SELECT tenant_id, count(*) AS entries,
    sum(CASE credit_account WHEN 'reserve' THEN amount_nanos ELSE -amount_nanos END) AS settled
  FROM billing.ledger_entries WHERE entry_number IS NOT NULL GROUP BY tenant_id)
SELECT format('tenant %s: the balance is %s, its entries add up to %s', tenant_id,
         a.settled_nanos, coalesce(s.settled, 0))
FROM billing.accounts a FULL JOIN sums s USING (tenant_id)
WHERE a.settled_nanos IS DISTINCT FROM coalesce(s.settled, 0)
UNION ALL
SELECT format('tenant %s: %s entries are counted, %s are there', tenant_id, a.entry_count,
         coalesce(s.entries, 0))
FROM billing.accounts a FULL JOIN sums s USING (tenant_id)
WHERE a.entry_count IS DISTINCT FROM coalesce(s.entries, 0)
LIMIT 100)";

// Each entry follows from the one before it.
constexpr char kNumbering[] = R"(
SELECT format('entry %s: it is number %s after %s and leaves %s after %s and %s', id, entry_number,
         number_before, balance_after_nanos, balance_before, change)
FROM (
  SELECT id, entry_number, balance_after_nanos,
    CASE credit_account WHEN 'reserve' THEN amount_nanos ELSE -amount_nanos END AS change,
    lag(entry_number, 1, 0::bigint) OVER account AS number_before,
    lag(balance_after_nanos, 1, 0::bigint) OVER account AS balance_before
  FROM billing.ledger_entries WHERE entry_number IS NOT NULL
  WINDOW account AS (PARTITION BY tenant_id ORDER BY entry_number)) AS entries
WHERE entry_number <> number_before + 1 OR balance_after_nanos <> balance_before + change
LIMIT 100)";

// What an entry lets the debt grow or shrink by is in one row of type debt that names it,
// so after each entry the reserve is what is settled, or zero when that is below.
constexpr char kDebtSteps[] = R"(
WITH entries AS (
  SELECT id, tenant_id, balance_after_nanos,
    greatest(-balance_after_nanos, 0) - greatest(
      -lag(balance_after_nanos, 1, 0::bigint) OVER (PARTITION BY tenant_id ORDER BY entry_number),
      0) AS lent
  FROM billing.ledger_entries WHERE entry_number IS NOT NULL),
debts AS (
  SELECT cause_id, count(*) AS moves, min(tenant_id) AS tenant_id,
    min(balance_after_nanos) AS balance_after_nanos,
    sum(CASE debit_account WHEN 'debt' THEN amount_nanos ELSE -amount_nanos END) AS lent
  FROM billing.ledger_entries WHERE entry_type = 'debt' GROUP BY cause_id)
SELECT format('entry %s: the debt grows by %s with it, %s is booked in %s rows',
         coalesce(e.id, d.cause_id), e.lent, coalesce(d.lent, 0), coalesce(d.moves, 0))
FROM entries e FULL JOIN debts d ON d.cause_id = e.id
WHERE e.lent IS DISTINCT FROM coalesce(d.lent, 0) OR d.moves > 1 OR d.tenant_id <> e.tenant_id
  OR d.balance_after_nanos <> e.balance_after_nanos
LIMIT 100)";

constexpr char kDebtSums[] = R"(
WITH sums AS (
  SELECT tenant_id,
    sum(CASE 'reserve' WHEN credit_account THEN amount_nanos WHEN debit_account
          THEN -amount_nanos ELSE 0 END) AS reserve,
    sum(CASE 'debt' WHEN debit_account THEN amount_nanos WHEN credit_account
          THEN -amount_nanos ELSE 0 END) AS debt
  FROM billing.ledger_entries GROUP BY tenant_id)
SELECT format('tenant %s: the balance is %s, its reserve adds up to %s and its debt to %s',
         a.tenant_id, a.settled_nanos, coalesce(s.reserve, 0), coalesce(s.debt, 0))
FROM billing.accounts a LEFT JOIN sums s USING (tenant_id)
WHERE coalesce(s.reserve, 0) <> greatest(a.settled_nanos, 0)
   OR coalesce(s.debt, 0) <> greatest(-a.settled_nanos, 0)
LIMIT 100)";

// What takes back an entry names one of the same tenant. A reversal is on the other side
// of its original, which is none itself, and all of them are no more than it. Nor is what
// takes back a payment, whatever it is, less what was given back of that.
constexpr char kReversals[] = R"(
WITH RECURSIVE pairs AS (
  SELECT r.id, r.tenant_id, r.entry_type, r.amount_nanos, r.reverses, o.id AS original,
    o.tenant_id AS original_tenant, o.entry_type AS original_type,
    o.amount_nanos AS original_nanos,
    o.debit_account = r.credit_account AND o.credit_account = r.debit_account AS is_opposite
  FROM billing.ledger_entries r LEFT JOIN billing.ledger_entries o ON o.id = r.reverses
  WHERE r.reverses IS NOT NULL),
takers AS (
  SELECT o.id AS payment, o.amount_nanos AS payment_nanos, r.id,
    CASE r.credit_account WHEN 'reserve' THEN -r.amount_nanos ELSE r.amount_nanos END AS taken
  FROM billing.ledger_entries r JOIN billing.ledger_entries o ON o.id = r.reverses
  WHERE o.entry_type IN ('topup', 'auto_topup')
  UNION
  SELECT t.payment, t.payment_nanos, r.id,
    CASE r.credit_account WHEN 'reserve' THEN -r.amount_nanos ELSE r.amount_nanos END
  FROM takers t JOIN billing.ledger_entries r ON r.reverses = t.id)
SELECT format('entry %s: it takes back %s, which is %s of tenant %s', id, reverses,
         coalesce(original_type, 'missing'), original_tenant)
FROM pairs
WHERE original IS NULL OR original_tenant <> tenant_id OR original_type = 'debt'
   OR (entry_type = 'reversal' AND (original_type = 'reversal' OR NOT is_opposite))
UNION ALL
SELECT format('entry %s: reversals take back %s of its %s', reverses, sum(amount_nanos),
         min(original_nanos))
FROM pairs WHERE entry_type = 'reversal'
GROUP BY reverses HAVING sum(amount_nanos) > min(original_nanos)
UNION ALL
SELECT format('payment in entry %s: %s of its %s is taken back', payment, sum(taken),
         min(payment_nanos))
FROM takers GROUP BY payment HAVING sum(taken) > min(payment_nanos)
LIMIT 100)";

// What is held is the rest of the estimate.
constexpr char kHolds[] = R"(
WITH held AS (SELECT tenant_id, sum(held_nanos) AS held FROM billing.holds GROUP BY tenant_id)
SELECT format('tenant %s: %s is held, its holds add up to %s', tenant_id, a.held_nanos,
         coalesce(h.held, 0))
FROM billing.accounts a FULL JOIN held h USING (tenant_id)
WHERE a.held_nanos IS DISTINCT FROM coalesce(h.held, 0)
UNION ALL
SELECT format('hold %s: %s is held, of its estimate of %s is captured %s', key, held_nanos,
         estimate_nanos, captured_nanos)
FROM billing.holds
WHERE state IN ('reserved', 'bound')
  AND held_nanos <> greatest(estimate_nanos - captured_nanos, 0)
LIMIT 100)";

constexpr char kCaptures[] = R"(
WITH captured AS (
  SELECT hold_key, sum(amount_nanos) AS captured, count(*) AS captures,
    min(tenant_id) AS tenant_id, max(tenant_id) AS tenant_id_max
  FROM billing.captures GROUP BY hold_key)
SELECT format('hold %s: %s in %s captures is booked, its captures are %s in %s',
         coalesce(h.key, c.hold_key), h.captured_nanos, h.capture_count, coalesce(c.captured, 0),
         coalesce(c.captures, 0))
FROM billing.holds h FULL JOIN captured c ON c.hold_key = h.key
WHERE h.captured_nanos IS DISTINCT FROM coalesce(c.captured, 0)
   OR h.capture_count IS DISTINCT FROM coalesce(c.captures, 0)
   OR c.tenant_id <> h.tenant_id OR c.tenant_id_max <> h.tenant_id
LIMIT 100)";

// A capture that costs something and an entry of type usage are the same thing.
constexpr char kUsage[] = R"(
SELECT format('capture %s of hold %s is %s, its entry %s is %s', c.capture_number, c.hold_key,
         c.amount_nanos, e.id, e.amount_nanos)
FROM (SELECT * FROM billing.captures WHERE entry_id IS NOT NULL) c
FULL JOIN (SELECT * FROM billing.ledger_entries WHERE entry_type = 'usage') e ON e.id = c.entry_id
WHERE c.amount_nanos IS DISTINCT FROM e.amount_nanos OR c.hold_key <> e.job_id
   OR c.tenant_id <> e.tenant_id OR c.price_version <> e.price_version
LIMIT 100)";

constexpr char kPayments[] = R"(
SELECT format('payment %s of tenant %s is %s, its entry %s is %s of tenant %s',
         p.payment_intent_id, p.tenant_id, p.amount_nanos, e.id, e.amount_nanos, e.tenant_id)
FROM billing.stripe_payments p
FULL JOIN (SELECT * FROM billing.ledger_entries WHERE entry_type IN ('topup', 'auto_topup')) e
  ON e.id = p.entry_id
WHERE p.amount_nanos IS DISTINCT FROM e.amount_nanos OR p.tenant_id <> e.tenant_id
   OR e.debit_account <> 'stripe_clearing'
LIMIT 100)";

// What is booked by hand and the answer that is kept of it are the same thing: without the
// answer a repeat would book again. It is a message whose first member's first member is
// the entry's id, 36 (0x24) characters.
constexpr char kAnswers[] = R"(
WITH answers AS (
  SELECT scope, key, CASE scope WHEN 'adjust' THEN 'adjustment' ELSE 'reversal' END AS entry_type,
    encode(substring(response FROM position('\x0a24'::bytea IN response) + 2 FOR 36), 'escape')
      AS entry_id
  FROM billing.idempotency_keys WHERE scope IN ('adjust', 'reverse')),
entries AS (
  SELECT id::text AS entry_id, entry_type
  FROM billing.ledger_entries WHERE entry_type IN ('adjustment', 'reversal'))
SELECT CASE WHEN a.key IS NULL
         THEN format('entry %s: no answer to the request for this %s is kept', e.entry_id,
                e.entry_type)
         ELSE format('answer to %s %s: it names entry %s, which is no %s', a.scope, a.key,
                a.entry_id, a.entry_type) END
FROM answers a FULL JOIN entries e ON e.entry_id = a.entry_id
WHERE a.entry_type IS DISTINCT FROM e.entry_type
LIMIT 100)";

// Sealing goes by transaction, so what comes before the last sealed one is sealed. Those of
// transaction 0 were sealed when there was no such order.
constexpr char kSeals[] = R"(
WITH last AS (
  SELECT e.transaction_id, e.id FROM billing.ledger_chain c
  JOIN billing.ledger_entries e ON e.id = c.row_id ORDER BY c.position DESC LIMIT 1)
SELECT format('entry %s: it is not sealed', e.id)
FROM billing.ledger_entries e
WHERE NOT EXISTS (SELECT FROM billing.ledger_chain c WHERE c.row_id = e.id)
  AND (e.transaction_id = '0' OR (e.transaction_id, e.id) <
       ((SELECT transaction_id FROM last), (SELECT id FROM last)))
LIMIT 100)";

constexpr char kTotal[] = R"(
SELECT format('all accounts together are %s instead of zero', total)
FROM (SELECT (SELECT coalesce(sum(settled_nanos), 0) FROM billing.accounts) -
             (SELECT coalesce(sum(CASE credit_account WHEN 'reserve' THEN amount_nanos
                                    ELSE -amount_nanos END), 0)
              FROM billing.ledger_entries WHERE entry_type <> 'debt') AS total) AS books
WHERE total <> 0)";

}  // namespace

const std::vector<const char*>& LedgerChecks() {
  static const std::vector<const char*> checks = {kBalances,  kNumbering, kDebtSteps, kDebtSums,
                                                  kReversals, kHolds,     kCaptures,  kUsage,
                                                  kPayments,  kAnswers,   kSeals,     kTotal};
  return checks;
}

}  // namespace gatehouse::billing
