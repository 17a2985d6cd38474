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

// NOT_FOUND / INVITATION_NOT_FOUND.
absl::StatusOr<Invitation> FindByTokenDigest(pg::Tx& tx, const std::string& token_digest);

// Lock the row and read it as it is then; NOT_FOUND / INVITATION_NOT_FOUND.
absl::StatusOr<Invitation> LockByTokenDigest(pg::Tx& tx, const std::string& token_digest);
absl::StatusOr<Invitation> LockById(pg::Tx& tx, const std::string& id);

void SaveUses(pg::Tx& tx, const Invitation& invitation);
void SaveRevocation(pg::Tx& tx, const Invitation& invitation);

// One use, by the user to be with this id.
struct Redemption {
  std::string id;
  std::string username;
};

// The invitation that `redemption_id` redeemed, if it did.
std::optional<std::string> FindRedemption(pg::Tx& tx, const std::string& redemption_id);

// False when the id is taken.
bool InsertRedemption(pg::Tx& tx, const Redemption& redemption, const std::string& invitation_id);

struct ListFilter {
  bool pending_only = false;
  std::int64_t tenant_id = 0;  // 0: all.
};

// Up to `limit` invitations after `after`, newest first.
std::vector<Invitation> ListInvitations(pg::Tx& tx, const std::optional<rpc::PagePosition>& after,
                                        const ListFilter& filter, int limit);

}  // namespace gatehouse::invitations
