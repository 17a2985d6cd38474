#include "services/billing/price_book.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/billing/money.h"

namespace gatehouse::billing {
namespace {

constexpr char kReadPrices[] = R"(
SELECT line_type, resource, unit_nanos, per_units FROM billing.prices WHERE version = $1)";

absl::Status PriceUnknown(const UsageLine& line, std::size_t index) {
  const std::string message =
      absl::StrCat("there is no price for ", line.line_type, " of ", line.resource);
  return WithFieldViolation(Error(absl::StatusCode::kInvalidArgument, "PRICE_UNKNOWN", message),
                            absl::StrCat("lines[", index, "]"), message);
}

}  // namespace

absl::StatusOr<Quote> QuoteLines(const std::vector<UsageLine>& lines, const PriceBook& book) {
  if (lines.empty()) return Quote{};
  Quote quote{.price_version = book.version, .lines = lines, .line_nanos = {}, .amount_nanos = 0};
  quote.line_nanos.reserve(lines.size());
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const auto found = book.prices.find({lines[i].line_type, lines[i].resource});
    if (found == book.prices.end()) return PriceUnknown(lines[i], i);
    const Price& price = found->second;
    const std::optional<std::int64_t> cost =
        RoundedCost(lines[i].quantity, price.unit_nanos, price.per_units);
    if (!cost || *cost > kAmountMaxNanos - quote.amount_nanos) {
      return Error(absl::StatusCode::kInvalidArgument, "AMOUNT_OUT_OF_RANGE",
                   absl::StrCat("the usage costs more than ", FormatDollars(kAmountMaxNanos)));
    }
    quote.line_nanos.push_back(*cost);
    quote.amount_nanos += *cost;
  }
  return quote;
}

std::shared_ptr<const PriceBook> ReadBook(pg::Tx& tx, int version) {
  auto book = std::make_shared<PriceBook>();
  book->version = version;
  for (const pqxx::row& row : tx.exec_params(kReadPrices, version)) {
    book->prices[{row["line_type"].as<std::string>(), row["resource"].as<std::string>()}] =
        Price{.unit_nanos = row["unit_nanos"].as<std::int64_t>(),
              .per_units = row["per_units"].as<std::int64_t>()};
  }
  return book;
}

std::shared_ptr<const PriceBook> PriceBooks::Find(pg::Tx& tx, int version) {
  {
    const std::lock_guard lock(mutex_);
    if (const auto known = books_.find(version); known != books_.end()) return known->second;
  }
  // Two at once may both read it; nobody waits for another's statement.
  std::shared_ptr<const PriceBook> book = ReadBook(tx, version);
  // No published version is empty, so this one is not there, or not yet.
  if (book->prices.empty()) return book;
  const std::lock_guard lock(mutex_);
  return books_.emplace(version, std::move(book)).first->second;
}

}  // namespace gatehouse::billing
