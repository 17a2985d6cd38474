#include "services/invitations/invitation_service.h"

#include <optional>
#include <utility>
#include <vector>

#include "gatehouse/invitations/v1/invitations.methods.h"
#include "libs/base/secret.h"
#include "libs/base/uuid.h"
#include "libs/rpc/page.h"
#include "libs/rpc/timestamp.h"
#include "services/invitations/invitation.h"
#include "services/invitations/invitation_store.h"

namespace gatehouse::invitations {
namespace {

constexpr int kPageSizeDefault = 50;
constexpr int kPageSizeMax = 1000;
constexpr std::size_t kTokenDigestBytes = 32;

v1::Invitation::State ToProto(State state) {
  switch (state) {
    case State::kPending:
      return v1::Invitation::STATE_PENDING;
    case State::kRedeemed:
      return v1::Invitation::STATE_REDEEMED;
    case State::kExpired:
      return v1::Invitation::STATE_EXPIRED;
    case State::kRevoked:
      return v1::Invitation::STATE_REVOKED;
  }
  return v1::Invitation::STATE_UNSPECIFIED;
}

v1::Invitation ToProto(const Invitation& invitation) {
  v1::Invitation proto;
  proto.set_id(invitation.id);
  proto.set_state(ToProto(invitation.state()));
  proto.set_notes(invitation.notes);
  proto.set_uses_max(invitation.uses_max);
  proto.set_uses(invitation.uses);
  proto.set_tenant_id(invitation.tenant_id);
  proto.set_email(invitation.email);
  proto.set_creator_user_id(invitation.creator_user_id);
  *proto.mutable_create_time() = rpc::ToTimestamp(invitation.create_time);
  *proto.mutable_expire_time() = rpc::ToTimestamp(invitation.expire_time);
  proto.set_creator_username(invitation.creator_username);
  if (invitation.last_use) {
    proto.set_redeemer_user_id(invitation.last_use->redeemer_user_id);
    proto.set_redeemer_username(invitation.last_use->redeemer_username);
    *proto.mutable_redeem_time() = rpc::ToTimestamp(invitation.last_use->redeem_time);
  }
  return proto;
}

absl::Status InvalidArgument(const std::string& reason, const std::string& message) {
  return Error(absl::StatusCode::kInvalidArgument, reason, message);
}

absl::Status CheckDigest(const std::string& token_digest) {
  if (token_digest.size() == kTokenDigestBytes) return absl::OkStatus();
  return InvalidArgument("TOKEN_DIGEST_INVALID", "token_digest must have 32 bytes");
}

// One use, or the first answer again. The row's lock orders the redeemers.
absl::StatusOr<Invitation> Redeem(pg::Tx& tx, const v1::RedeemInvitationRequest& request) {
  GH_ASSIGN_OR_RETURN(Invitation invitation, LockByTokenDigest(tx, request.token_digest()));
  const absl::Status reused = Error(absl::StatusCode::kAlreadyExists, "REDEMPTION_ID_REUSED",
                                    "the redemption id has redeemed another invitation");
  if (std::optional<std::string> redeemed = FindRedemption(tx, request.redemption_id())) {
    if (*redeemed != invitation.id) return reused;
    return invitation;
  }
  GH_RETURN_IF_ERROR(invitation.Redeem(request.email()));
  const Redemption redemption{.id = request.redemption_id(), .username = request.username()};
  if (!InsertRedemption(tx, redemption, invitation.id)) return reused;
  SaveUses(tx, invitation);
  return invitation;
}

}  // namespace

CreatedInvitation CreateInvitation(pg::Tx& tx, const Draft& draft) {
  const std::string token = NewToken();
  return {.invitation = InsertInvitation(tx, UuidV7(), Sha256(token), draft), .token = token};
}

InvitationService::InvitationService(pg::Database& db)
    : db_(db), rpc_(v1::InvitationService::kFullName) {
  const rpc::Policy by_gateway{.callers = {"gateway"}};
  const rpc::Policy by_auth{.callers = {"auth"}};
  rpc_.Unary(v1::InvitationService::kCreateInvitation, by_gateway,
             [this](rpc::Call& call, const v1::CreateInvitationRequest& request) {
               return CreateInvitation(call, request);
             });
  rpc_.Unary(v1::InvitationService::kCheckInvitation, by_auth,
             [this](rpc::Call&, const v1::CheckInvitationRequest& request) {
               return CheckInvitation(request);
             });
  rpc_.Unary(v1::InvitationService::kListInvitations, by_gateway,
             [this](rpc::Call&, const v1::ListInvitationsRequest& request) {
               return ListInvitations(request);
             });
  rpc_.Unary(v1::InvitationService::kRevokeInvitation, by_gateway,
             [this](rpc::Call&, const v1::RevokeInvitationRequest& request) {
               return RevokeInvitation(request);
             });
  rpc_.Unary(v1::InvitationService::kRedeemInvitation, by_auth,
             [this](rpc::Call&, const v1::RedeemInvitationRequest& request) {
               return RedeemInvitation(request);
             });
}

absl::StatusOr<v1::CreateInvitationResponse> InvitationService::CreateInvitation(
    rpc::Call& call, const v1::CreateInvitationRequest& request) {
  const Draft draft{.ttl_seconds = request.ttl_seconds(),
                    .uses_max = request.uses_max() == 0 ? 1 : request.uses_max(),
                    .notes = request.notes(),
                    .tenant_id = request.tenant_id(),
                    .email = request.email(),
                    .creator_user_id = call.principal().user_id(),
                    .creator_username = call.principal().username()};
  GH_RETURN_IF_ERROR(Check(draft));
  GH_ASSIGN_OR_RETURN(const CreatedInvitation created,
                      db_.InTransaction([&](pg::Tx& tx) -> absl::StatusOr<CreatedInvitation> {
                        return invitations::CreateInvitation(tx, draft);
                      }));
  v1::CreateInvitationResponse response;
  *response.mutable_invitation() = ToProto(created.invitation);
  response.set_token(created.token);
  return response;
}

absl::StatusOr<v1::CheckInvitationResponse> InvitationService::CheckInvitation(
    const v1::CheckInvitationRequest& request) {
  GH_RETURN_IF_ERROR(CheckDigest(request.token_digest()));
  GH_ASSIGN_OR_RETURN(const Invitation invitation, db_.Read([&](pg::Tx& tx) {
    return FindByTokenDigest(tx, request.token_digest());
  }));
  GH_RETURN_IF_ERROR(invitation.CheckUse(request.email()));
  v1::CheckInvitationResponse response;
  response.set_invitation_id(invitation.id);
  return response;
}

absl::StatusOr<v1::ListInvitationsResponse> InvitationService::ListInvitations(
    const v1::ListInvitationsRequest& request) {
  GH_ASSIGN_OR_RETURN(const int limit,
                      rpc::PageLimit(request.page_size(), kPageSizeDefault, kPageSizeMax));
  GH_ASSIGN_OR_RETURN(const std::optional<rpc::PagePosition> after,
                      rpc::ParsePageToken(request.page_token()));
  const ListFilter filter{.pending_only = request.pending_only(), .tenant_id = request.tenant_id()};
  // One more than asked for shows whether there is a next page.
  using Page = std::vector<Invitation>;
  GH_ASSIGN_OR_RETURN(Page page, db_.Read([&](pg::Tx& tx) -> absl::StatusOr<Page> {
    return invitations::ListInvitations(tx, after, filter, limit + 1);
  }));
  v1::ListInvitationsResponse response;
  if (page.size() > static_cast<std::size_t>(limit)) {
    page.resize(limit);
    response.set_next_page_token(rpc::PageToken({page.back().create_time, page.back().id}));
  }
  for (const Invitation& invitation : page) *response.add_invitations() = ToProto(invitation);
  return response;
}

absl::StatusOr<v1::Invitation> InvitationService::RevokeInvitation(
    const v1::RevokeInvitationRequest& request) {
  if (!IsUuid(request.id())) {
    return Error(absl::StatusCode::kNotFound, "INVITATION_NOT_FOUND",
                 "there is no such invitation");
  }
  const auto revoke = [&] {
    return db_.InTransaction([&](pg::Tx& tx) -> absl::StatusOr<Invitation> {
      GH_ASSIGN_OR_RETURN(Invitation found, LockById(tx, request.id()));
      if (found.Revoke()) SaveRevocation(tx, found);
      return found;
    });
  };
  GH_ASSIGN_OR_RETURN(const Invitation invitation, pg::RepeatInDoubt(revoke));
  return ToProto(invitation);
}

absl::StatusOr<v1::RedeemInvitationResponse> InvitationService::RedeemInvitation(
    const v1::RedeemInvitationRequest& request) {
  GH_RETURN_IF_ERROR(CheckDigest(request.token_digest()));
  if (!IsUuid(request.redemption_id())) {
    return InvalidArgument("REDEMPTION_ID_INVALID", "redemption_id must be a UUID");
  }
  const auto redeem = [&] {
    return db_.InTransaction([&](pg::Tx& tx) { return Redeem(tx, request); });
  };
  GH_ASSIGN_OR_RETURN(const Invitation invitation, pg::RepeatInDoubt(redeem));
  v1::RedeemInvitationResponse response;
  response.set_invitation_id(invitation.id);
  response.set_tenant_id(invitation.tenant_id);
  return response;
}

}  // namespace gatehouse::invitations
