// The RPCs of gatehouse.invitations.v1.InvitationService. Not the rules
// (invitation.h) and not the SQL (invitation_store.h).
#pragma once

#include "gatehouse/invitations/v1/invitations.pb.h"
#include "libs/pg/database.h"
#include "libs/rpc/server.h"

namespace gatehouse::invitations {

// Thread-safe.
class InvitationService {
 public:
  // `db` must outlive this.
  explicit InvitationService(pg::Database& db);

  rpc::Service& rpc() { return rpc_; }

 private:
  absl::StatusOr<v1::CreateInvitationResponse> CreateInvitation(
      rpc::Call& call, const v1::CreateInvitationRequest& request);
  absl::StatusOr<v1::ListInvitationsResponse> ListInvitations(
      const v1::ListInvitationsRequest& request);
  absl::StatusOr<v1::Invitation> RevokeInvitation(const v1::RevokeInvitationRequest& request);
  absl::StatusOr<v1::RedeemInvitationResponse> RedeemInvitation(
      const v1::RedeemInvitationRequest& request);

  pg::Database& db_;
  rpc::Service rpc_;
};

}  // namespace gatehouse::invitations
