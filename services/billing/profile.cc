#include "services/billing/profile.h"

#include "absl/strings/str_cat.h"
#include "libs/rpc/timestamp.h"
#include "services/billing/messages.h"
#include "services/billing/money.h"

namespace gatehouse::billing {
namespace {

constexpr std::int64_t kUnit = 100 * kNanosPerCent;

struct Range {
  std::int64_t min_units;
  std::int64_t max_units;
  bool whole_cents;
};

absl::Status OutOfRange(const std::string& field, const std::string& rule) {
  return WithFieldViolation(
      Error(absl::StatusCode::kInvalidArgument, "AMOUNT_OUT_OF_RANGE", field + " " + rule), field,
      rule);
}

absl::StatusOr<std::int64_t> CheckAmount(const type::v1::Money& money, const std::string& field,
                                         const Range& range) {
  if (money.currency_code() != kCurrency) {
    return WithFieldViolation(
        Error(absl::StatusCode::kInvalidArgument, "CURRENCY_UNKNOWN", "only USD is known"),
        field + ".currency_code", "only USD is known");
  }
  const std::int64_t nanos = money.amount_nanos();
  if (nanos < range.min_units * kUnit || nanos > range.max_units * kUnit ||
      (range.whole_cents && nanos % kNanosPerCent != 0)) {
    return OutOfRange(field, absl::StrCat("must be from ", range.min_units, " to ", range.max_units,
                                          " USD", range.whole_cents ? " in whole cents" : ""));
  }
  return nanos;
}

}  // namespace

bool ProfileChange::NeedsPaymentMethod() const {
  return enabled.value_or(false) || threshold_nanos || amount_nanos || monthly_cap_nanos;
}

absl::StatusOr<ProfileChange> CheckProfileChange(const v1::UpdateProfileRequest& request) {
  ProfileChange change;
  if (request.has_auto_topup_enabled()) change.enabled = request.auto_topup_enabled();
  if (request.has_auto_topup_threshold()) {
    GH_ASSIGN_OR_RETURN(change.threshold_nanos,
                        CheckAmount(request.auto_topup_threshold(), "auto_topup_threshold",
                                    {.min_units = 0, .max_units = 10000, .whole_cents = false}));
  }
  if (request.has_auto_topup_amount()) {
    GH_ASSIGN_OR_RETURN(change.amount_nanos,
                        CheckAmount(request.auto_topup_amount(), "auto_topup_amount",
                                    {.min_units = 1, .max_units = 10000, .whole_cents = true}));
  }
  if (request.has_auto_topup_monthly_cap()) {
    GH_ASSIGN_OR_RETURN(change.monthly_cap_nanos,
                        CheckAmount(request.auto_topup_monthly_cap(), "auto_topup_monthly_cap",
                                    {.min_units = 1, .max_units = 100000, .whole_cents = false}));
  }
  if (request.has_allow_portal_access()) change.allow_portal_access = request.allow_portal_access();
  if (request.has_allow_plan_changes()) change.allow_plan_changes = request.allow_plan_changes();
  return change;
}

absl::Status Apply(const ProfileChange& change, Profile* profile) {
  if (change.NeedsPaymentMethod() && !profile->has_payment_method) {
    return Error(absl::StatusCode::kFailedPrecondition, "PAYMENT_METHOD_MISSING",
                 "automatic top-ups need a stored payment method: top up once and save it");
  }
  AutoTopupTerms& terms = profile->auto_topup;
  terms.enabled = change.enabled.value_or(terms.enabled);
  terms.threshold_nanos = change.threshold_nanos.value_or(terms.threshold_nanos);
  terms.amount_nanos = change.amount_nanos.value_or(terms.amount_nanos);
  terms.monthly_cap_nanos = change.monthly_cap_nanos.value_or(terms.monthly_cap_nanos);
  if ((change.amount_nanos || change.monthly_cap_nanos) &&
      terms.amount_nanos > terms.monthly_cap_nanos) {
    return OutOfRange(change.amount_nanos ? "auto_topup_amount" : "auto_topup_monthly_cap",
                      "would let no charge pass: the monthly cap is below the amount");
  }
  profile->allow_portal_access = change.allow_portal_access.value_or(profile->allow_portal_access);
  profile->allow_plan_changes = change.allow_plan_changes.value_or(profile->allow_plan_changes);
  return absl::OkStatus();
}

v1::Profile ToProto(const Profile& profile, bool shows_auto_topup) {
  v1::Profile proto;
  proto.set_tenant_id(profile.tenant_id);
  proto.set_plan_tier(profile.plan_tier);
  proto.set_subscription_status(profile.subscription_status);
  proto.set_stripe_subscription_id(profile.subscription_id);
  if (profile.period_start) {
    *proto.mutable_current_period_start() = rpc::ToTimestamp(*profile.period_start);
  }
  if (profile.period_end) {
    *proto.mutable_current_period_end() = rpc::ToTimestamp(*profile.period_end);
  }
  proto.set_allow_portal_access(profile.allow_portal_access);
  proto.set_allow_plan_changes(profile.allow_plan_changes);
  if (!shows_auto_topup || !profile.has_payment_method) return proto;
  v1::AutoTopup& shown = *proto.mutable_auto_topup();
  shown.set_enabled(profile.auto_topup.enabled);
  *shown.mutable_threshold() = ToMoney(profile.auto_topup.threshold_nanos);
  *shown.mutable_amount() = ToMoney(profile.auto_topup.amount_nanos);
  *shown.mutable_monthly_cap() = ToMoney(profile.auto_topup.monthly_cap_nanos);
  *shown.mutable_charged_this_month() = ToMoney(profile.charged_this_month_nanos);
  shown.set_last_failure(profile.last_failure);
  return proto;
}

}  // namespace gatehouse::billing
