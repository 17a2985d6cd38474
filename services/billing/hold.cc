#include "services/billing/hold.h"

#include <algorithm>

namespace gatehouse::billing {

const char* HoldStateText(HoldState state) {
  switch (state) {
    case HoldState::kReserved:
      return "reserved";
    case HoldState::kBound:
      return "bound";
    case HoldState::kCaptured:
      return "captured";
    case HoldState::kReleased:
      return "released";
    case HoldState::kExpired:
      return "expired";
  }
  return "captured";
}

HoldState ParseHoldState(const std::string& text) {
  if (text == "reserved") return HoldState::kReserved;
  if (text == "bound") return HoldState::kBound;
  if (text == "released") return HoldState::kReleased;
  if (text == "expired") return HoldState::kExpired;
  return HoldState::kCaptured;
}

void Hold::Reserve(std::int64_t estimate, const Decision& decided, Account* account) {
  state = HoldState::kReserved;
  estimate_nanos = estimate;
  held_nanos = estimate;
  decision = decided;
  account->held_nanos += estimate;
}

bool Hold::CanReserveAgain() const {
  const bool given_back = state == HoldState::kExpired || state == HoldState::kReleased;
  return given_back && !was_bound && capture_count == 0;
}

void Hold::ExpireAt(Time now, Account* account) {
  if (state != HoldState::kReserved || now < expire_time) return;
  state = HoldState::kExpired;
  GiveBack(held_nanos, account);
}

void Hold::Bind(Account* account) {
  switch (state) {
    case HoldState::kBound:
    case HoldState::kCaptured:
      return;
    case HoldState::kReserved:
      break;
    case HoldState::kReleased:
    case HoldState::kExpired:
      held_nanos = std::max<std::int64_t>(estimate_nanos - captured_nanos, 0);
      account->held_nanos += held_nanos;
      break;
  }
  state = HoldState::kBound;
  was_bound = true;
}

absl::Status Hold::Capture(std::int64_t amount_nanos, bool final, Account* account) {
  if (state == HoldState::kCaptured) {
    return Error(absl::StatusCode::kFailedPrecondition, "HOLD_CLOSED",
                 "the hold was captured for good; no capture can follow");
  }
  captured_nanos += amount_nanos;
  ++capture_count;
  GiveBack(final ? held_nanos : std::min(held_nanos, amount_nanos), account);
  if (final) state = HoldState::kCaptured;
  return absl::OkStatus();
}

void Hold::Release(Account* account) {
  if (state == HoldState::kCaptured) return;
  GiveBack(held_nanos, account);
  state = HoldState::kReleased;
}

void Hold::End(const std::string& how, Time now) {
  if (outcome.empty()) outcome = how;
  if (!end_time) end_time = now;
}

Hold Hold::AsReserved() const {
  Hold first = *this;
  first.state = HoldState::kReserved;
  first.held_nanos = estimate_nanos;
  first.captured_nanos = 0;
  return first;
}

void Hold::GiveBack(std::int64_t nanos, Account* account) {
  held_nanos -= nanos;
  account->held_nanos -= nanos;
}

}  // namespace gatehouse::billing
