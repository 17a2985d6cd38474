#include "libs/pg/feed.h"

#include "libs/base/time_text.h"
#include "libs/pg/connection.h"

namespace gatehouse::pg {
namespace {

// Below this every transaction has ended: nothing can appear there any more.
constexpr char kHorizon[] = "pg_snapshot_xmin(pg_current_snapshot())";

std::string ReadSql(const std::string& schema) {
  return "SELECT feed.incarnation, e.transaction_id, e.sequence, e.tenant_id, e.user_id, e.type,"
         " e.subject, e.data, " +
         MicrosOf("e.create_time") +
         ", ($2::xid8, $3::bigint) < (feed.swept_transaction_id, feed.swept_sequence)"
         " FROM " +
         Identifier(schema) +
         ".feed LEFT JOIN LATERAL (SELECT transaction_id, sequence, tenant_id, user_id, type,"
         " subject, data, create_time FROM " +
         Identifier(schema) +
         ".events WHERE (transaction_id, sequence) > ($2::xid8, $3::bigint)"
         " AND transaction_id < " +
         kHorizon +
         " AND feed.incarnation = $1 ORDER BY transaction_id, sequence LIMIT $4) AS e ON true"
         " ORDER BY e.transaction_id, e.sequence";
}

std::string HeadSql(const std::string& schema) {
  return "SELECT feed.incarnation, coalesce(e.transaction_id, feed.swept_transaction_id),"
         " coalesce(e.sequence, feed.swept_sequence) FROM " +
         Identifier(schema) + ".feed LEFT JOIN LATERAL (SELECT transaction_id, sequence FROM " +
         Identifier(schema) + ".events WHERE transaction_id < " + kHorizon +
         " ORDER BY transaction_id DESC, sequence DESC LIMIT 1) AS e ON true";
}

Cursor CursorFromRow(const pqxx::row& row) {
  return {row[0].as<std::int64_t>(), row[1].as<std::uint64_t>(), row[2].as<std::int64_t>()};
}

Event FromRow(const pqxx::row& row) {
  Event event;
  event.cursor = CursorFromRow(row);
  event.tenant_id = row[3].as<std::int64_t>();
  event.user_id = row[4].as<std::string>();
  event.type = row[5].as<std::string>();
  event.subject = row[6].as<std::string>();
  event.data_json = row[7].as<std::string>();
  event.create_time = FromMicros(row[8].as<std::int64_t>());
  return event;
}

}  // namespace

absl::Status AppendEvent(Tx& tx, const std::string& schema, const Event& event) {
  tx.exec_params("INSERT INTO " + Identifier(schema) +
                     ".events (tenant_id, user_id, type, subject, data)"
                     " VALUES ($1, $2, $3, $4, $5::jsonb)",
                 event.tenant_id, event.user_id, event.type, event.subject, event.data_json);
  return absl::OkStatus();
}

absl::StatusOr<Cursor> FeedHead(Database& db, const std::string& schema) {
  return db.Read(
      [&](Tx& tx) -> absl::StatusOr<Cursor> { return CursorFromRow(tx.exec1(HeadSql(schema))); });
}

absl::StatusOr<Cursor> FeedTail(Database& db, const std::string& schema) {
  const std::string sql = "SELECT incarnation, swept_transaction_id, swept_sequence FROM " +
                          Identifier(schema) + ".feed";
  return db.Read([&](Tx& tx) -> absl::StatusOr<Cursor> { return CursorFromRow(tx.exec1(sql)); });
}

absl::StatusOr<std::vector<Event>> ReadFeed(Database& db, const std::string& schema,
                                            const Cursor& cursor, int limit) {
  return db.Read([&](Tx& tx) -> absl::StatusOr<std::vector<Event>> {
    const pqxx::result rows =
        tx.exec_params(ReadSql(schema), cursor.incarnation, std::to_string(cursor.transaction_id),
                       cursor.sequence, limit);
    // The feed's own row is always there, alone when there is no event.
    if (rows.at(0)[0].as<std::int64_t>() != cursor.incarnation) {
      return Error(absl::StatusCode::kFailedPrecondition, "FEED_INCARNATION_CHANGED",
                   "the feed was restored; start again from its head");
    }
    if (rows.at(0)[9].as<bool>()) {
      return Error(absl::StatusCode::kOutOfRange, "FEED_EVENTS_GONE",
                   "events after this position are kept no more");
    }
    std::vector<Event> events;
    for (const pqxx::row& row : rows) {
      if (!row[1].is_null()) events.push_back(FromRow(row));
    }
    return events;
  });
}

}  // namespace gatehouse::pg
