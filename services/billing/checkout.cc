#include "services/billing/checkout.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "libs/base/secret.h"
#include "libs/base/uuid.h"
#include "services/billing/money.h"
#include "services/billing/request_check.h"

namespace gatehouse::billing {
namespace {

constexpr char kKeySpace[] = "c3b0f3a4-97a5-4f2a-8a55-4a1d1c8e2f60";
constexpr std::int64_t kCentsMin = 100;
constexpr std::int64_t kCentsMax = 1'000'000;
constexpr std::size_t kNameBytesMax = 255;

absl::Status Invalid(const std::string& reason, const std::string& field,
                     const std::string& message) {
  return WithFieldViolation(Error(absl::StatusCode::kInvalidArgument, reason, message), field,
                            message);
}

std::string Page(const std::string& public_url, const std::string& path) {
  return absl::StrCat(absl::StripSuffix(public_url, "/"), path);
}

}  // namespace

absl::StatusOr<TopupOrder> CheckTopup(const v1::CreateTopupSessionRequest& request) {
  TopupOrder order;
  GH_RETURN_IF_ERROR(CheckTenant(request.tenant_id()));
  GH_ASSIGN_OR_RETURN(const std::string key,
                      CheckKey(request.idempotency_key(), "idempotency_key"));
  if (request.amount().currency_code() != kCurrency) {
    return Invalid("CURRENCY_UNKNOWN", "amount.currency_code", "only USD is known");
  }
  const std::int64_t nanos = request.amount().amount_nanos();
  order.cents = nanos / kNanosPerCent;
  if (nanos % kNanosPerCent != 0 || order.cents < kCentsMin || order.cents > kCentsMax) {
    return Invalid("AMOUNT_OUT_OF_RANGE", "amount.amount_nanos",
                   "the amount must be from 1 to 10,000 USD in whole cents");
  }
  order.tenant_name = request.tenant_name();
  if (order.tenant_name.size() > kNameBytesMax ||
      order.tenant_name.find('\0') != std::string::npos) {
    return Invalid("REQUEST_INVALID", "tenant_name", "must be at most 255 bytes of text");
  }
  order.tenant_id = request.tenant_id();
  order.save_payment_method = request.save_payment_method();
  order.key = UuidV5(kKeySpace, absl::StrCat(order.tenant_id, "/", key));
  order.request_hash = Sha256(absl::StrCat("CreateTopupSession;", order.key, ";", order.cents, ";",
                                           order.save_payment_method ? 1 : 0));
  return order;
}

StripeForm CustomerForm(std::int64_t tenant_id, const std::string& tenant_name) {
  StripeForm form = {{"metadata[tenant_id]", absl::StrCat(tenant_id)}};
  if (!tenant_name.empty()) {
    form.emplace_back("name", tenant_name);
    form.emplace_back("metadata[tenant_name]", tenant_name);
  }
  return form;
}

StripeForm TopupForm(const TopupOrder& order, const std::string& customer_id,
                     const std::string& public_url) {
  const std::string tenant = absl::StrCat(order.tenant_id);
  const std::string cents = absl::StrCat(order.cents);
  StripeForm form = {
      {"mode", "payment"},
      {"customer", customer_id},
      {"client_reference_id", tenant},
      {"payment_method_types[0]", "card"},
      {"line_items[0][quantity]", "1"},
      {"line_items[0][price_data][currency]", "usd"},
      {"line_items[0][price_data][unit_amount]", cents},
      {"line_items[0][price_data][product_data][name]", "Reserve top-up"},
      {"success_url", Page(public_url, "/billing/topup/success/?session_id={CHECKOUT_SESSION_ID}")},
      {"cancel_url", Page(public_url, "/billing/topup/cancel/")},
  };
  // On the payment, too: its own events do not name the session.
  for (const char* of : {"metadata", "payment_intent_data[metadata]"}) {
    form.emplace_back(absl::StrCat(of, "[tenant_id]"), tenant);
    form.emplace_back(absl::StrCat(of, "[purpose]"), "reserve_topup");
    form.emplace_back(absl::StrCat(of, "[amount_cents]"), cents);
    form.emplace_back(absl::StrCat(of, "[save_payment_method]"),
                      order.save_payment_method ? "true" : "false");
  }
  if (order.save_payment_method) {
    form.emplace_back("payment_intent_data[setup_future_usage]", "off_session");
  }
  return form;
}

StripeForm PortalForm(const std::string& customer_id, bool allow_plan_changes,
                      const std::string& public_url) {
  const std::string home = Page(public_url, "/");
  StripeForm form = {{"customer", customer_id}, {"return_url", home}};
  if (allow_plan_changes) return form;
  form.emplace_back("flow_data[type]", "payment_method_update");
  // Otherwise the flow ends on the portal's own first page, which offers the rest.
  form.emplace_back("flow_data[after_completion][type]", "redirect");
  form.emplace_back("flow_data[after_completion][redirect][return_url]", home);
  return form;
}

std::string StripeKey(const std::string& subject, const StripeForm& form) {
  return absl::StrCat("gatehouse-", subject, "-", Sha256Hex(EncodeForm(form)).substr(0, 32));
}

}  // namespace gatehouse::billing
