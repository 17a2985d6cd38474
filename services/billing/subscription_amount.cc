#include <vector>

#include "absl/strings/str_cat.h"
#include "services/billing/fraction.h"
#include "services/billing/subscription.h"

namespace gatehouse::billing {
namespace {

// A thousand billion dollars a year: sums of many stay within 64 bits.
constexpr std::int64_t kAnnualCentsMax = 100'000'000'000'000;
constexpr std::int64_t kPercentDigits = 1'000'000;

absl::Status Invalid(const std::string& why) {
  return Error(absl::StatusCode::kInvalidArgument, "SUBSCRIPTION_INVALID", why);
}

absl::Status CheckCurrency(const JsonDocument& document, const std::string& path) {
  if (document.Text(path) == "usd") return absl::OkStatus();
  return Invalid("its currency must be usd");
}

// What a line of the subscription comes to.
struct Line {
  Fraction annual_cents = 0;
  Fraction periods = 0;  // In a year; 0 for what does not come again by itself.
};

absl::StatusOr<Fraction> PeriodsOf(const JsonDocument& document, const std::string& recurring) {
  const std::string interval = document.Text(recurring + ".interval").value_or("");
  const std::int64_t count = document.Int(recurring + ".interval_count").value_or(1);
  if (count < 1) return Invalid("an interval must be at least one");
  if (interval == "month") return Fraction(12) / count;
  if (interval == "week") return Fraction(52) / count;
  if (interval == "day") return Fraction(365) / count;
  if (interval == "year") return Fraction(1) / count;
  return Invalid("an interval is not known");
}

// The price of one. A price that goes by tiers has none: events do not tell its tiers.
absl::StatusOr<Fraction> UnitOf(const JsonDocument& document, const std::string& price) {
  std::optional<Fraction> unit;
  if (const auto whole = document.Int(price + ".unit_amount")) unit = Fraction(*whole);
  if (!unit) unit = Fraction::Parse(document.Text(price + ".unit_amount_decimal").value_or(""));
  if (!unit || unit->IsNegative()) return Invalid("a price must have an amount");
  return *unit;
}

absl::StatusOr<Fraction> QuantityOf(const JsonDocument& document, const std::string& item) {
  const std::int64_t quantity = document.Int(item + ".quantity").value_or(1);
  if (quantity < 0) return Invalid("a quantity must not be negative");
  const std::string transform = item + ".price.transform_quantity";
  if (!document.HasObject(transform)) return Fraction(quantity);
  const std::int64_t divisor = document.Int(transform + ".divide_by").value_or(0);
  if (divisor < 1) return Invalid("a quantity must be divided by at least one");
  const Fraction parts = Fraction(quantity) / divisor;
  return document.Text(transform + ".round") == "up" ? parts.Ceiling() : parts.Floor();
}

// Where the discounts of a subscription or item stand. Versions of the API that name them
// in "discounts" may write the one that there is out in "discount".
absl::StatusOr<std::vector<std::string>> DiscountsOf(const JsonDocument& document,
                                                     const std::string& owner) {
  const std::size_t count = document.Size(owner + ".discounts");
  std::vector<std::string> paths;
  for (std::size_t i = 0; i < count; ++i) {
    const std::string path = absl::StrCat(owner, ".discounts.", i);
    if (document.HasObject(path)) paths.push_back(path);
  }
  if (paths.size() == count && count > 0) return paths;
  if (count <= 1 && document.HasObject(owner + ".discount")) return {{owner + ".discount"}};
  if (count == 0) return paths;
  return Error(absl::StatusCode::kInvalidArgument, "DISCOUNTS_NOT_EXPANDED",
               "the event only names its discounts");
}

// Whether it comes again with each bill, and has not ended when the event was made.
bool IsRecurring(const JsonDocument& document, const std::string& discount,
                 const std::string& coupon) {
  const std::string duration = document.Text(coupon + ".duration").value_or("");
  if (duration == "forever") return true;
  if (duration != "repeating") return false;
  const auto end = document.Int(discount + ".end");
  return !end || *end > document.Int("created").value_or(0);
}

absl::StatusOr<Fraction> Discounted(const JsonDocument& document, const std::string& discount,
                                    const Line& line) {
  std::string coupon = discount + ".coupon";
  if (!document.HasObject(coupon)) coupon = discount + ".source.coupon";
  if (!IsRecurring(document, discount, coupon)) return line.annual_cents;
  if (const auto percent_text = document.Number(coupon + ".percent_off")) {
    const std::optional<Fraction> percent = Fraction::Parse(*percent_text);
    // Six decimals, as a binary number may have come out a trifle beside the decimal one.
    const auto parts = percent ? (*percent * kPercentDigits).Rounded() : std::nullopt;
    if (!parts || *parts < 0 || *parts > 100 * kPercentDigits) {
      return Invalid("a discount must be 0 to 100 percent");
    }
    return line.annual_cents * (100 * kPercentDigits - *parts) / (100 * kPercentDigits);
  }
  const std::int64_t amount = document.Int(coupon + ".amount_off").value_or(-1);
  if (amount < 0) return Invalid("a discount must have an amount");
  GH_RETURN_IF_ERROR(CheckCurrency(document, coupon + ".currency"));
  const Fraction rest = line.annual_cents - Fraction(amount) * line.periods;
  return rest.IsNegative() ? Fraction(0) : rest;
}

absl::StatusOr<Fraction> AfterDiscounts(const JsonDocument& document, const std::string& owner,
                                        Line line) {
  if (line.annual_cents.IsZero()) return line.annual_cents;
  GH_ASSIGN_OR_RETURN(const std::vector<std::string> discounts, DiscountsOf(document, owner));
  for (const std::string& discount : discounts) {
    GH_ASSIGN_OR_RETURN(line.annual_cents, Discounted(document, discount, line));
  }
  return line.annual_cents;
}

absl::StatusOr<Line> LineOf(const JsonDocument& document, const std::string& item) {
  const std::string price = item + ".price";
  if (!document.HasObject(price)) return Invalid("an item must have a price");
  const std::string recurring = price + ".recurring";
  if (!document.HasObject(recurring)) return Line();
  if (document.Text(recurring + ".usage_type") == "metered") return Line();
  GH_RETURN_IF_ERROR(CheckCurrency(document, price + ".currency"));
  Line line;
  GH_ASSIGN_OR_RETURN(line.periods, PeriodsOf(document, recurring));
  GH_ASSIGN_OR_RETURN(const Fraction unit, UnitOf(document, price));
  GH_ASSIGN_OR_RETURN(const Fraction quantity, QuantityOf(document, item));
  line.annual_cents = unit * quantity * line.periods;
  GH_ASSIGN_OR_RETURN(line.annual_cents, AfterDiscounts(document, item, line));
  return line;
}

}  // namespace

absl::StatusOr<std::int64_t> AnnualCents(const JsonDocument& document, const std::string& path) {
  const std::optional<std::string> status = document.Text(path + ".status");
  if (!status) return Invalid("a subscription must have a status");
  if (*status != "active" && *status != "past_due") return 0;
  if (document.Bool(path + ".items.has_more").value_or(false)) {
    return Invalid("the event does not tell all items");
  }
  Line total;
  for (std::size_t i = 0; i < document.Size(path + ".items.data"); ++i) {
    GH_ASSIGN_OR_RETURN(const Line line, LineOf(document, absl::StrCat(path, ".items.data.", i)));
    total.annual_cents = total.annual_cents + line.annual_cents;
    // A fixed discount is taken off each bill; all items of one are billed together.
    if (total.periods.IsZero()) total.periods = line.periods;
  }
  GH_ASSIGN_OR_RETURN(const Fraction annual, AfterDiscounts(document, path, total));
  const std::optional<std::int64_t> cents = annual.Rounded();
  if (!cents || *cents > kAnnualCentsMax) return Invalid("its amount is too large");
  return *cents;
}

}  // namespace gatehouse::billing
