// Tells every connected gateway what was revoked, whose rights changed and which
// keys sign: one thread reads the control log of the database and sends to all
// streams, in commit order. Not an RPC service (control_service.h).
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "libs/exec/pool.h"
#include "libs/pg/database.h"
#include "libs/rpc/server.h"

namespace gatehouse::auth {

namespace v1 {
class ControlUpdate;
}

// Thread-safe.
class ControlHub {
 public:
  using Sender = rpc::FeedSender<v1::ControlUpdate>;

  static constexpr std::chrono::milliseconds kKeysInterval{60000};

  // `db` must outlive this. It should be a pool of one of the hub's own, so that
  // heartbeats do not wait behind requests. Keys retire by time, without a change in
  // the log: `keys_interval` is how often they are read all the same.
  explicit ControlHub(pg::Database& db, std::chrono::milliseconds keys_interval = kKeysInterval);

  // Sends one snapshot, then changes, and a heartbeat every 250 ms, until the
  // stream ends. A stream that cannot keep up is ended; its gateway comes back
  // for a new snapshot. Nothing is sent while the database cannot be read.
  void Join(Sender sender);

  // Looks at the log at once instead of within 100 ms. Call after a commit that
  // appended.
  void Wake() { ticker_.Wake(); }

 private:
  // A stream that has its snapshot, and how far it has been told.
  struct Stream {
    Sender sender;
    std::int64_t sequence;
  };

  struct Reading;

  std::chrono::milliseconds Step();
  bool ReadChanges();
  // Logs the first failure of a series; whether `status` is OK.
  bool NoteRead(const absl::Status& status);
  void SendChanges(const Reading& reading);
  void SendKeys(const std::string& jwks_json);
  void Admit();
  void SendHeartbeats();
  void Send(Stream& stream, const v1::ControlUpdate& update);
  void EndStreams();

  pg::Database& db_;
  const std::chrono::milliseconds keys_interval_;
  std::mutex mutex_;
  std::vector<Sender> joining_;  // guarded by mutex_

  // Of the ticker's thread only.
  std::vector<Stream> streams_;
  std::optional<std::int64_t> position_;  // Read up to here; unset without streams.
  SteadyTime heartbeat_time_;
  std::string jwks_json_;  // The keys that every stream has been told.
  SteadyTime keys_time_;   // When they were read.
  bool is_failing_ = false;

  exec::Ticker ticker_;  // last: stops before the rest goes
};

}  // namespace gatehouse::auth
