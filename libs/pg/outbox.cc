#include "libs/pg/outbox.h"

#include <algorithm>
#include <random>

#include "libs/log/log.h"
#include "libs/pg/connection.h"

namespace gatehouse::pg {
namespace {

constexpr int kBatch = 100;
constexpr std::int64_t kPollMillis = 1000;
constexpr std::int64_t kBackOffMillis = 100;
constexpr std::int64_t kBackOffMillisMax = 30'000;

std::string TableOf(const std::string& schema) { return Identifier(schema) + ".outbox"; }

// Doubles with every attempt, minus up to a half at random: a receiver that comes
// back is not met by all subjects at once.
std::int64_t BackOffMillis(int attempts) {
  thread_local std::minstd_rand random(std::random_device{}());
  const std::int64_t whole = std::min(kBackOffMillis << std::min(attempts, 20), kBackOffMillisMax);
  return whole - static_cast<std::int64_t>(random() % (whole / 2));
}

}  // namespace

absl::Status AppendOutbox(Tx& tx, const std::string& schema, const std::string& subject,
                          const std::string& kind, const std::string& payload) {
  tx.exec_params("INSERT INTO " + TableOf(schema) + " (subject, kind, payload) VALUES ($1, $2, $3)",
                 subject, kind, ToBytea(payload));
  return absl::OkStatus();
}

OutboxRelay::OutboxRelay(Database& db, std::string schema, Deliver deliver)
    : db_(db),
      schema_(std::move(schema)),
      deliver_(std::move(deliver)),
      leader_(db, schema_ + ".outbox"),
      ticker_("outbox", [this] { return Step(); }) {}

// A step under way ends after the delivery in hand.
OutboxRelay::~OutboxRelay() { stopping_ = true; }

void OutboxRelay::Wake() { ticker_.Wake(); }

std::chrono::milliseconds OutboxRelay::Step() {
  const std::chrono::milliseconds poll(kPollMillis);
  if (!leader_.Lead()) return poll;
  const absl::StatusOr<std::vector<Row>> rows = ReadFirstOfEachSubject();
  if (!rows.ok()) return poll;
  std::int64_t wait_millis = kPollMillis;
  for (const Row& row : *rows) {
    wait_millis = std::min(wait_millis, row.wait_millis);
    if (row.wait_millis > 0) continue;
    // Asked each time: a batch may take long, and another may lead by now.
    if (stopping_ || !leader_.Lead()) return poll;
    DeliverRow(row);
  }
  return std::chrono::milliseconds(wait_millis);
}

// Those that are due come first; the others only tell how long to sleep.
absl::StatusOr<std::vector<OutboxRelay::Row>> OutboxRelay::ReadFirstOfEachSubject() {
  const std::string sql = R"(
SELECT id, subject, kind, payload, attempts,
       greatest(0, ceil(extract(epoch FROM next_attempt_time - clock_timestamp()) * 1000))::bigint
FROM (SELECT DISTINCT ON (subject) id, subject, kind, payload, attempts, next_attempt_time
      FROM )" + TableOf(schema_) +
                          R"( ORDER BY subject, id) AS first
ORDER BY next_attempt_time > clock_timestamp(), id
LIMIT $1)";
  return db_.Read([&](Tx& tx) -> absl::StatusOr<std::vector<Row>> {
    std::vector<Row> rows;
    for (const pqxx::row& row : tx.exec_params(sql, kBatch)) {
      rows.push_back({{row[0].as<std::int64_t>(), row[1].as<std::string>(),
                       row[2].as<std::string>(), Bytes(row[3])},
                      row[4].as<int>(),
                      row[5].as<std::int64_t>()});
    }
    return rows;
  });
}

// An error of the database is in the log already. The row stays and is delivered again.
void OutboxRelay::DeliverRow(const Row& row) {
  const absl::Status delivered = deliver_(row.message);
  absl::Status stored;
  if (delivered.ok()) {
    stored = db_.Statement([&](Tx& tx) {
      tx.exec_params("DELETE FROM " + TableOf(schema_) + " WHERE id = $1", row.message.id);
      return absl::OkStatus();
    });
  } else {
    log::Warning("outbox delivery failed", {{"kind", row.message.kind},
                                            {"subject", row.message.subject},
                                            {"attempts", row.attempts + 1},
                                            {"reason", Reason(delivered)},
                                            {"text", std::string(delivered.message())}});
    stored = db_.Statement([&](Tx& tx) {
      tx.exec_params("UPDATE " + TableOf(schema_) +
                         " SET attempts = attempts + 1, next_attempt_time ="
                         " clock_timestamp() + $2::bigint * interval '1 millisecond'"
                         " WHERE id = $1",
                     row.message.id, BackOffMillis(row.attempts));
      return absl::OkStatus();
    });
  }
  if (!stored.ok()) {
    log::Warning("outbox row is not settled", {{"id", row.message.id}, {"reason", Reason(stored)}});
  }
}

}  // namespace gatehouse::pg
