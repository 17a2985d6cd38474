// SQL for the control log: every change takes its number from one locked counter
// row, so changes commit in the order of their numbers and a reader that has
// seen N has seen everything up to N. Appending locks the counter until the
// caller's transaction ends: append last.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "libs/pg/database.h"

namespace gatehouse::auth {

struct ControlChange {
  enum class Kind { kEpoch, kRevocation, kChange, kKeys, kFlush };
  std::int64_t sequence = 0;
  Kind kind = Kind::kEpoch;
  // "user/<uuid>", "tenant/<id>", "global" or "role/<name>", or the UUID of a revoked
  // credential, or the UUID of who asked for a flush; empty for kKeys.
  std::string subject;
  std::int64_t epoch = 0;
};

// What was issued for `subject` before now is dead; returns the sequence, which is
// the new epoch. Callers use revocation.h, which also raises the epoch of the row.
std::int64_t AppendEpochChange(pg::Tx& tx, const std::string& subject);
// One credential is dead.
void AppendRevocation(pg::Tx& tx, const std::string& credential_id);
// What `subject` may do or is called has changed; its credentials live on.
void AppendSubjectChange(pg::Tx& tx, const std::string& subject);
// The signing keys have changed.
void AppendKeysChange(pg::Tx& tx);

// Caches are to be emptied, as `user_id` wishes; returns the sequence.
std::int64_t AppendFlush(pg::Tx& tx, const std::string& user_id);

// The present sequence: the epoch of what is issued now.
std::int64_t ControlSequence(pg::Tx& tx);

// Changes and the position that they reach, read in one snapshot.
struct ControlRead {
  std::int64_t sequence = 0;
  std::vector<ControlChange> changes;
  bool truncated = false;  // Older revocations were left out.
};

// Changes after `sequence` in order; the position is the database's, or that of
// the last change when there are more than `limit`. One statement.
ControlRead ReadControl(pg::Tx& tx, std::int64_t sequence, int limit);

// The newest epoch of every subject that changed in the last day, the last flush, and
// at most `revocations_max` of the newest revocations of that time. One statement.
ControlRead ReadControlSnapshot(pg::Tx& tx, int revocations_max);

}  // namespace gatehouse::auth
