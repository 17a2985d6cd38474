#include "services/billing/event_inbox.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/utf8.h"
#include "libs/log/log.h"
#include "libs/metrics/metrics.h"
#include "services/billing/event_handlers.h"
#include "services/billing/event_store.h"
#include "services/billing/messages.h"
#include "services/billing/money_transaction.h"

namespace gatehouse::billing {
namespace {

constexpr std::size_t kErrorBytesMax = 500;

// One of a handful of words.
void Count(const std::string& result) {
  metrics::GetCounter("gatehouse_billing_stripe_events_total",
                      "Events that Stripe posted, by what became of them.", {{"result", result}})
      .Increment();
}

EventOutcome Skipped() { return {.status = "skipped", .reason = "already_processed"}; }

absl::StatusOr<EventOutcome> HandleOnce(pg::Tx& tx, const StripeEvent& event,
                                        const std::string& payload) {
  if (!TakeEvent(tx, event, payload)) return Skipped();
  GH_ASSIGN_OR_RETURN(const EventOutcome outcome, HandleEvent(tx, event));
  SaveOutcome(tx, event.id, outcome);
  return outcome;
}

// The database could not be asked at all: there is no use in asking it to keep that.
bool IsOutOfReach(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsResourceExhausted(status);
}

v1::ReceiveEventResponse ToProto(const StripeEvent& event, const EventOutcome& outcome) {
  v1::ReceiveEventResponse response;
  response.set_status(outcome.status);
  response.set_reason(outcome.reason);
  response.set_event_id(event.id);
  response.set_tenant_id(outcome.tenant_id);
  if (outcome.amount_nanos != 0) *response.mutable_amount() = ToMoney(outcome.amount_nanos);
  response.set_ledger_entry_id(outcome.entry_id);
  return response;
}

}  // namespace

EventInbox::EventInbox(pg::Database& db, std::vector<std::string> secrets, const Clock& clock)
    : db_(db), secrets_(std::move(secrets)), clock_(clock) {}

absl::StatusOr<v1::ReceiveEventResponse> EventInbox::Receive(
    const v1::ReceiveEventRequest& request) {
  if (request.payload().size() > kEventBytesMax) {
    return Error(absl::StatusCode::kInvalidArgument, "EVENT_MALFORMED",
                 "the event must have at most 1 MiB");
  }
  const absl::Status signature =
      CheckSignature(request.payload(), request.signature(), secrets_, clock_.Now());
  if (!signature.ok()) {
    Count("refused");
    return signature;
  }
  absl::StatusOr<StripeEvent> event = ParseStripeEvent(request.payload());
  if (!event.ok()) {
    Count("malformed");
    return event.status();
  }
  if (event->create_time == Time()) {
    event->create_time = std::chrono::floor<std::chrono::seconds>(clock_.Now());
  }
  return Handle(*event, request.payload());
}

absl::StatusOr<v1::ReceiveEventResponse> EventInbox::HandleKept(const std::string& event_id) {
  using Found = std::optional<KeptEvent>;
  GH_ASSIGN_OR_RETURN(const Found kept, db_.Read([&](pg::Tx& tx) -> absl::StatusOr<Found> {
    return FindEvent(tx, event_id);
  }));
  if (!kept) return Error(absl::StatusCode::kNotFound, "EVENT_NOT_FOUND", "there is no such event");
  GH_ASSIGN_OR_RETURN(StripeEvent event, ParseStripeEvent(kept->payload));
  event.create_time = kept->create_time;
  return Handle(event, kept->payload);
}

absl::StatusOr<v1::ReceiveEventResponse> EventInbox::Handle(const StripeEvent& event,
                                                            const std::string& payload) {
  // Run again when the answer to COMMIT was lost, it finds that the event was handled.
  absl::StatusOr<EventOutcome> outcome =
      InMoneyTransaction(db_, "billing.event.commit", "billing.event.committed",
                         [&](pg::Tx& tx) { return HandleOnce(tx, event, payload); });
  if (!outcome.ok() && !IsOutOfReach(outcome.status())) {
    outcome = KeepFailed(event, payload, outcome.status());
  }
  Count(outcome.ok() ? outcome->status : "failed");
  if (!outcome.ok()) return outcome.status();
  log::Info("Stripe event", {{"event_id", event.id},
                             {"type", event.type},
                             {"status", outcome->status},
                             {"reason", outcome->reason},
                             {"tenant_id", outcome->tenant_id}});
  return ToProto(event, *outcome);
}

absl::StatusOr<EventOutcome> EventInbox::KeepFailed(const StripeEvent& event,
                                                    const std::string& payload,
                                                    const absl::Status& failure) {
  const std::string reason = Reason(failure);
  const std::string error = ReplaceInvalidUtf8(
      absl::StrCat(reason, ": ", std::string(failure.message())).substr(0, kErrorBytesMax));
  log::Error("Stripe event failed",
             {{"event_id", event.id}, {"type", event.type}, {"error", error}});
  // Twice is only one attempt too many.
  const absl::StatusOr<bool> kept = pg::RepeatInDoubt([&] {
    return db_.InTransaction(
        [&](pg::Tx& tx) -> absl::StatusOr<bool> { return KeepFailure(tx, event, payload, error); });
  });
  if (!kept.ok()) return kept.status();
  if (!*kept) return Skipped();
  return Error(absl::StatusCode::kInternal, "EVENT_FAILED", "the event failed with " + reason);
}

}  // namespace gatehouse::billing
