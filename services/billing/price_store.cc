#include "services/billing/price_store.h"

#include <string>

namespace gatehouse::billing {
namespace {

constexpr char kFindPrices[] = R"(
SELECT book.version, price.unit_nanos, price.per_units
FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS line (line_type, resource, position)
CROSS JOIN (SELECT max(version) AS version FROM billing.price_books
            WHERE effective_time <= now()) AS book
LEFT JOIN LATERAL (
  SELECT p.unit_nanos, p.per_units FROM billing.prices p
  WHERE p.line_type = line.line_type AND p.resource = line.resource
    AND p.version <= book.version
  ORDER BY p.version DESC LIMIT 1) AS price ON true
ORDER BY line.position)";

absl::StatusOr<PriceList> FindPrices(pg::Tx& tx, const std::vector<UsageLine>& lines) {
  std::vector<std::string> line_types;
  std::vector<std::string> resources;
  for (const UsageLine& line : lines) {
    line_types.push_back(line.line_type);
    resources.push_back(line.resource);
  }
  PriceList list;
  const pqxx::result rows =
      tx.exec_params(kFindPrices, pg::TextArray(line_types), pg::TextArray(resources));
  for (const pqxx::row& row : rows) {
    list.version = pg::Optional<int>(row["version"]).value_or(0);
    std::optional<Price> price;
    if (!row["unit_nanos"].is_null()) {
      price = Price{.unit_nanos = row["unit_nanos"].as<std::int64_t>(),
                    .per_units = row["per_units"].as<std::int64_t>()};
    }
    list.prices.push_back(price);
  }
  return list;
}

}  // namespace

absl::StatusOr<Quote> QuoteByBook(pg::Database& db, const std::vector<UsageLine>& lines) {
  if (lines.empty()) return Quote{};
  GH_ASSIGN_OR_RETURN(const PriceList list,
                      db.Read([&](pg::Tx& tx) { return FindPrices(tx, lines); }));
  return QuoteLines(lines, list);
}

}  // namespace gatehouse::billing
