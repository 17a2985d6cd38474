// Paying: top-ups, the customer portal, the profile, and the pages to come back to.
#include <algorithm>
#include <optional>

#include "gatehouse/auth/v1/tenant.methods.h"
#include "gatehouse/billing/v1/payment.methods.h"
#include "services/gateway/cents.h"
#include "services/gateway/common_headers.h"
#include "services/gateway/idempotency_key.h"
#include "services/gateway/page_asset.h"
#include "services/gateway/request_context.h"
#include "services/gateway/routes.h"

namespace gatehouse::gateway {
namespace {

namespace bill = billing::v1;
using bill::PaymentService;

constexpr std::int64_t kTopupCentsMin = 100;
constexpr std::int64_t kTopupCentsMax = 1'000'000;

absl::StatusOr<bill::CreateTopupSessionRequest> ReadTopup(const RequestContext& context) {
  GH_ASSIGN_OR_RETURN(const std::int64_t tenant, context.Tenant());
  GH_ASSIGN_OR_RETURN(JsonBody body, context.Body());
  bill::CreateTopupSessionRequest request;
  request.set_tenant_id(tenant);
  const bool has_dollars = body.Has("amount_dollars");
  const bool has_cents = body.Has("amount_cents");
  std::optional<std::int64_t> cents;
  if (has_dollars && has_cents) {
    body.Note("amount_cents", "must not come together with amount_dollars");
  } else if (has_dollars) {
    cents = body.Decimal("amount_dollars", 2, kTopupCentsMin, kTopupCentsMax);
  } else if (has_cents) {
    cents = body.Int("amount_cents", kTopupCentsMin, kTopupCentsMax);
  } else {
    body.Note("amount_dollars", "is required, or amount_cents");
  }
  request.mutable_amount()->set_currency_code("USD");
  request.mutable_amount()->set_amount_nanos(cents.value_or(0) * kNanosPerCent);
  request.set_save_payment_method(body.Bool("save_payment_method").value_or(false));
  GH_RETURN_IF_ERROR(body.Finish());
  GH_ASSIGN_OR_RETURN(std::string key, ReadIdempotencyKey(context));
  request.set_idempotency_key(key);
  return request;
}

// `done(const auth::v1::Tenant&)`, for the name that Stripe is told.
template <typename Done>
void WithTenant(const Context& context, std::int64_t tenant_id, Done done) {
  auth::v1::GetTenantRequest request;
  request.set_id(tenant_id);
  context->CallOrFail(*context->upstreams().auth, auth::v1::TenantService::kGetTenant, request,
                      std::move(done));
}

void CreateTopup(const Context& context) {
  const auto read = ReadTopup(*context);
  if (!read.ok()) return context->Fail(read.status());
  WithTenant(context, read->tenant_id(), [context, read = *read](const auth::v1::Tenant& tenant) {
    bill::CreateTopupSessionRequest request = read;
    request.set_tenant_name(tenant.name());
    context->CallOrFail(*context->upstreams().billing, PaymentService::kCreateTopupSession, request,
                        [context](const bill::CreateTopupSessionResponse& session) {
                          JsonWriter json;
                          json.BeginObject().Field("session_id", session.session_id());
                          json.Field("checkout_url", session.checkout_url()).EndObject();
                          context->ReplyJson(200, json.Take());
                        });
  });
}

absl::StatusOr<bill::CreatePortalSessionRequest> ReadPortal(const RequestContext& context) {
  GH_ASSIGN_OR_RETURN(const std::int64_t tenant, context.Tenant());
  GH_ASSIGN_OR_RETURN(JsonBody body, context.Body());
  GH_RETURN_IF_ERROR(body.Finish());
  bill::CreatePortalSessionRequest request;
  request.set_tenant_id(tenant);
  return request;
}

void OpenPortal(const Context& context) {
  const auto read = ReadPortal(*context);
  if (!read.ok()) return context->Fail(read.status());
  WithTenant(context, read->tenant_id(), [context, read = *read](const auth::v1::Tenant& tenant) {
    bill::CreatePortalSessionRequest request = read;
    request.set_tenant_name(tenant.name());
    context->CallOrFail(*context->upstreams().billing, PaymentService::kCreatePortalSession,
                        request, [context](const bill::CreatePortalSessionResponse& session) {
                          JsonWriter json;
                          json.BeginObject().Field("portal_url", session.portal_url()).EndObject();
                          context->ReplyJson(200, json.Take());
                        });
  });
}

// Nothing of the request is shown: what it says may be anybody's words.
Handler Page(const char* name) {
  const auto assets = PageAssets();
  const auto found = std::find_if(assets.begin(), assets.end(),
                                  [&](const PageAsset& asset) { return asset.name == name; });
  return [asset = *found](const Context& context) {
    http::Response response;
    response.headers.push_back({"Content-Type", std::string(asset.type)});
    response.headers.push_back({"Content-Security-Policy", PolicyText(ContentPolicy::kSelf)});
    response.body = asset.plain;
    context->Reply(std::move(response));
  };
}

void AddPage(RouteTable& table, const char* path, const char* name) {
  table.Add({.method = "GET",
             .path = path,
             .audience = Audience::kPublic,
             .timeout = Timeout::kQuick,
             .handler = Page(name)});
}

// Time for two calls of Stripe.
void AddPayment(RouteTable& table, const char* path, Handler handler) {
  table.Add({.method = "POST",
             .path = path,
             .audience = Audience::kUser,
             .timeout = Timeout::kSlow,
             .handler = std::move(handler)});
}

}  // namespace

void AddPaymentRoutes(RouteTable& table) {
  AddPayment(table, "/api/billing/topup/session/", CreateTopup);
  AddPayment(table, "/api/billing/portal/session/", OpenPortal);
  AddPage(table, "/billing/topup/success/", "topup_success.html");
  AddPage(table, "/billing/topup/cancel/", "topup_cancel.html");
}

}  // namespace gatehouse::gateway
