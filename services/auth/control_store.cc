#include "services/auth/control_store.h"

namespace gatehouse::auth {
namespace {

constexpr char kEpochKind[] = "epoch";
constexpr char kRevocationKind[] = "revocation";

void Append(pg::Tx& tx, const char* kind, const std::string& subject, std::int64_t epoch) {
  static constexpr char kAppend[] = R"(
  WITH head AS (UPDATE auth.control_head SET sequence = sequence + 1 RETURNING sequence)
  INSERT INTO auth.control_log (sequence, kind, subject, epoch)
  SELECT sequence, $1::text, $2::text, $3::bigint FROM head)";
  tx.exec_params(kAppend, kind, subject, epoch);
}

// Columns: head, then sequence, kind, subject, epoch, which are NULL in the only
// row when nothing changed.
ControlRead FromRows(const pqxx::result& rows) {
  ControlRead read;
  for (const pqxx::row& row : rows) {
    read.sequence = row[0].as<std::int64_t>();
    if (row[1].is_null()) continue;
    read.changes.push_back({.sequence = row[1].as<std::int64_t>(),
                            .kind = row[2].as<std::string>() == kEpochKind
                                        ? ControlChange::Kind::kEpoch
                                        : ControlChange::Kind::kRevocation,
                            .subject = row[3].as<std::string>(),
                            .epoch = row[4].as<std::int64_t>()});
  }
  return read;
}

}  // namespace

void AppendEpochChange(pg::Tx& tx, const std::string& subject, std::int64_t epoch) {
  Append(tx, kEpochKind, subject, epoch);
}

void AppendRevocation(pg::Tx& tx, const std::string& token_id) {
  Append(tx, kRevocationKind, token_id, 0);
}

ControlRead ReadControl(pg::Tx& tx, std::int64_t sequence, int limit) {
  static constexpr char kRead[] = R"(
  SELECT h.sequence, l.sequence, l.kind, l.subject, l.epoch
  FROM auth.control_head h
  LEFT JOIN (SELECT sequence, kind, subject, epoch FROM auth.control_log
             WHERE sequence > $1 ORDER BY sequence LIMIT $2) l ON true
  ORDER BY l.sequence)";
  ControlRead read = FromRows(tx.exec_params(kRead, sequence, limit));
  if (read.changes.size() == static_cast<std::size_t>(limit)) {
    read.sequence = read.changes.back().sequence;
  }
  return read;
}

ControlRead ReadControlSnapshot(pg::Tx& tx, int revocations_max) {
  // An hour beyond the day, since create_time is the start of a transaction.
  static constexpr char kRead[] = R"(
  WITH recent AS (
    SELECT sequence, kind, subject, epoch FROM auth.control_log
    WHERE create_time > now() - interval '25 hours'),
  changes AS (
    SELECT max(sequence) AS sequence, 'epoch' AS kind, subject, max(epoch) AS epoch
    FROM recent WHERE kind = 'epoch' GROUP BY subject
    UNION ALL
    (SELECT sequence, kind, subject, epoch
     FROM recent WHERE kind = 'revocation' ORDER BY sequence DESC LIMIT $1))
  SELECT h.sequence, c.sequence, c.kind, c.subject, c.epoch,
         (SELECT count(*) FROM recent WHERE kind = 'revocation') > $1
  FROM auth.control_head h LEFT JOIN changes c ON true
  ORDER BY c.sequence)";
  const pqxx::result rows = tx.exec_params(kRead, revocations_max);
  ControlRead read = FromRows(rows);
  read.truncated = rows[0][5].as<bool>();
  return read;
}

}  // namespace gatehouse::auth
