#include "services/billing/payment_events.h"

#include "absl/strings/str_cat.h"
#include "libs/base/uuid.h"
#include "libs/pg/feed.h"
#include "services/billing/account_store.h"
#include "services/billing/auto_topup_store.h"
#include "services/billing/charge_outcome.h"
#include "services/billing/customer_store.h"
#include "services/billing/money.h"
#include "services/billing/payment_store.h"
#include "services/billing/stripe_fields.h"
#include "services/billing/topup_failure.h"

namespace gatehouse::billing {
namespace {

EventOutcome Ignored(const std::string& reason) { return {.status = "ignored", .reason = reason}; }

EventOutcome OfTenant(std::int64_t tenant_id, EventOutcome outcome) {
  outcome.tenant_id = tenant_id;
  return outcome;
}

// Whether the event names a customer who is not the tenant's: then it is of another
// installation on the same Stripe account, whose tenants have the same numbers. A tenant's
// customer is kept before anything is asked for with it, and also when it is gone.
bool NamesAnotherPayer(pg::Tx& tx, const StripeEvent& event, std::int64_t tenant_id) {
  const std::string customer_id = IdOrEmpty(event, "customer");
  if (customer_id.empty()) return false;
  const std::optional<Customer> customer = FindCustomerById(tx, customer_id);
  return !customer || customer->tenant_id != tenant_id;
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

// What a refund or a dispute tells of is kept in any case.
EventOutcome OutcomeOf(const TakenBack& taken) {
  if (taken.tenant_id == 0) return {.status = "deferred", .reason = "payment_not_credited"};
  EventOutcome outcome{.status = "processed", .tenant_id = taken.tenant_id};
  if (!taken.entry) return outcome;
  outcome.amount_nanos = taken.entry->amount_nanos;
  outcome.entry_id = taken.entry->id;
  return outcome;
}

// Whether what the event tells of a payment is to be kept; otherwise what to answer. One
// that is not credited may be yet; but not one that says that it is for something else.
struct OfPayment {
  std::string id;
  EventOutcome ignored;
};
absl::StatusOr<OfPayment> PaymentOf(pg::Tx& tx, const StripeEvent& event) {
  const std::string id = IdOrEmpty(event, "payment_intent");
  const std::string purpose = PurposeOf(event);
  const bool is_credited = !id.empty() && FindPayer(tx, id);
  const bool is_ours = purpose.empty() || purpose == kReserveTopup || purpose == kAutoTopup;
  if (id.empty() || (!is_credited && !is_ours)) return OfPayment{"", Ignored("not_reserve_topup")};
  if (IsInOurCurrency(event)) return OfPayment{id, {}};
  if (is_credited) return EventMalformed("what is taken back must be in US dollars");
  return OfPayment{"", Ignored("currency_not_supported")};
}

absl::StatusOr<EventOutcome> ApplyDispute(pg::Tx& tx, const StripeEvent& event,
                                          absl::StatusOr<TakenBack> (*book)(pg::Tx&,
                                                                            const Dispute&)) {
  GH_ASSIGN_OR_RETURN(const OfPayment payment, PaymentOf(tx, event));
  if (payment.id.empty()) return payment.ignored;
  Dispute dispute;
  dispute.payment_intent_id = payment.id;
  dispute.stripe_event_id = event.id;
  GH_ASSIGN_OR_RETURN(dispute.dispute_id, IdAt(event, "id"));
  GH_ASSIGN_OR_RETURN(dispute.amount_nanos, AmountAt(event, "amount"));
  if (dispute.amount_nanos == 0) return EventMalformed("a dispute must be about an amount");
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
  if (NamesAnotherPayer(tx, event, tenant_id)) return Ignored("customer_not_found");
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

// The customer that the id names, while it lives, with its account locked.
std::optional<Customer> LockCustomer(pg::Tx& tx, const Customer& named) {
  LockAccount(tx, named.tenant_id);
  std::optional<Customer> living = FindCustomer(tx, named.tenant_id);
  if (living && living->customer_id != named.customer_id) return std::nullopt;
  return living;
}

}  // namespace

absl::StatusOr<EventOutcome> ApplyPaidSession(pg::Tx& tx, const StripeEvent& event) {
  const std::optional<std::int64_t> tenant_id = TenantOf(event);
  if (PurposeOf(event) != kReserveTopup || !tenant_id) return Ignored("not_reserve_topup");
  if (NamesAnotherPayer(tx, event, *tenant_id)) return Ignored("customer_not_found");
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
  if (NamesAnotherPayer(tx, event, *tenant_id)) return Ignored("customer_not_found");
  const std::string method_id = IdOrEmpty(event, "payment_method");
  const std::string customer_id = IdOrEmpty(event, "customer");
  if (TextAt(event, "metadata.save_payment_method") == "true" && !method_id.empty() &&
      // A method can be charged with its own customer only.
      LockCustomer(tx, {.tenant_id = *tenant_id, .customer_id = customer_id})) {
    SavePaymentMethod(tx, *tenant_id, method_id, event.create_time);
  }
  return EventOutcome{
      .status = "deferred", .reason = "credited_by_session", .tenant_id = *tenant_id};
}

absl::StatusOr<EventOutcome> ApplyFailedIntent(pg::Tx& tx, const StripeEvent& event) {
  const std::string id = AutoTopupId(event);
  if (PurposeOf(event) != kAutoTopup || id.empty()) return Ignored("payment_failed");
  const std::optional<TopupState> named = FindTopup(tx, id);
  if (!named) return Ignored("payment_failed");
  GH_ASSIGN_OR_RETURN(const std::int64_t amount_nanos, AmountAt(event, "amount"));
  LockAccount(tx, named->tenant_id);
  if (!FindTopup(tx, id)->is_pending) {
    // Known already, from the answer of the API.
    return OfTenant(named->tenant_id, Ignored("payment_failed"));
  }
  const std::string why = FailureOf(event);
  GH_RETURN_IF_ERROR(BookTopupFailure(tx, {.topup_id = id,
                                           .tenant_id = named->tenant_id,
                                           .amount_nanos = amount_nanos,
                                           .payment_intent_id = IdOrEmpty(event, "id"),
                                           .why = why,
                                           .is_final = IsFinalDecline(why)}));
  return EventOutcome{.status = "processed", .tenant_id = named->tenant_id};
}

absl::StatusOr<EventOutcome> ApplyRefund(pg::Tx& tx, const StripeEvent& event) {
  GH_ASSIGN_OR_RETURN(const OfPayment payment, PaymentOf(tx, event));
  if (payment.id.empty()) return payment.ignored;
  Refund refund;
  refund.payment_intent_id = payment.id;
  refund.told = event.create_time;
  refund.stripe_event_id = event.id;
  GH_ASSIGN_OR_RETURN(refund.refunded_nanos, AmountAt(event, "amount_refunded"));
  GH_ASSIGN_OR_RETURN(const TakenBack taken, BookRefund(tx, refund));
  return OutcomeOf(taken);
}

absl::StatusOr<EventOutcome> ApplyFailedRefund(pg::Tx& tx, const StripeEvent& event) {
  const std::string status = TextAt(event, "status");
  if (status != "failed" && status != "canceled") return Ignored("refund_not_failed");
  GH_ASSIGN_OR_RETURN(const OfPayment payment, PaymentOf(tx, event));
  if (payment.id.empty()) return payment.ignored;
  FailedRefund refund;
  refund.payment_intent_id = payment.id;
  refund.told = event.create_time;
  refund.stripe_event_id = event.id;
  GH_ASSIGN_OR_RETURN(refund.refund_id, IdAt(event, "id"));
  GH_ASSIGN_OR_RETURN(refund.amount_nanos, AmountAt(event, "amount"));
  if (refund.amount_nanos == 0) return EventMalformed("a refund must be of an amount");
  GH_ASSIGN_OR_RETURN(const TakenBack taken, BookFailedRefund(tx, refund));
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

absl::StatusOr<EventOutcome> ForgetCustomer(pg::Tx& tx, const StripeEvent& event) {
  GH_ASSIGN_OR_RETURN(const std::string customer_id, IdAt(event, "id"));
  const std::optional<Customer> customer = FindCustomerById(tx, customer_id);
  if (!customer) return Ignored("customer_not_found");
  MarkCustomerGone(tx, customer_id);
  return EventOutcome{.status = "processed", .tenant_id = customer->tenant_id};
}

absl::StatusOr<EventOutcome> ForgetMethod(pg::Tx& tx, const StripeEvent& event) {
  GH_ASSIGN_OR_RETURN(const std::string method_id, IdAt(event, "id"));
  // By now the method itself has no customer any more.
  const std::string customer_id =
      event.document.Id("data.previous_attributes.customer").value_or("");
  const std::optional<Customer> named = FindCustomerById(tx, customer_id);
  if (!named) return Ignored("customer_not_found");
  const std::optional<Customer> customer = LockCustomer(tx, *named);
  if (!customer || customer->payment_method_id != method_id) {
    return OfTenant(named->tenant_id, Ignored("payment_method_not_used"));
  }
  SavePaymentMethod(tx, named->tenant_id, "", event.create_time);
  return EventOutcome{.status = "processed", .tenant_id = named->tenant_id};
}

absl::StatusOr<EventOutcome> FollowDefaultMethod(pg::Tx& tx, const StripeEvent& event) {
  GH_ASSIGN_OR_RETURN(const std::string customer_id, IdAt(event, "id"));
  const std::optional<Customer> named = FindCustomerById(tx, customer_id);
  if (!named) return Ignored("customer_not_found");
  const EventOutcome unused = OfTenant(named->tenant_id, Ignored("payment_method_not_used"));
  const std::string method_id = IdOrEmpty(event, "invoice_settings.default_payment_method");
  const bool has_changed = event.document.HasObject("data.previous_attributes.invoice_settings");
  if (!has_changed || method_id.empty()) return unused;
  const std::optional<Customer> customer = LockCustomer(tx, *named);
  // Only who let us keep one is charged without being there.
  if (!customer || customer->payment_method_id.empty()) return unused;
  if (!SavePaymentMethod(tx, named->tenant_id, method_id, event.create_time)) {
    return OfTenant(named->tenant_id, Ignored("stale"));
  }
  return EventOutcome{.status = "processed", .tenant_id = named->tenant_id};
}

}  // namespace gatehouse::billing
