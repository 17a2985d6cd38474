#include "services/billing/journal.h"

#include <iostream>
#include <map>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/time_text.h"

namespace gatehouse::billing {
namespace {

constexpr char kRowsOf[] = "FETCH 2000 FROM journal";

// Within one time, a tenant's entries by their numbers, and the debts they led to last.
constexpr char kDeclare[] = R"(
DECLARE journal NO SCROLL CURSOR FOR
SELECT to_char(create_time AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS date, id, tenant_id, entry_number,
  debit_account, credit_account, amount_nanos, entry_type, notes, job_id, reverses, cause_id, actor,
  stripe_event_id
FROM billing.ledger_entries
WHERE ($1::bigint = 0 OR tenant_id = $1)
  AND create_time >= to_timestamp($2::bigint / 1000000.0)
  AND create_time < to_timestamp($3::bigint / 1000000.0)
ORDER BY create_time, tenant_id, entry_number NULLS LAST, id)";

// What tenants had and owed before a time, from the entries.
constexpr char kSumsBefore[] = R"(
SELECT tenant_id,
  sum(CASE 'reserve' WHEN credit_account THEN amount_nanos WHEN debit_account
        THEN -amount_nanos ELSE 0 END)::bigint AS reserve,
  sum(CASE 'debt' WHEN debit_account THEN amount_nanos WHEN credit_account
        THEN -amount_nanos ELSE 0 END)::bigint AS debt
FROM billing.ledger_entries
WHERE ($1::bigint = 0 OR tenant_id = $1) AND create_time < to_timestamp($2::bigint / 1000000.0)
GROUP BY tenant_id ORDER BY tenant_id)";

// The same as of now, as the accounts have it.
constexpr char kAccounts[] = R"(
SELECT tenant_id, greatest(settled_nanos, 0) AS reserve, greatest(-settled_nanos, 0) AS debt
FROM billing.accounts WHERE ($1::bigint = 0 OR tenant_id = $1) AND entry_count > 0
ORDER BY tenant_id)";

// "-12.000000000 USD", by whole numbers.
std::string Amount(std::int64_t nanos) {
  const std::uint64_t magnitude =
      nanos < 0 ? ~static_cast<std::uint64_t>(nanos) + 1 : static_cast<std::uint64_t>(nanos);
  return absl::StrFormat("%s%d.%09d USD", nanos < 0 ? "-" : "", magnitude / 1'000'000'000,
                         magnitude % 1'000'000'000);
}

// What would end a line or begin a comment does not get through.
std::string Plain(const std::string& text) {
  std::string plain;
  for (const char c : text) {
    if (c == ';') {
      plain += ',';
    } else {
      plain += absl::ascii_iscntrl(static_cast<unsigned char>(c)) ? ' ' : c;
    }
  }
  return plain;
}

std::string ReserveOf(std::int64_t tenant) {
  return absl::StrCat("liabilities:reserve:tenant-", tenant);
}

std::string ReceivableOf(std::int64_t tenant) {
  return absl::StrCat("assets:receivable:tenant-", tenant);
}

std::string AccountName(const std::string& account, std::int64_t tenant) {
  if (account == "reserve") return ReserveOf(tenant);
  if (account == "debt") return ReceivableOf(tenant);
  if (account == "revenue") return "revenue:usage";
  if (account == "stripe_clearing") return "assets:stripe-clearing";
  if (account == "promotions") return "expenses:promotions";
  return "equity:adjustments";
}

void AppendTag(const pqxx::row& row, const char* name, std::string* text) {
  const std::string value = pg::Optional<std::string>(row[name]).value_or("");
  // A comma would end the tag.
  if (!value.empty() && value.find(',') == std::string::npos) {
    absl::StrAppend(text, ", ", name, ":", Plain(value));
  }
}

std::string Transaction(const pqxx::row& row) {
  const auto tenant = row["tenant_id"].as<std::int64_t>();
  const auto nanos = row["amount_nanos"].as<std::int64_t>();
  const std::string id = row["id"].as<std::string>();
  const std::string type = row["entry_type"].as<std::string>();
  const std::string notes = Plain(row["notes"].as<std::string>());
  const std::string code = pg::Optional<std::string>(row["entry_number"]).value_or(id);
  std::string text =
      absl::StrCat(row["date"].as<std::string>(), " * (", code, ") ", type,
                   notes.empty() ? "" : ": ", notes, "\n    ; entry_id:", id, ", type:", type);
  for (const char* tag : {"job_id", "reverses", "cause_id", "actor", "stripe_event_id"}) {
    AppendTag(row, tag, &text);
  }
  absl::StrAppend(&text, "\n    ", AccountName(row["debit_account"].as<std::string>(), tenant),
                  "  ", Amount(nanos), "\n    ",
                  AccountName(row["credit_account"].as<std::string>(), tenant), "  ",
                  Amount(-nanos), "\n\n");
  return text;
}

// What was there before the first day of the journal.
std::string Opening(const std::string& date, const pqxx::row& row) {
  const auto tenant = row["tenant_id"].as<std::int64_t>();
  const auto reserve = row["reserve"].as<std::int64_t>();
  const auto debt = row["debt"].as<std::int64_t>();
  return absl::StrCat(date, " * opening balance of tenant ", tenant, "\n    ", ReserveOf(tenant),
                      "  ", Amount(-reserve), "\n    ", ReceivableOf(tenant), "  ", Amount(debt),
                      "\n    equity:opening  ", Amount(reserve - debt), "\n\n");
}

std::string Closing(const std::string& date, const pqxx::row& row) {
  const auto tenant = row["tenant_id"].as<std::int64_t>();
  return absl::StrCat(date, " * closing balance of tenant ", tenant, "\n    ", ReserveOf(tenant),
                      "  0 USD = ", Amount(-row["reserve"].as<std::int64_t>()), "\n    ",
                      ReceivableOf(tenant), "  0 USD = ", Amount(row["debt"].as<std::int64_t>()),
                      "\n\n");
}

std::string DateOf(Time time) { return FormatTime(time).substr(0, 10); }

std::int64_t MicrosOr(const std::optional<Time>& time, std::int64_t otherwise) {
  return time ? ToMicros(*time) : otherwise;
}

// PostgreSQL's own range ends behind these.
constexpr std::int64_t kFirstMicros = 0;
constexpr std::int64_t kLastMicros = std::int64_t{9'000'000'000} * 1'000'000;

void WriteIn(pg::Tx& tx, const JournalOrder& order, std::ostream& out) {
  const std::int64_t start = MicrosOr(order.start_time, kFirstMicros);
  const std::int64_t end = MicrosOr(order.end_time, kLastMicros);
  std::string date = order.start_time ? DateOf(*order.start_time) : "";
  tx.exec("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY");
  // Who reads the output may take any time between two rows.
  tx.exec("SET LOCAL idle_in_transaction_session_timeout = 0");
  out << "commodity 1000.000000000 USD\n\n";
  if (order.start_time) {
    for (const pqxx::row& row : tx.exec_params(kSumsBefore, order.tenant_id, start)) {
      out << Opening(date, row);
    }
  }
  tx.exec_params(kDeclare, order.tenant_id, start, end);
  while (out.good()) {
    const pqxx::result rows = tx.exec(kRowsOf);
    if (rows.empty()) break;
    std::string text;
    for (const pqxx::row& row : rows) text += Transaction(row);
    date = rows.back()["date"].as<std::string>();
    out << text;
  }
  if (date.empty()) return;  // There is nothing.
  const pqxx::result balances = order.end_time ? tx.exec_params(kSumsBefore, order.tenant_id, end)
                                               : tx.exec_params(kAccounts, order.tenant_id);
  for (const pqxx::row& row : balances) out << Closing(date, row);
}

absl::Status Wrong(const std::string& what) {
  return Error(absl::StatusCode::kInvalidArgument, "ARGUMENT_INVALID", what);
}

// The first moment of a UTC day.
std::optional<Time> Day(const std::string& text) {
  if (text.size() != 10) return std::nullopt;
  return ParseTime(text + "T00:00:00Z");
}

int RunExportJournal(service::Process& process) {
  const absl::StatusOr<JournalOrder> order = ParseJournalArguments(process.arguments());
  if (!order.ok()) {
    std::cerr << order.status().message() << "\n";
    return 2;
  }
  pg::Options options = process.DatabaseOptions();
  options.connections_max = 1;
  options.statement_timeout = std::chrono::hours(1);  // It sorts the whole ledger.
  pg::Database db(options);
  const absl::Status written = WriteJournal(db, *order, std::cout);
  if (written.ok()) return 0;
  std::cerr << "the journal could not be written: " << written.message() << "\n";
  return 1;
}

}  // namespace

absl::StatusOr<JournalOrder> ParseJournalArguments(const std::vector<std::string>& arguments) {
  JournalOrder order;
  for (std::size_t i = 0; i < arguments.size(); i += 2) {
    const std::string& name = arguments[i];
    if (name != "--tenant" && name != "--start" && name != "--end") {
      return Wrong("unknown argument: " + name);
    }
    if (i + 1 == arguments.size()) return Wrong(name + " needs a value");
    const std::string& value = arguments[i + 1];
    const std::optional<Time> day = Day(value);
    if (name == "--tenant") {
      if (!absl::SimpleAtoi(value, &order.tenant_id) || order.tenant_id <= 0) {
        return Wrong("--tenant must be the number of a tenant");
      }
    } else if (!day) {
      return Wrong(name + " must be a day such as 2026-01-31");
    } else if (name == "--start") {
      order.start_time = day;
    } else {
      order.end_time = *day + std::chrono::hours(24);
    }
  }
  if (order.start_time && order.end_time && *order.start_time >= *order.end_time) {
    return Wrong("--end must not be before --start");
  }
  return order;
}

absl::Status WriteJournal(pg::Database& db, const JournalOrder& order, std::ostream& out) {
  // A lost connection is no reason to begin again behind what was written.
  bool has_begun = false;
  GH_RETURN_IF_ERROR(db.InTransaction([&](pg::Tx& tx) -> absl::Status {
    if (std::exchange(has_begun, true)) {
      return Error(absl::StatusCode::kUnavailable, "DATABASE_UNAVAILABLE",
                   "the connection to the database was lost");
    }
    WriteIn(tx, order, out);
    return absl::OkStatus();
  }));
  out.flush();
  if (out.good()) return absl::OkStatus();
  return Error(absl::StatusCode::kUnavailable, "OUTPUT_FAILED", "the output cannot be written");
}

service::Command ExportJournalCommand() {
  return {.name = "export-journal",
          .help =
              "Prints the ledger as an hledger journal "
              "[--tenant N] [--start DATE] [--end DATE].",
          .run = RunExportJournal};
}

}  // namespace gatehouse::billing
