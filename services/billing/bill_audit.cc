#include "services/billing/bill_audit.h"

#include <algorithm>
#include <cstdint>
#include <optional>

#include "absl/strings/str_cat.h"
#include "services/billing/money.h"
#include "services/billing/price_book.h"

namespace gatehouse::billing {
namespace {

constexpr std::size_t kDifferencesMax = 100;

// A row per line, each of which can be judged by itself; a capture without lines has one
// row, without a line type. Captures of before versions stood on them have theirs on the
// entry; those that cost nothing, nowhere.
constexpr char kBills[] = R"(
DECLARE bills NO SCROLL CURSOR FOR
SELECT c.hold_key, c.capture_number, c.amount_nanos,
  coalesce(nullif(c.price_version, 0),
    (SELECT e.price_version FROM billing.ledger_entries e WHERE e.id = c.entry_id)) AS version,
  (SELECT coalesce(sum((s.line ->> 'amount_nanos')::numeric), 0)
   FROM jsonb_array_elements(c.usage_lines) AS s (line)) AS line_sum,
  l.line ->> 'line_type' AS line_type, l.line ->> 'resource' AS resource,
  (l.line ->> 'quantity')::bigint AS quantity, (l.line ->> 'amount_nanos')::bigint AS line_nanos,
  coalesce(l.position, 1) AS position
FROM billing.captures c
LEFT JOIN LATERAL jsonb_array_elements(c.usage_lines) WITH ORDINALITY AS l (line, position)
  ON true)";

constexpr char kFetch[] = "FETCH 2000 FROM bills";

class BillChecker {
 public:
  explicit BillChecker(pg::Tx& tx) : tx_(tx) {
    for (const pqxx::row& row : tx.exec("SELECT version FROM billing.price_books")) {
      versions_.push_back(row[0].as<int>());
    }
  }

  void Check(const pqxx::row& row) {
    const std::string name = absl::StrCat("capture ", row["capture_number"].c_str(), " of hold ",
                                          row["hold_key"].c_str());
    const auto amount = row["amount_nanos"].as<std::string>();
    const auto line_sum = row["line_sum"].as<std::string>();
    if (row["position"].as<int>() == 1 && amount != line_sum) {
      Tell(absl::StrCat(name, ": ", amount, " is booked, its lines add up to ", line_sum));
    }
    if (!row["line_type"].is_null()) CheckLine(name, row);
  }

  bool full() const { return differences_.size() >= kDifferencesMax; }
  std::vector<std::string> Take() { return std::move(differences_); }

 private:
  void Tell(std::string difference) {
    if (!full()) differences_.push_back(std::move(difference));
  }

  void CheckLine(const std::string& name, const pqxx::row& row) {
    const UsageLine line{.line_type = row["line_type"].as<std::string>(),
                         .resource = row["resource"].as<std::string>(),
                         .quantity = row["quantity"].as<std::int64_t>()};
    const auto booked = row["line_nanos"].as<std::int64_t>();
    const auto version = pg::Optional<int>(row["version"]);
    if (!version) {
      const bool right = std::ranges::any_of(
          versions_, [&](int candidate) { return CostOf(line, candidate) == booked; });
      if (!right) Tell(absl::StrCat(name, ": no price book makes a line ", booked));
      return;
    }
    const std::optional<std::int64_t> cost = CostOf(line, *version);
    if (cost == booked) return;
    const std::string text = cost ? absl::StrCat("costs ", *cost) : "has no price";
    Tell(absl::StrCat(name, ": ", line.quantity, " ", line.line_type, " of ", line.resource, " ",
                      text, " by version ", *version, ", ", booked, " is booked"));
  }

  std::optional<std::int64_t> CostOf(const UsageLine& line, int version) {
    const absl::StatusOr<Quote> quote = QuoteLines({line}, *books_.Find(tx_, version));
    if (!quote.ok()) return std::nullopt;
    return quote->amount_nanos;
  }

  pg::Tx& tx_;
  PriceBooks books_;
  std::vector<int> versions_;
  std::vector<std::string> differences_;
};

}  // namespace

absl::StatusOr<std::vector<std::string>> BillDifferences(pg::Database& db) {
  using Result = absl::StatusOr<std::vector<std::string>>;
  return db.InTransaction([](pg::Tx& tx) -> Result {
    BillChecker checker(tx);
    tx.exec(kBills);
    while (!checker.full()) {
      const pqxx::result rows = tx.exec(kFetch);
      if (rows.empty()) break;
      for (const pqxx::row& row : rows) checker.Check(row);
    }
    return checker.Take();
  });
}

}  // namespace gatehouse::billing
