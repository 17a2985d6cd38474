// SQL for invitations and their redemptions. Every function runs in the caller's
// transaction and decides nothing: the rules are in invitation.h.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "libs/pg/database.h"
#include "libs/rpc/page.h"
#include "services/invitations/invitation.h"

namespace gatehouse::invitations {

// Stores a new invitation and returns it as stored. `id` is a fresh UUID.
Invitation InsertInvitation(pg::Tx& tx, const std::string& id, const std::string& token_digest,
                            const Draft& draft);

// SELECT … FOR UPDATE; NOT_FOUND / INVITATION_NOT_FOUND.
absl::StatusOr<Invitation> LockByTokenDigest(pg::Tx& tx, const std::string& token_digest);
absl::StatusOr<Invitation> LockById(pg::Tx& tx, const std::string& id);

void SaveUses(pg::Tx& tx, const Invitation& invitation);
void SaveRevocation(pg::Tx& tx, const Invitation& invitation);

// The invitation that `redemption_id` redeemed, if it did.
std::optional<std::string> FindRedemption(pg::Tx& tx, const std::string& redemption_id);

// False when `redemption_id` is taken.
bool InsertRedemption(pg::Tx& tx, const std::string& redemption_id,
                      const std::string& invitation_id);

// Up to `limit` invitations after `after`, newest first.
std::vector<Invitation> ListInvitations(pg::Tx& tx, const std::optional<rpc::PagePosition>& after,
                                        bool pending_only, int limit);

}  // namespace gatehouse::invitations
