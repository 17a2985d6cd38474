#include "services/auth/control_store.h"

namespace gatehouse::auth {
namespace {

constexpr char kEpochKind[] = "epoch";
constexpr char kRevocationKind[] = "revocation";
constexpr char kChangeKind[] = "change";
constexpr char kKeysKind[] = "keys";
constexpr char kFlushKind[] = "flush";

ControlChange::Kind KindOf(const std::string& name) {
  if (name == kRevocationKind) return ControlChange::Kind::kRevocation;
  if (name == kChangeKind) return ControlChange::Kind::kChange;
  if (name == kKeysKind) return ControlChange::Kind::kKeys;
  if (name == kFlushKind) return ControlChange::Kind::kFlush;
  return ControlChange::Kind::kEpoch;
}

// The number that it took, which is the epoch when it is an epoch.
std::int64_t Append(pg::Tx& tx, const char* kind, const std::string& subject) {
  static constexpr char kAppend[] = R"(
  WITH head AS (UPDATE auth.control_head SET sequence = sequence + 1 RETURNING sequence)
  INSERT INTO auth.control_log (sequence, kind, subject, epoch)
  SELECT sequence, $1::text, $2::text, CASE WHEN $1::text = 'epoch' THEN sequence ELSE 0 END
  FROM head RETURNING sequence)";
  return tx.exec_params(kAppend, kind, subject)[0][0].as<std::int64_t>();
}

// Columns: head, then sequence, kind, subject, epoch, which are NULL in the only
// row when nothing changed.
ControlRead FromRows(const pqxx::result& rows) {
  ControlRead read;
  for (const pqxx::row& row : rows) {
    read.sequence = row[0].as<std::int64_t>();
    if (row[1].is_null()) continue;
    read.changes.push_back({.sequence = row[1].as<std::int64_t>(),
                            .kind = KindOf(row[2].as<std::string>()),
                            .subject = row[3].as<std::string>(),
                            .epoch = row[4].as<std::int64_t>()});
  }
  return read;
}

}  // namespace

std::int64_t AppendEpochChange(pg::Tx& tx, const std::string& subject) {
  return Append(tx, kEpochKind, subject);
}

void AppendRevocation(pg::Tx& tx, const std::string& credential_id) {
  Append(tx, kRevocationKind, credential_id);
}

void AppendSubjectChange(pg::Tx& tx, const std::string& subject) {
  Append(tx, kChangeKind, subject);
}

void AppendKeysChange(pg::Tx& tx) { Append(tx, kKeysKind, ""); }

std::int64_t AppendFlush(pg::Tx& tx, const std::string& user_id) {
  return Append(tx, kFlushKind, user_id);
}

std::int64_t ControlSequence(pg::Tx& tx) {
  return tx.exec("SELECT sequence FROM auth.control_head")[0][0].as<std::int64_t>();
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
     FROM recent WHERE kind = 'flush' ORDER BY sequence DESC LIMIT 1)
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
