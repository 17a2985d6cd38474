// Kills what was issued before now, of a user, of a tenant or of everybody: raises
// the epoch and writes the control log in the caller's transaction. Appending locks
// the control counter until the transaction ends: call last.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "libs/pg/database.h"

namespace gatehouse::auth {

// Each returns the new epoch: a sequence of the control counter. The caller wakes
// the control hub after the commit.

// The user must exist. Locks the user's row first, which orders this against the
// issue of credentials. Also sets revoke_time = now() (the time of the transaction)
// in the user's live credentials, so that they do not count as live.
//
// One credential outlives it by this order, in one transaction: LockOwner,
// RaiseUserEpoch, CredentialIssuer::Keep. Keep takes a row for live when its
// revoke_time is NULL or equals now(), that is, when nothing but this very
// transaction has revoked it, and sets revoke_time = NULL and epoch = the new epoch
// (ControlSequence). Whether it lived by its epoch, the look-up of the call has said.
std::int64_t RaiseUserEpoch(pg::Tx& tx, const std::string& user_id);

// Of all users of a tenant; nullopt when there is no such tenant. Like the next one
// it leaves the rows of credentials alone: their epochs are smaller.
std::optional<std::int64_t> RaiseTenantEpoch(pg::Tx& tx, std::int64_t tenant_id);

std::int64_t RaiseGlobalEpoch(pg::Tx& tx);

}  // namespace gatehouse::auth
