#include "services/billing/price_store.h"

#include <cstdint>

#include "absl/strings/str_cat.h"
#include "libs/base/time_text.h"
#include "libs/log/log.h"
#include "services/billing/price_book.h"

namespace gatehouse::billing {
namespace {

// In force for now() of the transaction, or later: a version that was published in it is.
std::string SelectBook(const char* rest) {
  return absl::StrCat("SELECT book.version, book.notes, ", pg::MicrosOf("book.effective_time"),
                      " AS effective_micros, ", pg::MicrosOf("book.create_time"),
                      R"( AS create_micros, book.version = (
  SELECT b.version FROM billing.price_books b WHERE b.effective_time <= clock_timestamp()
  ORDER BY b.effective_time DESC, b.version DESC LIMIT 1) AS in_force
FROM billing.price_books book )",
                      rest);
}

constexpr char kByVersion[] = "WHERE book.version = $1";
constexpr char kAtTime[] = R"(
WHERE book.effective_time <= to_timestamp($1::bigint / 1000000.0)
ORDER BY book.effective_time DESC, book.version DESC LIMIT 1)";

constexpr char kInsertBook[] = R"(
WITH book AS (
  INSERT INTO billing.price_books (version, effective_time, notes, content_hash, create_time)
  SELECT coalesce(max(version), 0) + 1, to_timestamp($1::bigint / 1000000.0), $2::text,
    $3::bytea, clock_timestamp()
  FROM billing.price_books
  RETURNING version),
prices AS (
  INSERT INTO billing.prices (version, line_type, resource, unit_nanos, per_units)
  SELECT book.version, p.line_type, p.resource, p.unit_nanos, p.per_units
  FROM book, unnest($4::text[], $5::text[], $6::bigint[], $7::bigint[])
    AS p (line_type, resource, unit_nanos, per_units))
SELECT version FROM book)";

PriceBookRow RowOf(const pqxx::row& row) {
  return {.version = row["version"].as<int>(),
          .effective_time = FromMicros(row["effective_micros"].as<std::int64_t>()),
          .create_time = FromMicros(row["create_micros"].as<std::int64_t>()),
          .notes = row["notes"].as<std::string>(),
          .in_force = pg::Optional<bool>(row["in_force"]).value_or(false)};
}

std::optional<PriceBookRow> FirstOf(const pqxx::result& rows) {
  if (rows.empty()) return std::nullopt;
  return RowOf(rows[0]);
}

// The newest version that ever had this content.
std::optional<int> FindContent(pg::Tx& tx, const std::string& hash) {
  for (const pqxx::row& row :
       tx.exec("SELECT version, content_hash FROM billing.price_books ORDER BY version DESC")) {
    const int version = row[0].as<int>();
    // The first version came with the table, without a hash.
    const std::string kept =
        row[1].is_null() ? ContentHash(ReadBook(tx, version)->prices) : pg::Bytes(row[1]);
    if (kept == hash) return version;
  }
  return std::nullopt;
}

int InsertBook(pg::Tx& tx, const Prices& prices, Time effective_time, const std::string& notes) {
  std::vector<std::string> types, resources;
  std::vector<std::int64_t> nanos, units;
  for (const auto& [key, price] : prices) {
    types.push_back(key.first);
    resources.push_back(key.second);
    nanos.push_back(price.unit_nanos);
    units.push_back(price.per_units);
  }
  return tx
      .exec_params(kInsertBook, ToMicros(effective_time), notes, pg::ToBytea(ContentHash(prices)),
                   pg::TextArray(types), pg::TextArray(resources), pg::BigintArray(nanos),
                   pg::BigintArray(units))
      .at(0)[0]
      .as<int>();
}

Time NowOf(pg::Tx& tx) {
  return FromMicros(
      tx.exec1(absl::StrCat("SELECT ", pg::MicrosOf("clock_timestamp()")))[0].as<std::int64_t>());
}

absl::Status EffectiveTimePast() {
  const char* const text = "must not be before now: what was charged stays as it was";
  return WithFieldViolation(Error(absl::StatusCode::kInvalidArgument, "EFFECTIVE_TIME_PAST",
                                  absl::StrCat("the effective time ", text)),
                            "effective_time", text);
}

absl::StatusOr<Publication> PublishOnce(pg::Tx& tx, const PriceChange& change,
                                        const PublishOptions& options) {
  // Numbers are given and books are derived from one another by one at a time.
  tx.exec("SELECT pg_advisory_xact_lock(hashtext('billing.price_books'))");
  const Time now = NowOf(tx);
  const Time effective_time = change.effective_time.value_or(now);
  Publication publication;
  const std::optional<PriceBookRow> before =
      FirstOf(tx.exec_params(SelectBook(kAtTime), ToMicros(effective_time)));
  if (before) {
    publication.book = *before;
    publication.before = ReadBook(tx, before->version)->prices;
  }
  publication.after = Apply(change, publication.before);
  const std::string hash = ContentHash(publication.after);
  if (publication.after.empty()) {
    return Error(absl::StatusCode::kInvalidArgument, "PRICE_BOOK_EMPTY",
                 "a price book must have a price");
  }
  if (before && hash == ContentHash(publication.before)) return publication;
  if (options.once) {
    if (const std::optional<int> known = FindContent(tx, hash)) {
      publication.book = *FindPriceBook(tx, *known);
      return publication;
    }
  }
  if (effective_time < now) return EffectiveTimePast();
  if (options.dry_run) {
    publication.book = {
        .version =
            tx.exec1("SELECT coalesce(max(version), 0) + 1 FROM billing.price_books")[0].as<int>(),
        .effective_time = effective_time,
        .create_time = now,
        .notes = change.notes};
    return publication;
  }
  const int version = InsertBook(tx, publication.after, effective_time, change.notes);
  publication.book = *FindPriceBook(tx, version);
  publication.published = true;
  return publication;
}

}  // namespace

std::optional<PriceBookRow> FindPriceBook(pg::Tx& tx, int version) {
  if (version != 0) return FirstOf(tx.exec_params(SelectBook(kByVersion), version));
  return FirstOf(tx.exec_params(SelectBook(kAtTime), ToMicros(NowOf(tx))));
}

std::vector<PriceBookRow> ListPriceBooks(pg::Tx& tx) {
  std::vector<PriceBookRow> books;
  for (const pqxx::row& row : tx.exec(SelectBook("ORDER BY book.version DESC LIMIT 1000"))) {
    books.push_back(RowOf(row));
  }
  return books;
}

absl::StatusOr<Publication> PublishPrices(pg::Database& db, const PriceChange& change,
                                          const PublishOptions& options) {
  // Done twice, it finds its own version the second time.
  return pg::RepeatInDoubt([&] {
    return db.InTransaction([&](pg::Tx& tx) { return PublishOnce(tx, change, options); });
  });
}

void LogPublication(const Publication& publication) {
  log::Info("prices published", {{"version", std::int64_t{publication.book.version}},
                                 {"prices", static_cast<std::int64_t>(publication.after.size())},
                                 {"effective_time", FormatTime(publication.book.effective_time)}});
}

}  // namespace gatehouse::billing
