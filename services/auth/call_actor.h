// Who is behind a call, and the audit event of what they have done. The rules of what
// they may are in user_change.h.
#pragma once

#include <cstdint>
#include <string>

#include "libs/pg/database.h"
#include "libs/rpc/server.h"
#include "services/auth/audit.h"
#include "services/auth/user_change.h"

namespace gatehouse::auth {

Actor ActorOf(const rpc::Call& call);

// UNAUTHENTICATED / CREDENTIALS_INVALID when the credential that the principal
// presented has died since the edge looked at it: a revocation that the edge has not
// heard of yet must not be outlived by what it was used for. After the locks of the
// caller's transaction, before its changes. A principal without one is trusted.
absl::Status CheckPresented(pg::Tx& tx, const rpc::Call& call);

// A success of the call's principal, or of the calling process when it acts for
// itself, on `target`, of `tenant_id` (0: of none).
AuditEvent EventBy(const rpc::Call& call, const std::string& type, const std::string& target,
                   std::int64_t tenant_id);

}  // namespace gatehouse::auth
