#include "gatehouse/billing/v1/payment.methods.h"
#include "services/gateway/cents.h"
#include "services/gateway/request_context.h"
#include "services/gateway/routes.h"
#include "services/gateway/text.h"

namespace gatehouse::gateway {
namespace {

namespace bill = billing::v1;

constexpr std::size_t kBodyBytesMax = 1 << 20;
constexpr std::size_t kSignatureBytesMax = 4096;

void ReplyReceived(const Context& context, const bill::ReceiveEventResponse& received) {
  JsonWriter json;
  json.BeginObject().Field("status", received.status());
  if (!received.reason().empty()) json.Field("reason", received.reason());
  if (received.status() == "skipped") json.Field("event_id", received.event_id());
  if (received.tenant_id() != 0) json.Field("tenant_id", received.tenant_id());
  if (received.has_amount()) {
    json.Field("amount_cents", FloorCents(received.amount().amount_nanos()));
  }
  if (!received.ledger_entry_id().empty()) {
    json.Field("ledger_entry_id", received.ledger_entry_id());
  }
  context->ReplyJson(200, json.EndObject().Take());
}

// The header as it came; none for one that cannot be right.
std::string SignatureOf(const http::Request& request) {
  if (request.Count("Stripe-Signature") != 1) return "";
  const std::string header(*request.Find("Stripe-Signature"));
  return Printable(header, kSignatureBytesMax) == header ? header : "";
}

// What was signed are the bytes of the body, so they are passed on as they are.
void ReceiveEvent(const Context& context) {
  bill::ReceiveEventRequest request;
  request.set_payload(context->request().body);
  request.set_signature(SignatureOf(context->request()));
  context->Call(*context->upstreams().billing, bill::PaymentService::kReceiveEvent, request,
                [context](const absl::StatusOr<bill::ReceiveEventResponse>& received) {
                  if (received.ok()) return ReplyReceived(context, *received);
                  if (Reason(received.status()) != "SIGNATURE_INVALID") {
                    return context->Fail(received.status(), "billing");
                  }
                  // Stripe is never limited, even where it shares an address with who
                  // forges signatures; only what is forged is.
                  if (const auto refused = context->GuessesRefused()) {
                    return context->Fail(*refused);
                  }
                  context->NoteGuess();
                  context->Fail(received.status(), "billing");
                });
}

}  // namespace

void AddWebhookRoutes(RouteTable& table) {
  table.Add({.method = "POST",
             .path = "/api/billing/webhook/",
             .audience = Audience::kPublic,
             .limit = Limit::kSigned,
             .timeout = Timeout::kSlow,
             .handler = ReceiveEvent,
             .body_bytes_max = kBodyBytesMax});
}

}  // namespace gatehouse::gateway
