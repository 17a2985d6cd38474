// SQL for audit events and the chain that seals them. Every function runs in the
// caller's transaction; both tables are append-only.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "libs/pg/database.h"
#include "libs/pg/sealer.h"
#include "libs/rpc/page.h"
#include "services/auth/audit.h"

namespace gatehouse::auth {

// Appends a checked event. A repeat of the same id changes nothing.
void AppendEvent(pg::Tx& tx, const AuditEvent& event);

struct AuditFilter {
  std::string user_id;  // UUID, as actor or as target; empty: all.
  std::string type;     // Exact, or the part before a "_"; empty: all.
};

// Up to `limit` events after `after`, newest first.
std::vector<AuditEvent> ListEvents(pg::Tx& tx, const AuditFilter& filter,
                                   const std::optional<rpc::PagePosition>& after, int limit);

// How many events fit.
std::int64_t CountEvents(pg::Tx& tx, const AuditFilter& filter);

// The chain over the events, for pg::Seal and pg::VerifyChain.
pg::Chain AuditChain();

}  // namespace gatehouse::auth
