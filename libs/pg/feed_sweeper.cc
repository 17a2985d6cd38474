#include "libs/pg/feed_sweeper.h"

#include <utility>

#include "libs/log/log.h"
#include "libs/pg/connection.h"

namespace gatehouse::pg {
namespace {

constexpr std::chrono::minutes kPause{1};
constexpr int kBatch = 1000;
constexpr int kBatchesMax = 20;

// Of the oldest rows those before the first one that is young enough: what is left is
// the end of the feed, without holes. Nothing goes that readers may not see yet.
std::string SweepSql(const std::string& schema) {
  const std::string name = Identifier(schema);
  return "WITH oldest AS MATERIALIZED ("
         "  SELECT transaction_id, sequence, create_time FROM " +
         name +
         ".events WHERE transaction_id < pg_snapshot_xmin(pg_current_snapshot())"
         "  ORDER BY transaction_id, sequence LIMIT $2),"
         " kept AS ("
         "  SELECT transaction_id, sequence FROM oldest"
         "  WHERE create_time >= now() - $1::bigint * interval '1 millisecond'"
         "  ORDER BY transaction_id, sequence LIMIT 1),"
         " gone AS ("
         "  DELETE FROM " +
         name +
         ".events AS e USING oldest AS o"
         "  WHERE (e.transaction_id, e.sequence) = (o.transaction_id, o.sequence)"
         "    AND NOT EXISTS (SELECT FROM kept AS k"
         "      WHERE (k.transaction_id, k.sequence) <= (o.transaction_id, o.sequence))"
         "  RETURNING e.transaction_id, e.sequence),"
         " newest AS ("
         "  SELECT transaction_id, sequence FROM gone"
         "  ORDER BY transaction_id DESC, sequence DESC LIMIT 1),"
         " told AS ("
         "  UPDATE " +
         name +
         ".feed AS f SET swept_transaction_id = n.transaction_id, swept_sequence = n.sequence"
         "  FROM newest AS n WHERE (f.swept_transaction_id, f.swept_sequence) <"
         "    (n.transaction_id, n.sequence))"
         " SELECT count(*) FROM gone";
}

}  // namespace

absl::StatusOr<int> SweepFeed(Database& db, const std::string& schema,
                              std::chrono::milliseconds age, int batch) {
  const std::string sql = SweepSql(schema);
  const std::int64_t millis = age.count();
  return db.Statement([&](Tx& tx) -> absl::StatusOr<int> {
    return tx.exec_params(sql, millis, batch).at(0)[0].as<int>();
  });
}

FeedSweeper::FeedSweeper(Database& db, std::string schema)
    : db_(db), schema_(std::move(schema)), ticker_("feed-sweeper", [this] { return Step(); }) {}

FeedSweeper::~FeedSweeper() { stopping_ = true; }

std::chrono::milliseconds FeedSweeper::Step() {
  int deleted = 0;
  for (int i = 0; i < kBatchesMax && !stopping_; ++i) {
    const absl::StatusOr<int> swept = SweepFeed(db_, schema_, kFeedAge, kBatch);
    if (!swept.ok()) {
      log::Warning("old events could not be deleted",
                   {{"schema", schema_}, {"reason", Reason(swept.status())}});
      return kPause;
    }
    deleted += *swept;
    if (*swept < kBatch) break;
  }
  if (deleted > 0) log::Info("deleted old events", {{"schema", schema_}, {"rows", deleted}});
  return kPause;
}

}  // namespace gatehouse::pg
