// A tenant's reserve account, its plan, and the policy that decides what it may
// spend. Pure: no I/O and no protobuf.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "libs/status/status.h"

namespace gatehouse::billing {

enum class Policy { kBlock, kWarn, kLimited };

// "block", "warn", "limited": as stored.
const char* PolicyText(Policy policy);
Policy ParsePolicy(const std::string& text);

// Whether there is such a plan: free, starter, professional or enterprise.
bool IsPlanTier(const std::string& text);

struct Account {
  std::int64_t tenant_id = 0;
  std::int64_t settled_nanos = 0;  // Money booked; negative in debt.
  std::int64_t held_nanos = 0;     // Of it, set aside by open holds.
  std::int64_t entry_count = 0;    // Ledger entries so far.
  Policy policy = Policy::kWarn;
  std::string plan_tier = "free";
  std::int64_t tier_version = 0;  // How often plan_tier was changed.
  std::int64_t low_threshold_nanos = 5'000'000'000;
  // How far below zero reserves may go. nullopt: not at all under block, without
  // end otherwise.
  std::optional<std::int64_t> overdraft_max_nanos;
  std::int64_t ceiling_nanos = 1'000'000'000;  // Dearest estimate under limited.

  std::int64_t available_nanos() const { return settled_nanos - held_nanos; }
  // Takes the plan over; false, and nothing changes, when it is the same.
  bool ChangeTier(const std::string& tier);

  // By what is booked, as TellLowBalance has it: work that runs makes nobody poor.
  bool is_low() const { return settled_nanos < low_threshold_nanos; }
};

// Why an estimate was let pass.
struct Decision {
  Policy policy = Policy::kWarn;
  bool warned = false;
  std::string reason;  // For people; the warning when `warned`.
};

// Whether `account` may set `estimate_nanos` aside. Under limited, estimates
// above the ceiling are refused whatever the balance. FAILED_PRECONDITION /
// RESERVE_INSUFFICIENT (metadata balance_nanos, what is available, and
// required_nanos) or ESTIMATE_ABOVE_CEILING (estimate_nanos, ceiling_nanos).
absl::StatusOr<Decision> Decide(const Account& account, std::int64_t estimate_nanos);

}  // namespace gatehouse::billing
