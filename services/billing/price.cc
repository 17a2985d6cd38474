#include "services/billing/price.h"

#include "absl/strings/str_cat.h"
#include "services/billing/money.h"

namespace gatehouse::billing {
namespace {

absl::Status PriceUnknown(const UsageLine& line, std::size_t index) {
  const std::string message =
      absl::StrCat("there is no price for ", line.line_type, " of ", line.resource);
  return WithFieldViolation(Error(absl::StatusCode::kInvalidArgument, "PRICE_UNKNOWN", message),
                            absl::StrCat("lines[", index, "]"), message);
}

}  // namespace

absl::StatusOr<Quote> QuoteLines(const std::vector<UsageLine>& lines, const PriceList& list) {
  Quote quote{.price_version = list.version, .lines = lines, .line_nanos = {}, .amount_nanos = 0};
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const std::optional<Price>& price = list.prices[i];
    if (!price) return PriceUnknown(lines[i], i);
    const std::optional<std::int64_t> cost =
        RoundedCost(lines[i].quantity, price->unit_nanos, price->per_units);
    if (!cost || *cost > kAmountMaxNanos - quote.amount_nanos) {
      return Error(absl::StatusCode::kInvalidArgument, "AMOUNT_OUT_OF_RANGE",
                   absl::StrCat("the usage costs more than ", FormatDollars(kAmountMaxNanos)));
    }
    quote.line_nanos.push_back(*cost);
    quote.amount_nanos += *cost;
  }
  return quote;
}

std::string Summary(const Quote& quote) {
  if (quote.lines.empty()) return "";
  const UsageLine& first = quote.lines[0];
  std::string text = absl::StrCat(first.quantity, " ", first.line_type, " of ", first.resource);
  if (quote.lines.size() > 1) absl::StrAppend(&text, " and ", quote.lines.size() - 1, " more");
  return text;
}

}  // namespace gatehouse::billing
