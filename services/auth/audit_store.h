// SQL for audit events and the chain that seals them. Every function runs in the
// caller's transaction; both tables are append-only.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "libs/pg/database.h"
#include "libs/pg/sealer.h"
#include "services/auth/audit.h"

namespace gatehouse::auth {

// Appends a checked event. A repeat of the same id changes nothing.
void AppendEvent(pg::Tx& tx, const AuditEvent& event);

// A position in the list, newest first; opaque text outside.
struct AuditPosition {
  Time event_time;
  std::string id;
};
std::string EncodePosition(const AuditPosition& position);
std::optional<AuditPosition> DecodePosition(const std::string& text);

struct AuditFilter {
  std::string user_id;  // UUID, as actor or as target; empty: all.
  std::string type;     // Exact, or the part before a "_"; empty: all.
};

// Up to `limit` events after `after`, newest first.
std::vector<AuditEvent> ListEvents(pg::Tx& tx, const AuditFilter& filter,
                                   const std::optional<AuditPosition>& after, int limit);

// The chain over the events, for pg::Seal and pg::VerifyChain.
pg::Chain AuditChain();

}  // namespace gatehouse::auth
