// What a tenant has agreed on: plan, policy, automatic top-ups.
#include <memory>
#include <optional>

#include "gatehouse/billing/v1/account.methods.h"
#include "gatehouse/billing/v1/payment.methods.h"
#include "services/gateway/audit.h"
#include "services/gateway/cents.h"
#include "services/gateway/policy_text.h"
#include "services/gateway/request_context.h"
#include "services/gateway/routes.h"

namespace gatehouse::gateway {
namespace {

namespace bill = billing::v1;
using bill::Account;
using bill::AccountService;
using bill::PaymentService;

constexpr std::int64_t kThresholdCentsMax = 100'000'000;
constexpr std::int64_t kTopupCentsMax = 1'000'000;
constexpr std::int64_t kCapCentsMax = 10'000'000;

// The profile is kept in two places of billing.
struct View {
  std::optional<Account> account;
  std::optional<bill::Profile> profile;
};
using ViewPtr = std::shared_ptr<View>;

void WriteAutoTopup(const bill::AutoTopup& shown, JsonWriter& json) {
  json.Field("auto_topup_enabled", shown.enabled());
  json.Field("auto_topup_threshold_cents", FloorCents(shown.threshold().amount_nanos()));
  json.Field("auto_topup_amount_cents", FloorCents(shown.amount().amount_nanos()));
  json.Field("auto_topup_monthly_cap_cents", FloorCents(shown.monthly_cap().amount_nanos()));
  json.Field("auto_topup_charged_this_month_cents",
             CeilCents(shown.charged_this_month().amount_nanos()));
  json.TextOrNull("auto_topup_last_failure", shown.last_failure());
}

void ReplyWhenWhole(const Context& context, const ViewPtr& view) {
  if (!view->account || !view->profile) return;
  const bill::Profile& profile = *view->profile;
  JsonWriter json;
  json.BeginObject().TextOrNull("plan_tier", view->account->plan_tier());
  json.TextOrNull("subscription_status", profile.subscription_status());
  json.TextOrNull("stripe_subscription_id", profile.stripe_subscription_id());
  json.TimeField("current_period_start", profile.has_current_period_start(),
                 profile.current_period_start());
  json.TimeField("current_period_end", profile.has_current_period_end(),
                 profile.current_period_end());
  json.Field("allow_portal_access", profile.allow_portal_access());
  json.Field("allow_plan_changes", profile.allow_plan_changes());
  json.Field("low_balance_policy", PolicyText(view->account->policy()));
  json.Field("low_balance_threshold_cents",
             FloorCents(view->account->low_threshold().amount_nanos()));
  if (profile.has_auto_topup()) WriteAutoTopup(profile.auto_topup(), json);
  context->ReplyJson(200, json.EndObject().Take());
}

// Asks for what is missing, side by side, and answers.
void ReadRest(const Context& context, std::int64_t tenant_id, const ViewPtr& view) {
  const bool needs_account = !view->account;
  const bool needs_profile = !view->profile;
  if (needs_account) {
    bill::GetAccountRequest request;
    request.set_tenant_id(tenant_id);
    context->CallOrFail(*context->upstreams().billing, AccountService::kGetAccount, request,
                        [context, view](const Account& account) {
                          view->account = account;
                          ReplyWhenWhole(context, view);
                        });
  }
  if (needs_profile) {
    bill::GetProfileRequest request;
    request.set_tenant_id(tenant_id);
    context->CallOrFail(*context->upstreams().billing, PaymentService::kGetProfile, request,
                        [context, view](const bill::Profile& profile) {
                          view->profile = profile;
                          ReplyWhenWhole(context, view);
                        });
  }
  if (!needs_account && !needs_profile) ReplyWhenWhole(context, view);
}

void GetProfile(const Context& context) {
  const absl::StatusOr<std::int64_t> tenant = context->Tenant();
  if (!tenant.ok()) return context->Fail(tenant.status());
  ReadRest(context, *tenant, std::make_shared<View>());
}

// What is to change, in either place, and what the audit is told of it.
struct Change {
  std::optional<bill::UpdateAccountRequest> account;
  std::optional<bill::UpdateProfileRequest> profile;
  std::int64_t tenant_id = 0;
  std::string details;
  std::string account_details;  // Of that part alone.
};

void SetCents(std::int64_t cents, type::v1::Money* money) {
  money->set_currency_code("USD");
  money->set_amount_nanos(cents * kNanosPerCent);
}

void ReadAccountPart(JsonBody& body, Change* change, JsonWriter& details) {
  bill::UpdateAccountRequest request;
  const std::optional<std::string> policy = body.Text("low_balance_policy", 16);
  if (policy) {
    request.set_policy(ParsePolicy(*policy));
    if (request.policy() == Account::POLICY_UNSPECIFIED) {
      body.Note("low_balance_policy", "must be block, warn or limited");
    }
    details.Field("low_balance_policy", PolicyText(request.policy()));
  }
  const auto threshold = body.Int("low_balance_threshold_cents", 0, kThresholdCentsMax);
  if (threshold) {
    SetCents(*threshold, request.mutable_low_threshold());
    details.Field("low_balance_threshold_cents", *threshold);
  }
  if (policy || threshold) change->account = request;
}

void ReadAutoTopupPart(JsonBody& body, Change* change, JsonWriter& details) {
  bill::UpdateProfileRequest request;
  const auto enabled = body.Bool("auto_topup_enabled");
  if (enabled) {
    request.set_auto_topup_enabled(*enabled);
    details.Field("auto_topup_enabled", *enabled);
  }
  bool has_amount = false;
  const auto read = [&](const char* name, std::int64_t min, std::int64_t max, auto field) {
    const auto cents = body.Int(name, min, max);
    if (!cents) return;
    has_amount = true;
    SetCents(*cents, (request.*field)());
    details.Field(name, *cents);
  };
  read("auto_topup_threshold_cents", 0, kTopupCentsMax,
       &bill::UpdateProfileRequest::mutable_auto_topup_threshold);
  read("auto_topup_amount_cents", 100, kTopupCentsMax,
       &bill::UpdateProfileRequest::mutable_auto_topup_amount);
  read("auto_topup_monthly_cap_cents", 100, kCapCentsMax,
       &bill::UpdateProfileRequest::mutable_auto_topup_monthly_cap);
  if (enabled || has_amount) change->profile = request;
}

absl::StatusOr<Change> ReadChange(const RequestContext& context) {
  Change change;
  GH_ASSIGN_OR_RETURN(change.tenant_id, context.Tenant());
  GH_ASSIGN_OR_RETURN(JsonBody body, context.Body());
  JsonWriter details;
  details.BeginObject();
  details.Field("action", body.Has("low_balance_policy") ? "change_policy" : "change_profile");
  ReadAccountPart(body, &change, details);
  change.account_details = JsonWriter(details).EndObject().Take();
  ReadAutoTopupPart(body, &change, details);
  GH_RETURN_IF_ERROR(body.Finish());
  if (change.account) change.account->set_tenant_id(change.tenant_id);
  if (change.profile) change.profile->set_tenant_id(change.tenant_id);
  change.details = details.EndObject().Take();
  return change;
}

void ChangeAccount(const Context& context, const Change& change, const ViewPtr& view,
                   const auth::v1::AuditEvent& event) {
  if (!change.account) return ReadRest(context, change.tenant_id, view);
  context->Call(*context->upstreams().billing, AccountService::kUpdateAccount, *change.account,
                [context, view, event, change](const absl::StatusOr<Account>& account) {
                  if (!account.ok()) {
                    // The other part was done.
                    auth::v1::AuditEvent undone = event;
                    undone.set_details_json(change.account_details);
                    return FailAudited(context, undone, account.status(), "billing");
                  }
                  view->account = *account;
                  ReadRest(context, change.tenant_id, view);
                });
}

// The part that may be refused comes first.
void ChangeBoth(const Context& context, const Change& change, const auth::v1::AuditEvent& event) {
  const auto view = std::make_shared<View>();
  if (!change.profile) return ChangeAccount(context, change, view, event);
  context->Call(*context->upstreams().billing, PaymentService::kUpdateProfile, *change.profile,
                [context, view, event, change](const absl::StatusOr<bill::Profile>& profile) {
                  if (!profile.ok()) {
                    return FailAudited(context, event, profile.status(), "billing");
                  }
                  view->profile = *profile;
                  ChangeAccount(context, change, view, event);
                });
}

void UpdateProfile(const Context& context) {
  const auto change = ReadChange(*context);
  if (!change.ok()) return context->Fail(change.status());
  if (!change->account && !change->profile) {
    return ReadRest(context, change->tenant_id, std::make_shared<View>());
  }
  auto event = MakeAuditEvent(*context, "billing_action",
                              "tenant/" + std::to_string(change->tenant_id), change->details);
  event.set_tenant_id(change->tenant_id);
  AuditThen(context, event,
            [context, change = *change, event] { ChangeBoth(context, change, event); });
}

}  // namespace

void AddProfileRoutes(RouteTable& table) {
  table.Add({.method = "GET",
             .path = "/api/billing/profile/",
             .audience = Audience::kUser,
             .handler = GetProfile});
  table.Add({.method = "PATCH",
             .path = "/api/billing/profile/",
             .audience = Audience::kUser,
             .handler = UpdateProfile});
}

}  // namespace gatehouse::gateway
