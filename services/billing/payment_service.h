// The RPCs of gatehouse.billing.v1.PaymentService. Not the forms (checkout.h), not the
// calls (stripe_client.h), and not what an event does (event_inbox.h).
#pragma once

#include <functional>
#include <string>

#include "gatehouse/billing/v1/payment.pb.h"
#include "libs/base/clock.h"
#include "libs/pg/database.h"
#include "libs/rpc/server.h"
#include "services/billing/customer_store.h"
#include "services/billing/stripe_client.h"

namespace gatehouse::billing {

class EventInbox;
struct TopupOrder;

// Thread-safe. Holds no database connection while it calls Stripe.
class PaymentService {
 public:
  // All must outlive this. `stripe` null: payments are not configured; `inbox` null: no
  // event is believed. `public_url`: where browsers reach the gateway.
  PaymentService(pg::Database& db, StripeClient* stripe, EventInbox* inbox, std::string public_url);

  rpc::Service& rpc() { return rpc_; }

  // See payment.proto. At `deadline`, or after eight seconds, Stripe is waited for no more.
  absl::StatusOr<v1::CreateTopupSessionResponse> CreateTopupSession(
      const v1::CreateTopupSessionRequest& request, SteadyTime deadline = SteadyTime::max());
  absl::StatusOr<v1::CreatePortalSessionResponse> CreatePortalSession(
      const v1::CreatePortalSessionRequest& request, SteadyTime deadline = SteadyTime::max());
  absl::StatusOr<v1::Profile> GetProfile(const v1::GetProfileRequest& request);
  absl::StatusOr<v1::Profile> UpdateProfile(const v1::UpdateProfileRequest& request);
  absl::StatusOr<v1::ReceiveEventResponse> ReceiveEvent(const v1::ReceiveEventRequest& request);

 private:
  struct Payer;
  using PostFor = std::function<absl::StatusOr<JsonDocument>(const std::string& customer_id)>;

  // The tenant's customer at Stripe, made at the first call.
  absl::StatusOr<Customer> EnsureCustomer(const Payer& payer, const StripeCall& call);
  // `post` for that customer. One that Stripe does not know any more is replaced, once.
  absl::StatusOr<JsonDocument> Post(const Payer& payer, const StripeCall& call,
                                    const PostFor& post);
  absl::StatusOr<v1::CreateTopupSessionResponse> KeepSession(
      const TopupOrder& order, const v1::CreateTopupSessionResponse& session);

  pg::Database& db_;
  StripeClient* const stripe_;
  EventInbox* const inbox_;
  const std::string public_url_;
  rpc::Service rpc_;
};

}  // namespace gatehouse::billing
