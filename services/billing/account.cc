#include "services/billing/account.h"

#include "absl/strings/str_cat.h"
#include "services/billing/money.h"

namespace gatehouse::billing {
namespace {

absl::Status Insufficient(const Account& account, std::int64_t estimate_nanos) {
  return Error(absl::StatusCode::kFailedPrecondition, "RESERVE_INSUFFICIENT",
               absl::StrCat("the reserve has ", FormatDollars(account.available_nanos()),
                            " available and ", FormatDollars(estimate_nanos), " is required"),
               {{"balance_nanos", absl::StrCat(account.available_nanos())},
                {"required_nanos", absl::StrCat(estimate_nanos)}});
}

absl::Status AboveCeiling(const Account& account, std::int64_t estimate_nanos) {
  return Error(absl::StatusCode::kFailedPrecondition, "ESTIMATE_ABOVE_CEILING",
               absl::StrCat("the estimate of ", FormatDollars(estimate_nanos),
                            " is above the ceiling of ", FormatDollars(account.ceiling_nanos)),
               {{"estimate_nanos", absl::StrCat(estimate_nanos)},
                {"ceiling_nanos", absl::StrCat(account.ceiling_nanos)}});
}

// The least that may be available after a reserve; nullopt: no limit.
std::optional<std::int64_t> Floor(const Account& account) {
  if (account.overdraft_max_nanos) return -*account.overdraft_max_nanos;
  if (account.policy == Policy::kBlock) return 0;
  return std::nullopt;
}

}  // namespace

const char* PolicyText(Policy policy) {
  switch (policy) {
    case Policy::kBlock:
      return "block";
    case Policy::kWarn:
      return "warn";
    case Policy::kLimited:
      return "limited";
  }
  return "block";
}

Policy ParsePolicy(const std::string& text) {
  if (text == "warn") return Policy::kWarn;
  if (text == "limited") return Policy::kLimited;
  return Policy::kBlock;
}

bool IsPlanTier(const std::string& text) {
  return text == "free" || text == "starter" || text == "professional" || text == "enterprise";
}

bool Account::ChangeTier(const std::string& tier) {
  if (tier == plan_tier) return false;
  plan_tier = tier;
  ++tier_version;
  return true;
}

absl::StatusOr<Decision> Decide(const Account& account, std::int64_t estimate_nanos) {
  if (account.policy == Policy::kLimited && estimate_nanos > account.ceiling_nanos) {
    return AboveCeiling(account, estimate_nanos);
  }
  const std::int64_t left = account.available_nanos() - estimate_nanos;
  if (left >= 0) {
    return Decision{.policy = account.policy, .warned = false, .reason = "funds suffice"};
  }
  const std::optional<std::int64_t> floor = Floor(account);
  if (floor && left < *floor) return Insufficient(account, estimate_nanos);
  return Decision{
      .policy = account.policy,
      .warned = true,
      .reason = absl::StrCat("the reserve is short: ", FormatDollars(account.available_nanos()),
                             " available, ", FormatDollars(estimate_nanos), " required")};
}

}  // namespace gatehouse::billing
