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
  enum class Kind { kEpoch, kRevocation };
  std::int64_t sequence = 0;
  Kind kind = Kind::kEpoch;
  std::string subject;  // "user/<uuid>" of an epoch, or the UUID of a revoked token.
  std::int64_t epoch = 0;
};

void AppendEpochChange(pg::Tx& tx, const std::string& subject, std::int64_t epoch);
void AppendRevocation(pg::Tx& tx, const std::string& token_id);

// Changes and the position that they reach, read in one snapshot.
struct ControlRead {
  std::int64_t sequence = 0;
  std::vector<ControlChange> changes;
  bool truncated = false;  // Older revocations were left out.
};

// Changes after `sequence` in order; the position is the database's, or that of
// the last change when there are more than `limit`. One statement.
ControlRead ReadControl(pg::Tx& tx, std::int64_t sequence, int limit);

// The newest epoch of every subject that changed in the last day, and at most
// `revocations_max` of the newest revocations of that time. One statement.
ControlRead ReadControlSnapshot(pg::Tx& tx, int revocations_max);

}  // namespace gatehouse::auth
