#include "services/billing/payment_service.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gatehouse/billing/v1/payment.methods.h"
#include "libs/base/failpoint.h"
#include "libs/base/uuid.h"
#include "libs/log/log.h"
#include "services/billing/account_store.h"
#include "services/billing/checkout.h"
#include "services/billing/event_inbox.h"
#include "services/billing/ledger_store.h"
#include "services/billing/profile.h"
#include "services/billing/profile_store.h"
#include "services/billing/request_check.h"
#include "services/billing/stripe_answer.h"

namespace gatehouse::billing {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

constexpr char kTopupScope[] = "topup";
// Of all calls of Stripe for one request, and what is kept back to answer it.
constexpr milliseconds kStripeTime{8000};
constexpr milliseconds kReserve{500};
// Longer than the default: two calls of Stripe.
constexpr milliseconds kDeadlineMax{15000};

absl::Status NotConfigured(const std::string& setting) {
  return Error(absl::StatusCode::kUnavailable, "STRIPE_NOT_CONFIGURED",
               "payments are not configured: " + setting + " is not set");
}

absl::Status KeyReused() {
  return Error(absl::StatusCode::kAlreadyExists, "IDEMPOTENCY_KEY_REUSED",
               "the idempotency key belongs to another request");
}

// What Stripe answered is not what its documents say.
absl::Status Unreadable() {
  return Error(absl::StatusCode::kUnavailable, "STRIPE_UNAVAILABLE",
               "Stripe's answer lacks what was asked for");
}

// Stripe repeats a server error under its key for a day. So whoever got one asks once more
// under another key: what the first may have made, a customer or a page, nobody knows.
absl::StatusOr<JsonDocument> PostTwice(StripeClient& stripe, const std::string& path,
                                       const StripeForm& form, const std::string& key,
                                       const StripeCall& call) {
  absl::StatusOr<JsonDocument> made = stripe.Post(path, form, key, call);
  if (!IsServerError(made.status())) return made;
  return stripe.Post(path, form, UuidV7(), call);
}

StripeCall Until(SteadyTime deadline) {
  StripeCall call;
  call.deadline = steady_clock::now() + kStripeTime;
  if (deadline != SteadyTime::max()) call.deadline = std::min(call.deadline, deadline - kReserve);
  return call;
}

// The first answer under this key, or nullopt.
absl::StatusOr<std::optional<v1::CreateTopupSessionResponse>> FindSession(pg::Tx& tx,
                                                                          const TopupOrder& order) {
  const std::optional<KeptAnswer> first = FindAnswer(tx, kTopupScope, order.key);
  if (!first) return std::nullopt;
  if (first->request_hash != order.request_hash) return KeyReused();
  v1::CreateTopupSessionResponse response;
  response.ParseFromString(first->response);
  return response;
}

}  // namespace

PaymentService::PaymentService(pg::Database& db, StripeClient* stripe, EventInbox* inbox,
                               std::string public_url)
    : db_(db),
      stripe_(stripe),
      inbox_(inbox),
      public_url_(std::move(public_url)),
      rpc_(v1::PaymentService::kFullName) {
  const rpc::Policy by_gateway{.callers = {"gateway"}};
  const rpc::Policy through_stripe{
      .callers = {"gateway"}, .deadline_max = kDeadlineMax, .calls_out = true};
  rpc_.Unary(v1::PaymentService::kCreateTopupSession, through_stripe,
             [this](rpc::Call& call, const v1::CreateTopupSessionRequest& request) {
               return CreateTopupSession(request, call.deadline());
             });
  rpc_.Unary(v1::PaymentService::kCreatePortalSession, through_stripe,
             [this](rpc::Call& call, const v1::CreatePortalSessionRequest& request) {
               return CreatePortalSession(request, call.deadline());
             });
  rpc_.Unary(
      v1::PaymentService::kGetProfile, by_gateway,
      [this](rpc::Call&, const v1::GetProfileRequest& request) { return GetProfile(request); });
  rpc_.Unary(v1::PaymentService::kUpdateProfile, by_gateway,
             [this](rpc::Call&, const v1::UpdateProfileRequest& request) {
               return UpdateProfile(request);
             });
  rpc_.Unary(
      v1::PaymentService::kReceiveEvent, by_gateway,
      [this](rpc::Call&, const v1::ReceiveEventRequest& request) { return ReceiveEvent(request); });
}

struct PaymentService::Payer {
  std::int64_t tenant_id = 0;
  std::string tenant_name;
};

absl::StatusOr<Customer> PaymentService::EnsureCustomer(const Payer& payer,
                                                        const StripeCall& call) {
  GH_ASSIGN_OR_RETURN(const std::optional<Customer> known,
                      db_.Read([&](pg::Tx& tx) -> absl::StatusOr<std::optional<Customer>> {
                        return FindCustomer(tx, payer.tenant_id);
                      }));
  if (known) return *known;
  const StripeForm form = CustomerForm(payer.tenant_id, payer.tenant_name);
  // Under a lasting key Stripe would name a customer that was deleted since.
  GH_ASSIGN_OR_RETURN(const JsonDocument made,
                      PostTwice(*stripe_, "/v1/customers", form, UuidV7(), call));
  const std::optional<std::string> id = made.Text("id");
  if (!id) return Unreadable();
  Failpoint("billing.customer.made");
  // One at Stripe that lost against another call has no payments and harms nobody.
  const auto keep = [&](pg::Tx& tx) -> absl::StatusOr<Customer> {
    const Customer kept = KeepCustomer(tx, payer.tenant_id, *id);
    if (kept.customer_id.empty()) return Unreadable();  // One that was deleted at once.
    return kept;
  };
  return pg::RepeatInDoubt([&] { return db_.InTransaction(keep); });
}

absl::StatusOr<JsonDocument> PaymentService::Post(const Payer& payer, const StripeCall& call,
                                                  const PostFor& post) {
  GH_ASSIGN_OR_RETURN(const Customer customer, EnsureCustomer(payer, call));
  absl::StatusOr<JsonDocument> made = post(customer.customer_id);
  if (!IsCustomerMissing(made.status())) return made;
  log::Warning("a customer is gone at Stripe; the tenant gets another one",
               {{"tenant_id", payer.tenant_id}, {"customer_id", customer.customer_id}});
  const auto forget = [&](pg::Tx& tx) {
    MarkCustomerGone(tx, customer.customer_id);
    return absl::OkStatus();
  };
  GH_RETURN_IF_ERROR(pg::RepeatInDoubt([&] { return db_.InTransaction(forget); }));
  GH_ASSIGN_OR_RETURN(const Customer next, EnsureCustomer(payer, call));
  return post(next.customer_id);
}

absl::StatusOr<v1::CreateTopupSessionResponse> PaymentService::CreateTopupSession(
    const v1::CreateTopupSessionRequest& request, SteadyTime deadline) {
  GH_ASSIGN_OR_RETURN(const TopupOrder order, CheckTopup(request));
  if (stripe_ == nullptr) return NotConfigured("STRIPE_SECRET_KEY");
  GH_ASSIGN_OR_RETURN(const std::optional<v1::CreateTopupSessionResponse> first,
                      db_.Read([&](pg::Tx& tx) { return FindSession(tx, order); }));
  if (first) return *first;
  const StripeCall call = Until(deadline);
  const Payer payer{.tenant_id = order.tenant_id, .tenant_name = order.tenant_name};
  const auto post = [&](const std::string& customer_id) {
    const StripeForm form = TopupForm(order, customer_id, public_url_);
    // The same as before, where the answer was lost.
    return PostTwice(*stripe_, "/v1/checkout/sessions", form, StripeKey("topup-" + order.key, form),
                     call);
  };
  GH_ASSIGN_OR_RETURN(const JsonDocument made, Post(payer, call, post));
  const std::optional<std::string> id = made.Text("id");
  const std::optional<std::string> url = made.Text("url");
  if (!id || !url) return Unreadable();
  v1::CreateTopupSessionResponse session;
  session.set_session_id(*id);
  session.set_checkout_url(*url);
  return KeepSession(order, session);
}

absl::StatusOr<v1::CreateTopupSessionResponse> PaymentService::KeepSession(
    const TopupOrder& order, const v1::CreateTopupSessionResponse& session) {
  const auto keep = [&](pg::Tx& tx) -> absl::StatusOr<v1::CreateTopupSessionResponse> {
    const KeptAnswer answer{.request_hash = order.request_hash,
                            .response = session.SerializeAsString()};
    if (KeepAnswer(tx, kTopupScope, order.key, answer)) return session;
    // Another call under the key was first: its answer counts.
    GH_ASSIGN_OR_RETURN(const std::optional<v1::CreateTopupSessionResponse> first,
                        FindSession(tx, order));
    return first.value_or(session);
  };
  Failpoint("billing.topup.made");
  return pg::RepeatInDoubt([&] { return db_.InTransaction(keep); });
}

absl::StatusOr<v1::CreatePortalSessionResponse> PaymentService::CreatePortalSession(
    const v1::CreatePortalSessionRequest& request, SteadyTime deadline) {
  GH_RETURN_IF_ERROR(CheckTenant(request.tenant_id()));
  if (stripe_ == nullptr) return NotConfigured("STRIPE_SECRET_KEY");
  GH_ASSIGN_OR_RETURN(const Profile profile, db_.Read([&](pg::Tx& tx) -> absl::StatusOr<Profile> {
    return FindProfile(tx, request.tenant_id());
  }));
  if (!profile.allow_portal_access) {
    return Error(absl::StatusCode::kPermissionDenied, "PORTAL_NOT_ALLOWED",
                 "the customer portal is not open to this tenant");
  }
  const StripeCall call = Until(deadline);
  const Payer payer{.tenant_id = request.tenant_id(), .tenant_name = request.tenant_name()};
  const auto post = [&](const std::string& customer_id) {
    const StripeForm form = PortalForm(customer_id, profile.allow_plan_changes, public_url_);
    // Each is for one visit.
    return PostTwice(*stripe_, "/v1/billing_portal/sessions", form, UuidV7(), call);
  };
  GH_ASSIGN_OR_RETURN(const JsonDocument made, Post(payer, call, post));
  const std::optional<std::string> url = made.Text("url");
  if (!url) return Unreadable();
  v1::CreatePortalSessionResponse response;
  response.set_portal_url(*url);
  return response;
}

absl::StatusOr<v1::Profile> PaymentService::GetProfile(const v1::GetProfileRequest& request) {
  GH_RETURN_IF_ERROR(CheckTenant(request.tenant_id()));
  GH_ASSIGN_OR_RETURN(const Profile profile, db_.Read([&](pg::Tx& tx) -> absl::StatusOr<Profile> {
    return FindProfile(tx, request.tenant_id());
  }));
  return ToProto(profile, stripe_ != nullptr);
}

absl::StatusOr<v1::Profile> PaymentService::UpdateProfile(const v1::UpdateProfileRequest& request) {
  GH_RETURN_IF_ERROR(CheckTenant(request.tenant_id()));
  GH_ASSIGN_OR_RETURN(const ProfileChange change, CheckProfileChange(request));
  if (change.NeedsPaymentMethod() && stripe_ == nullptr) return NotConfigured("STRIPE_SECRET_KEY");
  const auto update = [&](pg::Tx& tx) -> absl::StatusOr<Profile> {
    LockAccount(tx, request.tenant_id());
    Profile profile = FindProfile(tx, request.tenant_id());
    GH_RETURN_IF_ERROR(Apply(change, &profile));
    SaveProfile(tx, profile);
    return profile;
  };
  // Done twice, it changes nothing the second time.
  GH_ASSIGN_OR_RETURN(const Profile profile,
                      pg::RepeatInDoubt([&] { return db_.InTransaction(update); }));
  return ToProto(profile, stripe_ != nullptr);
}

absl::StatusOr<v1::ReceiveEventResponse> PaymentService::ReceiveEvent(
    const v1::ReceiveEventRequest& request) {
  if (inbox_ == nullptr) return NotConfigured("STRIPE_WEBHOOK_SECRET");
  return inbox_->Receive(request);
}

}  // namespace gatehouse::billing
