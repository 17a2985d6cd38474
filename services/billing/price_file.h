// The price book as a YAML file: a whole book, whose amounts are decimal texts of dollars
// and never floating point. Read by `billing load-prices` and, when PRICE_BOOK_FILE names
// it, at every start. services/billing/prices.yaml shows the form.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "libs/config/problem.h"
#include "libs/pg/database.h"
#include "libs/service/process.h"
#include "services/billing/price_change.h"

namespace gatehouse::billing {

// nullopt after problems, each with its line; `file` is what they call it.
std::optional<PriceChange> ParsePriceFile(std::string_view text, const std::string& file,
                                          config::Problems* problems);

// INVALID_ARGUMENT / PRICE_FILE_INVALID with every problem of the file.
absl::StatusOr<PriceChange> ReadPriceFile(const std::string& path);

// Publishes the file's book at once, unless a version ever had the same prices: so a
// restart does not take back what an administrator has changed since. Whether it did.
// Two processes may do so at the same time. Errors of ReadPriceFile and PublishPrices.
absl::StatusOr<bool> LoadPriceFile(pg::Database& db, const std::string& path);

// The setting PRICE_BOOK_FILE; empty by default: nothing is loaded.
config::Setting PriceBookFileSetting();

// `billing load-prices FILE [--effective-time TIME] [--notes TEXT] [--dry-run]`: publishes
// and prints what changed. Exit code 2 for wrong arguments or a wrong file, all problems
// listed; 1 when the database fails.
service::Command LoadPricesCommand();

}  // namespace gatehouse::billing
