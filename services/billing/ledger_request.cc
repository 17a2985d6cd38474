#include "services/billing/ledger_request.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/secret.h"
#include "libs/rpc/page.h"
#include "libs/rpc/timestamp.h"
#include "services/billing/money.h"
#include "services/billing/request_check.h"

namespace gatehouse::billing {
namespace {

constexpr std::size_t kReasonBytesMax = 500;
constexpr int kExportSizeDefault = 1000;
constexpr int kExportSizeMax = 5000;
constexpr int kListSizeDefault = 50;
constexpr int kListSizeMax = 1000;

absl::Status Invalid(const std::string& reason, const std::string& field,
                     const std::string& message) {
  return WithFieldViolation(Error(absl::StatusCode::kInvalidArgument, reason, message), field,
                            message);
}

absl::Status CheckCurrency(const type::v1::Money& money, const std::string& field) {
  if (money.currency_code() == kCurrency) return absl::OkStatus();
  return Invalid("CURRENCY_UNKNOWN", field + ".currency_code", "only USD is known");
}

// nullopt for POLICY_UNSPECIFIED, which leaves the policy as it is.
absl::StatusOr<std::optional<Policy>> CheckPolicy(v1::Account::Policy policy) {
  switch (policy) {
    case v1::Account::POLICY_UNSPECIFIED:
      return std::nullopt;
    case v1::Account::POLICY_BLOCK:
      return Policy::kBlock;
    case v1::Account::POLICY_WARN:
      return Policy::kWarn;
    case v1::Account::POLICY_LIMITED:
      return Policy::kLimited;
    default:
      return WithFieldViolation(Error(absl::StatusCode::kInvalidArgument, "POLICY_UNKNOWN",
                                      "the policy must be block, warn or limited"),
                                "policy", "must be block, warn or limited");
  }
}

absl::Status CheckPlanTier(const v1::UpdateAccountRequest& request) {
  if (!request.has_plan_tier() || IsPlanTier(request.plan_tier())) return absl::OkStatus();
  return WithFieldViolation(
      Error(absl::StatusCode::kInvalidArgument, "PLAN_TIER_UNKNOWN",
            "the plan tier must be free, starter, professional or enterprise"),
      "plan_tier", "must be free, starter, professional or enterprise");
}

using Limit = std::optional<std::int64_t>;

absl::StatusOr<Limit> CheckLimit(bool is_present, const type::v1::Money& money,
                                 const std::string& field) {
  if (!is_present) return std::nullopt;
  GH_RETURN_IF_ERROR(CheckCurrency(money, field));
  if (money.amount_nanos() < 0 || money.amount_nanos() > kAmountMaxNanos) {
    return Invalid("AMOUNT_OUT_OF_RANGE", field + ".amount_nanos",
                   field + " must be between 0 and 1,000,000 USD");
  }
  return money.amount_nanos();
}

absl::Status CheckReason(const std::string& reason) {
  const bool is_blank = std::all_of(reason.begin(), reason.end(),
                                    [](unsigned char c) { return absl::ascii_isspace(c); });
  if (is_blank) return Invalid("REASON_MISSING", "reason", "a reason must be given");
  if (reason.size() > kReasonBytesMax || reason.find('\0') != std::string::npos) {
    return Invalid("REQUEST_INVALID", "reason", "reason must be at most 500 bytes of text");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::optional<std::int64_t>> CheckPart(const v1::ReverseEntryRequest& request) {
  if (!request.has_amount()) return std::nullopt;
  GH_RETURN_IF_ERROR(CheckCurrency(request.amount(), "amount"));
  const std::int64_t nanos = request.amount().amount_nanos();
  if (nanos == 0) {
    return Invalid("AMOUNT_ZERO", "amount.amount_nanos", "the amount must not be zero");
  }
  if (nanos < 0 || nanos > kAmountMaxNanos) {
    return Invalid("AMOUNT_OUT_OF_RANGE", "amount.amount_nanos",
                   "the amount must be positive and within 1,000,000 USD");
  }
  return nanos;
}

// Tenants have numbers, page tokens speak of UUIDs.
std::string UuidOf(std::int64_t tenant_id) {
  const auto id = static_cast<std::uint64_t>(tenant_id);
  return absl::StrFormat("00000000-0000-0000-%04x-%012x", id >> 48,
                         id & ((std::uint64_t{1} << 48) - 1));
}

std::int64_t TenantOf(const std::string& uuid) {
  std::uint64_t id = 0;
  const bool is_hex = absl::SimpleHexAtoi(uuid.substr(19, 4) + uuid.substr(24), &id);
  return is_hex ? static_cast<std::int64_t>(id) : 0;
}

std::string TokenOf(const std::string& uuid) { return rpc::PageToken({Time(), uuid}); }

}  // namespace

bool AccountChange::changes_settings() const {
  return policy || low_threshold_nanos || overdraft_max_nanos || clears_overdraft || ceiling_nanos;
}

void AccountChange::ApplyTo(Account* account) const {
  if (policy) account->policy = *policy;
  if (low_threshold_nanos) account->low_threshold_nanos = *low_threshold_nanos;
  if (overdraft_max_nanos) account->overdraft_max_nanos = overdraft_max_nanos;
  if (clears_overdraft) account->overdraft_max_nanos.reset();
  if (ceiling_nanos) account->ceiling_nanos = *ceiling_nanos;
}

absl::StatusOr<AccountChange> CheckUpdate(const v1::UpdateAccountRequest& request) {
  AccountChange change;
  GH_RETURN_IF_ERROR(CheckTenant(request.tenant_id()));
  change.tenant_id = request.tenant_id();
  GH_ASSIGN_OR_RETURN(change.policy, CheckPolicy(request.policy()));
  GH_RETURN_IF_ERROR(CheckPlanTier(request));
  if (request.has_plan_tier()) change.plan_tier = request.plan_tier();
  GH_ASSIGN_OR_RETURN(
      change.low_threshold_nanos,
      CheckLimit(request.has_low_threshold(), request.low_threshold(), "low_threshold"));
  GH_ASSIGN_OR_RETURN(change.overdraft_max_nanos,
                      CheckLimit(request.has_overdraft(), request.overdraft(), "overdraft"));
  GH_ASSIGN_OR_RETURN(change.ceiling_nanos,
                      CheckLimit(request.has_ceiling(), request.ceiling(), "ceiling"));
  change.clears_overdraft = request.clear_overdraft();
  if (change.clears_overdraft && change.overdraft_max_nanos) {
    return Invalid("REQUEST_INVALID", "clear_overdraft",
                   "overdraft and clear_overdraft exclude each other");
  }
  return change;
}

absl::StatusOr<ReverseOrder> CheckReverse(const v1::ReverseEntryRequest& request) {
  ReverseOrder order;
  GH_ASSIGN_OR_RETURN(order.key, CheckKey(request.idempotency_key(), "idempotency_key"));
  GH_ASSIGN_OR_RETURN(order.entry_id, CheckKey(request.entry_id(), "entry_id"));
  GH_ASSIGN_OR_RETURN(order.amount_nanos, CheckPart(request));
  GH_RETURN_IF_ERROR(CheckReason(request.reason()));
  order.reason = request.reason();
  // Only the reason, at the end, may hold anything.
  order.request_hash = Sha256(absl::StrCat("ReverseEntry;", order.key, ";", order.entry_id, ";",
                                           order.amount_nanos.value_or(0), ";", order.reason));
  return order;
}

absl::StatusOr<ExportOrder> CheckExport(const v1::ExportLedgerRequest& request) {
  ExportOrder order;
  if (request.tenant_id() < 0) {
    return Invalid("REQUEST_INVALID", "tenant_id", "tenant_id must not be negative");
  }
  order.tenant_id = request.tenant_id();
  if (request.has_start_time()) order.start_time = rpc::FromTimestamp(request.start_time());
  if (request.has_end_time()) order.end_time = rpc::FromTimestamp(request.end_time());
  if (order.start_time && order.end_time && *order.start_time > *order.end_time) {
    return Invalid("REQUEST_INVALID", "end_time", "end_time must not be before start_time");
  }
  GH_ASSIGN_OR_RETURN(order.limit,
                      rpc::PageLimit(request.page_size(), kExportSizeDefault, kExportSizeMax));
  GH_ASSIGN_OR_RETURN(const std::optional<rpc::PagePosition> last,
                      rpc::ParsePageToken(request.page_token()));
  if (last) order.after_id = last->id;
  return order;
}

absl::StatusOr<ListOrder> CheckList(const v1::ListAccountsRequest& request) {
  ListOrder order;
  GH_ASSIGN_OR_RETURN(order.limit,
                      rpc::PageLimit(request.page_size(), kListSizeDefault, kListSizeMax));
  GH_ASSIGN_OR_RETURN(const std::optional<rpc::PagePosition> last,
                      rpc::ParsePageToken(request.page_token()));
  if (last) order.after_tenant_id = TenantOf(last->id);
  order.low_only = request.low_only();
  return order;
}

std::string ExportToken(const std::string& last_id) { return TokenOf(last_id); }

std::string ListToken(std::int64_t last_tenant_id) { return TokenOf(UuidOf(last_tenant_id)); }

}  // namespace gatehouse::billing
