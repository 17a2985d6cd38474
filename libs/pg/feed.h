// An append-only table of events, and its reader in commit order. A sequence
// number is taken before commit, so "after seq" alone would lose late
// committers: the cursor is (xid8, seq) and only rows below
// pg_snapshot_xmin(pg_current_snapshot()) are read. Not a queue.
//
// The table: CREATE TABLE <schema>.events (
//     transaction_id xid8 NOT NULL DEFAULT pg_current_xact_id(),
//     sequence bigint GENERATED ALWAYS AS IDENTITY,
//     tenant_id bigint NOT NULL, user_id text NOT NULL, type text NOT NULL, subject text NOT NULL,
//     data jsonb NOT NULL, create_time timestamptz NOT NULL DEFAULT now(),
//     PRIMARY KEY (transaction_id, sequence));
//   CREATE TABLE <schema>.feed (incarnation bigint NOT NULL,  -- one row
//     swept_transaction_id xid8 NOT NULL DEFAULT '0', swept_sequence bigint NOT NULL DEFAULT 0);
// Old events are deleted (feed_sweeper.h); swept_… is the last one that was.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "libs/pg/database.h"

namespace gatehouse::pg {

struct Cursor {
  std::int64_t incarnation = 0;
  std::uint64_t transaction_id = 0;
  std::int64_t sequence = 0;
  auto operator<=>(const Cursor&) const = default;
};

struct Event {
  Cursor cursor;
  std::int64_t tenant_id = 0;
  std::string user_id;
  std::string type;
  std::string subject;
  std::string data_json;
  Time create_time;
};

// Writes an event in the caller's transaction.
absl::Status AppendEvent(Tx& tx, const std::string& schema, const Event& event);

// The newest position that is safe to start after; the oldest one that nothing is
// missing behind; and up to `limit` events after `cursor`. FAILED_PRECONDITION /
// FEED_INCARNATION_CHANGED for a cursor of another incarnation, OUT_OF_RANGE /
// FEED_EVENTS_GONE for one before the oldest. An open transaction anywhere in the cluster
// that has written holds back what others commit after it.
absl::StatusOr<Cursor> FeedHead(Database& db, const std::string& schema);
absl::StatusOr<Cursor> FeedTail(Database& db, const std::string& schema);
absl::StatusOr<std::vector<Event>> ReadFeed(Database& db, const std::string& schema,
                                            const Cursor& cursor, int limit);

// Reads the feed once per process and fans it out. Wakes on LISTEN
// "<schema>_events" and polls every second. After a restore, or a day without the
// database, it starts again from the head and says so in the log only. Thread-safe.
class FeedHub {
 public:
  // Called on the hub's thread, in the order of cursors, once per event; must not
  // block, nor destroy the hub. May destroy its own handle.
  using Sink = std::function<void(const Event&)>;

  // `db` must outlive this.
  FeedHub(Database& db, std::string schema);
  ~FeedHub();

  // Calls `sink` for every event committed from now on, and perhaps for some that
  // were committed just before, until the returned handle is destroyed (which waits
  // for a call under way). To catch up from an older cursor: subscribe first, then
  // ReadFeed up to FeedHead, then skip what the sink gets twice. nullptr when the hub
  // has not reached the database since its start, after a wait of two seconds.
  std::shared_ptr<void> Subscribe(Sink sink);

  // Sends the coalesced NOTIFY, in a transaction of its own, soon. A hint.
  void Notify();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gatehouse::pg
