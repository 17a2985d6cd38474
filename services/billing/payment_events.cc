#include "services/billing/payment_events.h"

#include "absl/strings/str_cat.h"
#include "libs/base/uuid.h"
#include "libs/pg/feed.h"
#include "services/billing/account_store.h"
#include "services/billing/auto_topup_store.h"
#include "services/billing/customer_store.h"
#include "services/billing/money.h"
#include "services/billing/notice.h"
#include "services/billing/payment_store.h"
#include "services/billing/stripe_fields.h"

namespace gatehouse::billing {
namespace {

EventOutcome Ignored(const std::string& reason) { return {.status = "ignored", .reason = reason}; }

EventOutcome OfTenant(std::int64_t tenant_id, EventOutcome outcome) {
  outcome.tenant_id = tenant_id;
  return outcome;
}

// Whether the customer at Stripe is the tenant's: the one that is kept, or the first,
// which is kept then. The account must be locked.
bool KeepPayer(pg::Tx& tx, std::int64_t tenant_id, const std::string& customer_id) {
  if (customer_id.empty()) return false;
  if (const std::optional<Customer> known = FindCustomerById(tx, customer_id)) {
    return known->tenant_id == tenant_id;
  }
  return KeepCustomer(tx, tenant_id, customer_id).customer_id == customer_id;
}

absl::StatusOr<EventOutcome> Credit(pg::Tx& tx, const Payment& payment) {
  if (payment.amount_nanos == 0) return EventMalformed("what was paid is nothing");
  GH_ASSIGN_OR_RETURN(const std::optional<LedgerEntry> entry, CreditPayment(tx, payment));
  if (!entry) return OfTenant(payment.tenant_id, Ignored("already_credited"));
  return EventOutcome{.status = "processed",
                      .tenant_id = payment.tenant_id,
                      .amount_nanos = payment.amount_nanos,
                      .entry_id = entry->id};
}

// A refund or dispute of a payment that is not known. Ours, when the charge says so
// (Stripe copies a payment's metadata onto its charge), or when an event failed here that
// names the payment: then its credit is still to come, and this is to be told again.
absl::StatusOr<EventOutcome> AnswerUnknownPayment(pg::Tx& tx, const StripeEvent& event,
                                                  const std::string& payment_intent_id) {
  static constexpr char kHasFailed[] = R"(
SELECT EXISTS (SELECT FROM billing.stripe_events
  WHERE state = 'failed' AND event_id <> $1
    AND position(convert_to('"' || $2 || '"', 'UTF8') IN payload) > 0))";
  const std::string purpose = PurposeOf(event);
  if (purpose == kReserveTopup || purpose == kAutoTopup ||
      tx.exec_params(kHasFailed, event.id, payment_intent_id).at(0)[0].as<bool>()) {
    return Error(absl::StatusCode::kFailedPrecondition, "PAYMENT_NOT_CREDITED_YET",
                 absl::StrCat("payment ", payment_intent_id, " has not been credited yet"));
  }
  return Ignored("not_reserve_topup");
}

EventOutcome OutcomeOf(const TakenBack& taken) {
  EventOutcome outcome{.status = "processed", .tenant_id = taken.tenant_id};
  if (!taken.entry) return outcome;
  outcome.amount_nanos = taken.entry->amount_nanos;
  outcome.entry_id = taken.entry->id;
  return outcome;
}

absl::StatusOr<EventOutcome> ApplyDispute(pg::Tx& tx, const StripeEvent& event,
                                          absl::StatusOr<TakenBack> (*book)(pg::Tx&,
                                                                            const Dispute&)) {
  const std::string payment_intent_id = IdOrEmpty(event, "payment_intent");
  if (payment_intent_id.empty()) return Ignored("not_reserve_topup");
  if (!FindPayer(tx, payment_intent_id)) return AnswerUnknownPayment(tx, event, payment_intent_id);
  Dispute dispute;
  dispute.payment_intent_id = payment_intent_id;
  dispute.stripe_event_id = event.id;
  GH_ASSIGN_OR_RETURN(dispute.dispute_id, IdAt(event, "id"));
  GH_ASSIGN_OR_RETURN(dispute.amount_nanos, AmountAt(event, "amount"));
  if (dispute.amount_nanos == 0) return EventMalformed("a dispute must be about an amount");
  if (!IsInOurCurrency(event)) return EventMalformed("a dispute must be in US dollars");
  GH_ASSIGN_OR_RETURN(const TakenBack taken, book(tx, dispute));
  return OutcomeOf(taken);
}

// An automatic top-up that the metadata names; none for other texts.
std::string AutoTopupId(const StripeEvent& event) {
  const std::string id = TextAt(event, "metadata.auto_topup_id");
  return IsUuid(id) ? id : "";
}

absl::StatusOr<EventOutcome> ApplyAutoTopup(pg::Tx& tx, const StripeEvent& event,
                                            std::int64_t tenant_id) {
  if (!IsInOurCurrency(event)) return Ignored("currency_not_supported");
  Payment payment;
  payment.tenant_id = tenant_id;
  payment.entry_type = "auto_topup";
  payment.notes = "automatic top-up";
  payment.stripe_event_id = event.id;
  GH_ASSIGN_OR_RETURN(payment.payment_intent_id, IdAt(event, "id"));
  GH_ASSIGN_OR_RETURN(payment.amount_nanos, AmountAt(event, "amount_received"));
  GH_ASSIGN_OR_RETURN(EventOutcome outcome, Credit(tx, payment));
  // After the account, as everywhere.
  if (const std::string id = AutoTopupId(event); !id.empty()) {
    SaveTopupCharged(tx, id, payment.payment_intent_id);
  }
  return outcome;
}

// Stripe's code of why a charge was declined: "insufficient_funds".
std::string FailureOf(const StripeEvent& event) {
  for (const char* path : {"last_payment_error.decline_code", "last_payment_error.code"}) {
    std::string code = TextAt(event, path);
    if (IsStripeId(code)) return code;
  }
  return "payment_failed";
}

EventOutcome ForgetMethodOf(pg::Tx& tx, const Customer& customer) {
  LockAccount(tx, customer.tenant_id);
  SavePaymentMethod(tx, customer.tenant_id, "");
  return {.status = "processed", .tenant_id = customer.tenant_id};
}

}  // namespace

absl::StatusOr<EventOutcome> ApplyPaidSession(pg::Tx& tx, const StripeEvent& event) {
  const std::optional<std::int64_t> tenant_id = TenantOf(event);
  if (PurposeOf(event) != kReserveTopup || !tenant_id) return Ignored("not_reserve_topup");
  LockAccount(tx, *tenant_id);
  KeepPayer(tx, *tenant_id, IdOrEmpty(event, "customer"));
  if (TextAt(event, "payment_status") != "paid") {
    // Of a delayed method: the event that says how it ended follows.
    return EventOutcome{.status = "deferred", .reason = "not_paid", .tenant_id = *tenant_id};
  }
  if (!IsInOurCurrency(event)) return OfTenant(*tenant_id, Ignored("currency_not_supported"));
  Payment payment;
  payment.tenant_id = *tenant_id;
  payment.entry_type = "topup";
  payment.stripe_event_id = event.id;
  GH_ASSIGN_OR_RETURN(const std::string session_id, IdAt(event, "id"));
  payment.payment_intent_id = IdOrEmpty(event, "payment_intent");
  if (payment.payment_intent_id.empty()) payment.payment_intent_id = session_id;
  payment.notes = "Stripe Checkout " + session_id;
  GH_ASSIGN_OR_RETURN(payment.amount_nanos, AmountAt(event, "amount_total"));
  return Credit(tx, payment);
}

absl::StatusOr<EventOutcome> ApplyPaidIntent(pg::Tx& tx, const StripeEvent& event) {
  const std::optional<std::int64_t> tenant_id = TenantOf(event);
  const std::string purpose = PurposeOf(event);
  if (!tenant_id || (purpose != kReserveTopup && purpose != kAutoTopup)) {
    return Ignored("not_reserve_topup");
  }
  if (purpose == kAutoTopup) return ApplyAutoTopup(tx, event, *tenant_id);
  const std::string method_id = IdOrEmpty(event, "payment_method");
  if (TextAt(event, "metadata.save_payment_method") == "true" && !method_id.empty()) {
    LockAccount(tx, *tenant_id);
    // A method can be charged with its own customer only.
    if (KeepPayer(tx, *tenant_id, IdOrEmpty(event, "customer"))) {
      SavePaymentMethod(tx, *tenant_id, method_id);
    }
  }
  return EventOutcome{
      .status = "deferred", .reason = "credited_by_session", .tenant_id = *tenant_id};
}

absl::StatusOr<EventOutcome> ApplyFailedIntent(pg::Tx& tx, const StripeEvent& event) {
  const std::optional<std::int64_t> tenant_id = TenantOf(event);
  const std::string id = AutoTopupId(event);
  if (PurposeOf(event) != kAutoTopup || !tenant_id || id.empty()) return Ignored("payment_failed");
  GH_ASSIGN_OR_RETURN(const std::int64_t amount_nanos, AmountAt(event, "amount"));
  const std::string failure = FailureOf(event);
  LockAccount(tx, *tenant_id);
  if (!SaveTopupFailed(tx, id, IdOrEmpty(event, "id"), failure)) {
    // Known already, from the answer of the API.
    return OfTenant(*tenant_id, Ignored("payment_failed"));
  }
  GH_RETURN_IF_ERROR(AppendNotice(tx, *tenant_id, "auto_topup_failed",
                                  absl::StrCat(R"({"amount_cents":)", FloorCents(amount_nanos),
                                               R"(,"reason":")", failure, R"("})")));
  return EventOutcome{.status = "processed", .tenant_id = *tenant_id};
}

absl::StatusOr<EventOutcome> ApplyRefund(pg::Tx& tx, const StripeEvent& event) {
  const std::string payment_intent_id = IdOrEmpty(event, "payment_intent");
  if (payment_intent_id.empty()) return Ignored("not_reserve_topup");
  if (!FindPayer(tx, payment_intent_id)) return AnswerUnknownPayment(tx, event, payment_intent_id);
  if (!IsInOurCurrency(event)) return EventMalformed("a refund must be in US dollars");
  GH_ASSIGN_OR_RETURN(const std::int64_t refunded_nanos, AmountAt(event, "amount_refunded"));
  GH_ASSIGN_OR_RETURN(const TakenBack taken,
                      BookRefund(tx, payment_intent_id, refunded_nanos, event.id));
  return OutcomeOf(taken);
}

absl::StatusOr<EventOutcome> ApplyWithdrawal(pg::Tx& tx, const StripeEvent& event) {
  return ApplyDispute(tx, event, BookWithdrawal);
}

absl::StatusOr<EventOutcome> ApplyReinstatement(pg::Tx& tx, const StripeEvent& event) {
  return ApplyDispute(tx, event, BookReinstatement);
}

absl::StatusOr<EventOutcome> TellDispute(pg::Tx& tx, const StripeEvent& event) {
  // Administrators see the alerts of every tenant. One of no tenant would be everybody's.
  const std::string payment_intent_id = IdOrEmpty(event, "payment_intent");
  const std::optional<std::int64_t> tenant_id = FindPayer(tx, payment_intent_id);
  if (!tenant_id) return Ignored("not_reserve_topup");
  GH_ASSIGN_OR_RETURN(const std::string dispute_id, IdAt(event, "id"));
  GH_ASSIGN_OR_RETURN(const std::int64_t amount_nanos, AmountAt(event, "amount"));
  const bool is_new = event.type == "charge.dispute.created";
  pg::Event alert;
  alert.tenant_id = *tenant_id;
  alert.type = "system.alert";
  alert.subject = absl::StrCat("account/", *tenant_id);
  alert.data_json =
      absl::StrCat(R"({"kind":")", is_new ? "dispute_opened" : "dispute_closed",
                   R"(","dispute_id":")", dispute_id, R"(","payment_intent_id":")",
                   payment_intent_id, R"(","amount_cents":)", FloorCents(amount_nanos), "}");
  GH_RETURN_IF_ERROR(pg::AppendEvent(tx, "billing", alert));
  return OfTenant(*tenant_id, Ignored(is_new ? "dispute_opened" : "dispute_closed"));
}

absl::StatusOr<EventOutcome> ForgetCustomersMethod(pg::Tx& tx, const StripeEvent& event) {
  GH_ASSIGN_OR_RETURN(const std::string customer_id, IdAt(event, "id"));
  const std::optional<Customer> customer = FindCustomerById(tx, customer_id);
  if (!customer) return Ignored("customer_not_found");
  return ForgetMethodOf(tx, *customer);
}

absl::StatusOr<EventOutcome> ForgetMethod(pg::Tx& tx, const StripeEvent& event) {
  GH_ASSIGN_OR_RETURN(const std::string method_id, IdAt(event, "id"));
  // By now the method itself has no customer any more.
  const std::string customer_id =
      event.document.Id("data.previous_attributes.customer").value_or("");
  const std::optional<Customer> customer = FindCustomerById(tx, customer_id);
  if (!customer) return Ignored("customer_not_found");
  if (customer->payment_method_id != method_id) {
    return OfTenant(customer->tenant_id, Ignored("payment_method_not_used"));
  }
  return ForgetMethodOf(tx, *customer);
}

}  // namespace gatehouse::billing
