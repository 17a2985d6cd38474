#include "services/billing/request_check.h"

#include <algorithm>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "libs/base/secret.h"
#include "libs/base/uuid.h"
#include "services/billing/money.h"

namespace gatehouse::billing {
namespace {

constexpr int kLinesMax = 100;
constexpr std::size_t kNameBytesMax = 255;
constexpr std::size_t kReasonBytesMax = 500;
constexpr std::size_t kToolBytesMax = 100;
constexpr std::int64_t kTtlSecondsDefault = 60;
constexpr std::int64_t kTtlSecondsMax = 3600;

absl::Status Invalid(const std::string& reason, const std::string& field,
                     const std::string& message) {
  return WithFieldViolation(Error(absl::StatusCode::kInvalidArgument, reason, message), field,
                            message);
}

absl::Status Malformed(const std::string& field, const std::string& rule) {
  return Invalid("REQUEST_INVALID", field, absl::StrCat(field, " ", rule));
}

// Texts go to the database as C strings.
bool HasNul(const std::string& text) { return text.find('\0') != std::string::npos; }

bool IsName(const std::string& text) {
  return !text.empty() && text.size() <= kNameBytesMax && !HasNul(text);
}

// Printable ASCII: costs are grouped and exported by it.
bool IsTool(const std::string& text) {
  return text.size() <= kToolBytesMax && std::all_of(text.begin(), text.end(), [](unsigned char c) {
           return absl::ascii_isprint(c);
         });
}

// As stored; nullopt for a value that is not of this version of the API.
std::optional<std::string> OutcomeText(v1::WorkOutcome outcome) {
  switch (outcome) {
    case v1::WORK_OUTCOME_UNSPECIFIED:
      return "";
    case v1::WORK_OUTCOME_SUCCESS:
      return "success";
    case v1::WORK_OUTCOME_FAILED:
      return "failed";
    case v1::WORK_OUTCOME_CANCELLED:
      return "cancelled";
    case v1::WorkOutcome_INT_MIN_SENTINEL_DO_NOT_USE_:
    case v1::WorkOutcome_INT_MAX_SENTINEL_DO_NOT_USE_:
      break;
  }
  return std::nullopt;
}

absl::StatusOr<std::string> CheckOutcome(v1::WorkOutcome outcome) {
  const std::optional<std::string> text = OutcomeText(outcome);
  if (!text) return Malformed("outcome", "must be one of the known values");
  return *text;
}

// A form in which different requests differ: lengths keep texts apart.
class Canonical {
 public:
  explicit Canonical(const std::string& method) { Add(method); }
  Canonical& Add(const std::string& text) {
    absl::StrAppend(&form_, text.size(), ":", text, ";");
    return *this;
  }
  Canonical& Add(std::int64_t number) { return Add(absl::StrCat(number)); }
  Canonical& Add(const std::vector<UsageLine>& lines) {
    Add(static_cast<std::int64_t>(lines.size()));
    for (const UsageLine& line : lines) {
      Add(line.line_type).Add(line.resource).Add(line.quantity);
    }
    return *this;
  }
  std::string Hash() const { return Sha256(form_); }

 private:
  std::string form_;
};

using ProtoLines = google::protobuf::RepeatedPtrField<v1::UsageLine>;

absl::StatusOr<std::vector<UsageLine>> CheckLines(const ProtoLines& lines,
                                                  const std::string& field) {
  if (lines.size() > kLinesMax) return Malformed(field, "must have at most 100 lines");
  std::vector<UsageLine> checked;
  for (const v1::UsageLine& line : lines) {
    const std::string where = absl::StrCat(field, "[", checked.size(), "]");
    if (!IsName(line.line_type())) {
      return Malformed(where + ".line_type", "must be 1 to 255 bytes of text");
    }
    if (!IsName(line.resource())) {
      return Malformed(where + ".resource", "must be 1 to 255 bytes of text");
    }
    if (line.quantity() < 0) return Malformed(where + ".quantity", "must not be negative");
    checked.push_back({line.line_type(), line.resource(), line.quantity()});
  }
  return checked;
}

bool IsBlank(const std::string& text) {
  return std::all_of(text.begin(), text.end(),
                     [](unsigned char c) { return absl::ascii_isspace(c); });
}

}  // namespace

absl::StatusOr<std::string> CheckKey(const std::string& key, const std::string& field) {
  if (!IsUuid(key)) return Malformed(field, "must be a UUID");
  return absl::AsciiStrToLower(key);
}

absl::Status CheckTenant(std::int64_t tenant_id) {
  if (tenant_id <= 0) return Malformed("tenant_id", "must be positive");
  return absl::OkStatus();
}

absl::StatusOr<ReserveOrder> CheckReserve(const v1::ReserveRequest& request) {
  ReserveOrder order;
  GH_ASSIGN_OR_RETURN(order.key, CheckKey(request.key(), "key"));
  GH_RETURN_IF_ERROR(CheckTenant(request.tenant_id()));
  order.tenant_id = request.tenant_id();
  if (request.estimate().empty()) return Malformed("estimate", "must have a line");
  GH_ASSIGN_OR_RETURN(order.estimate, CheckLines(request.estimate(), "estimate"));
  if (request.ttl_seconds() < 0 || request.ttl_seconds() > kTtlSecondsMax) {
    return Malformed("ttl_seconds", "must be in [1, 3600]");
  }
  order.ttl_seconds = request.ttl_seconds() == 0 ? kTtlSecondsDefault : request.ttl_seconds();
  if (!IsTool(request.tool())) return Malformed("tool", "must be at most 100 printable bytes");
  order.tool = request.tool();
  order.request_hash = Canonical("Reserve")
                           .Add(order.key)
                           .Add(order.tenant_id)
                           .Add(order.estimate)
                           .Add(order.ttl_seconds)
                           .Hash();
  return order;
}

absl::StatusOr<CaptureOrder> CheckCapture(const v1::CaptureRequest& request) {
  CaptureOrder order;
  GH_ASSIGN_OR_RETURN(order.key, CheckKey(request.key(), "key"));
  if (request.capture_number() < 0) return Malformed("capture_number", "must not be negative");
  order.number = request.capture_number();
  GH_ASSIGN_OR_RETURN(order.usage, CheckLines(request.usage(), "usage"));
  order.final = request.final();
  GH_ASSIGN_OR_RETURN(order.outcome, CheckOutcome(request.outcome()));
  order.request_hash = Canonical("Capture")
                           .Add(order.key)
                           .Add(order.number)
                           .Add(order.usage)
                           .Add(static_cast<std::int64_t>(order.final))
                           .Hash();
  return order;
}

absl::StatusOr<BindOrder> CheckBind(const v1::BindRequest& request) {
  BindOrder order;
  GH_ASSIGN_OR_RETURN(order.key, CheckKey(request.key(), "key"));
  return order;
}

absl::StatusOr<ReleaseOrder> CheckRelease(const v1::ReleaseRequest& request) {
  ReleaseOrder order;
  GH_ASSIGN_OR_RETURN(order.key, CheckKey(request.key(), "key"));
  GH_ASSIGN_OR_RETURN(order.outcome, CheckOutcome(request.outcome()));
  return order;
}

absl::StatusOr<AdjustOrder> CheckAdjust(const v1::AdjustBalanceRequest& request) {
  AdjustOrder order;
  GH_RETURN_IF_ERROR(CheckTenant(request.tenant_id()));
  order.tenant_id = request.tenant_id();
  GH_ASSIGN_OR_RETURN(order.key, CheckKey(request.idempotency_key(), "idempotency_key"));
  if (request.amount().currency_code() != kCurrency) {
    return Invalid("CURRENCY_UNKNOWN", "amount.currency_code", "only USD is known");
  }
  order.amount_nanos = request.amount().amount_nanos();
  if (order.amount_nanos == 0) {
    return Invalid("AMOUNT_ZERO", "amount.amount_nanos", "the amount must not be zero");
  }
  if (order.amount_nanos > kAmountMaxNanos || order.amount_nanos < -kAmountMaxNanos) {
    return Invalid("AMOUNT_OUT_OF_RANGE", "amount.amount_nanos",
                   "the amount must be within 1,000,000 USD");
  }
  if (IsBlank(request.reason())) {
    return Invalid("REASON_MISSING", "reason", "a reason must be given");
  }
  if (request.reason().size() > kReasonBytesMax || HasNul(request.reason())) {
    return Malformed("reason", "must be at most 500 bytes of text");
  }
  order.reason = request.reason();
  order.is_promotion = request.promotion();
  Canonical form("AdjustBalance");
  form.Add(order.key).Add(order.tenant_id).Add(order.amount_nanos).Add(order.reason);
  // The form of a correction is as old as the keys that are kept with it.
  if (order.is_promotion) form.Add("promotion");
  order.request_hash = form.Hash();
  return order;
}

}  // namespace gatehouse::billing
