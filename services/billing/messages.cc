#include "services/billing/messages.h"

#include "libs/rpc/timestamp.h"
#include "services/billing/money.h"

namespace gatehouse::billing {
namespace {

v1::Account::Policy ToProto(Policy policy) {
  switch (policy) {
    case Policy::kBlock:
      return v1::Account::POLICY_BLOCK;
    case Policy::kWarn:
      return v1::Account::POLICY_WARN;
    case Policy::kLimited:
      return v1::Account::POLICY_LIMITED;
  }
  return v1::Account::POLICY_UNSPECIFIED;
}

v1::Hold::State ToProto(HoldState state) {
  switch (state) {
    case HoldState::kReserved:
      return v1::Hold::STATE_RESERVED;
    case HoldState::kBound:
      return v1::Hold::STATE_BOUND;
    case HoldState::kCaptured:
      return v1::Hold::STATE_CAPTURED;
    case HoldState::kReleased:
      return v1::Hold::STATE_RELEASED;
    case HoldState::kExpired:
      return v1::Hold::STATE_EXPIRED;
  }
  return v1::Hold::STATE_UNSPECIFIED;
}

}  // namespace

type::v1::Money ToMoney(std::int64_t amount_nanos) {
  type::v1::Money money;
  money.set_currency_code(kCurrency);
  money.set_amount_nanos(amount_nanos);
  return money;
}

v1::Account ToProto(const Account& account) {
  v1::Account proto;
  proto.set_tenant_id(account.tenant_id);
  *proto.mutable_settled() = ToMoney(account.settled_nanos);
  *proto.mutable_held() = ToMoney(account.held_nanos);
  *proto.mutable_available() = ToMoney(account.available_nanos());
  *proto.mutable_low_threshold() = ToMoney(account.low_threshold_nanos);
  proto.set_is_low(account.is_low());
  proto.set_policy(ToProto(account.policy));
  proto.set_plan_tier(account.plan_tier);
  if (account.overdraft_max_nanos) {
    *proto.mutable_overdraft() = ToMoney(*account.overdraft_max_nanos);
  }
  *proto.mutable_ceiling() = ToMoney(account.ceiling_nanos);
  return proto;
}

v1::Hold ToProto(const Hold& hold) {
  v1::Hold proto;
  proto.set_key(hold.key);
  proto.set_tenant_id(hold.tenant_id);
  proto.set_state(ToProto(hold.state));
  *proto.mutable_held() = ToMoney(hold.held_nanos);
  *proto.mutable_captured() = ToMoney(hold.captured_nanos);
  *proto.mutable_expire_time() = rpc::ToTimestamp(hold.expire_time);
  *proto.mutable_estimate() = ToMoney(hold.estimate_nanos);
  if (hold.decision.warned) proto.add_warnings(hold.decision.reason);
  return proto;
}

v1::CaptureResponse ToProto(const Answer& answer) {
  v1::CaptureResponse proto;
  if (!answer.first_response.empty()) {
    proto.ParseFromString(answer.first_response);
    return proto;
  }
  *proto.mutable_hold() = ToProto(answer.hold);
  *proto.mutable_amount() = ToMoney(answer.amount_nanos);
  proto.set_ledger_entry_id(answer.entry_id);
  return proto;
}

v1::LedgerEntry ToProto(const LedgerEntry& entry) {
  v1::LedgerEntry proto;
  proto.set_id(entry.id);
  proto.set_entry_type(entry.entry_type);
  *proto.mutable_amount() = ToMoney(entry.amount_nanos);
  *proto.mutable_balance_after() = ToMoney(entry.balance_after_nanos);
  proto.set_notes(entry.notes);
  proto.set_job_id(entry.job_id);
  *proto.mutable_create_time() = rpc::ToTimestamp(entry.create_time);
  proto.set_tenant_id(entry.tenant_id);
  proto.set_reverses(entry.reverses);
  proto.set_actor(entry.actor);
  proto.set_stripe_event_id(entry.stripe_event_id);
  proto.set_counter_account(entry.counter_account);
  return proto;
}

}  // namespace gatehouse::billing
