// The RPCs of gatehouse.invitations.v1.InvitationService. Not the rules
// (invitation.h) and not the SQL (invitation_store.h).
#pragma once

#include <string>

#include "gatehouse/invitations/v1/invitations.pb.h"
#include "libs/pg/database.h"
#include "libs/rpc/server.h"
#include "services/invitations/invitation.h"

namespace gatehouse::invitations {

// A new invitation with its token, which is shown here only.
struct CreatedInvitation {
  Invitation invitation;
  std::string token;
};

// Stores an invitation in the caller's transaction. `draft` has passed Check.
CreatedInvitation CreateInvitation(pg::Tx& tx, const Draft& draft);

// Thread-safe.
class InvitationService {
 public:
  // `db` must outlive this.
  explicit InvitationService(pg::Database& db);

  rpc::Service& rpc() { return rpc_; }

 private:
  absl::StatusOr<v1::CreateInvitationResponse> CreateInvitation(
      rpc::Call& call, const v1::CreateInvitationRequest& request);
  absl::StatusOr<v1::CheckInvitationResponse> CheckInvitation(
      const v1::CheckInvitationRequest& request);
  absl::StatusOr<v1::ListInvitationsResponse> ListInvitations(
      const v1::ListInvitationsRequest& request);
  absl::StatusOr<v1::Invitation> RevokeInvitation(const v1::RevokeInvitationRequest& request);
  absl::StatusOr<v1::RedeemInvitationResponse> RedeemInvitation(
      const v1::RedeemInvitationRequest& request);

  pg::Database& db_;
  rpc::Service rpc_;
};

}  // namespace gatehouse::invitations
