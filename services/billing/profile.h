// What a tenant has agreed on: plan, subscription, portal, automatic top-ups. Pure. Not
// the SQL (profile_store.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "gatehouse/billing/v1/payment.pb.h"
#include "libs/base/clock.h"
#include "libs/status/status.h"

namespace gatehouse::billing {

// When and how much the stored payment method is charged.
struct AutoTopupTerms {
  bool enabled = false;
  std::int64_t threshold_nanos = 10'000'000'000;
  std::int64_t amount_nanos = 50'000'000'000;
  std::int64_t monthly_cap_nanos = 200'000'000'000;
};

struct Profile {
  std::int64_t tenant_id = 0;
  std::string plan_tier = "free";
  bool allow_portal_access = true;
  bool allow_plan_changes = true;
  std::string subscription_id;  // Empty for none; so are the next three.
  std::string subscription_status;
  std::optional<Time> period_start;
  std::optional<Time> period_end;
  bool has_payment_method = false;
  AutoTopupTerms auto_topup;
  std::int64_t charged_this_month_nanos = 0;  // Or being charged.
  std::string last_failure;                   // Of the newest charge; empty: it did not fail.
};

struct ProfileChange {
  std::optional<bool> enabled;
  std::optional<std::int64_t> threshold_nanos;
  std::optional<std::int64_t> amount_nanos;
  std::optional<std::int64_t> monthly_cap_nanos;
  std::optional<bool> allow_portal_access;
  std::optional<bool> allow_plan_changes;

  // Whether it asks for what needs a payment method: anything but to switch them off.
  bool NeedsPaymentMethod() const;
};

// INVALID_ARGUMENT / AMOUNT_OUT_OF_RANGE or CURRENCY_UNKNOWN, with the field.
absl::StatusOr<ProfileChange> CheckProfileChange(const v1::UpdateProfileRequest& request);

// Changes `profile`. FAILED_PRECONDITION / PAYMENT_METHOD_MISSING; INVALID_ARGUMENT /
// AMOUNT_OUT_OF_RANGE for a charge that the monthly cap would never let pass.
absl::Status Apply(const ProfileChange& change, Profile* profile);

// `shows_auto_topup`: Stripe is configured.
v1::Profile ToProto(const Profile& profile, bool shows_auto_topup);

}  // namespace gatehouse::billing
